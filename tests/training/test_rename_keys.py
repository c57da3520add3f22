"""Weights of version 0.1 load after their parameters are renamed; no value changes."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmsr_core.models.mean_net import MeanNet
from mmsr_core.models.network import load_network
from mmsr_core.types import WEIGHTS_FILE
from mmsr_core.weights import verify_folder, write_sums
from training.tools import rename_keys


@pytest.mark.parametrize(
    ("old", "shape", "new"),
    [
        ("inlet.weight", (8, 3, 3, 3), "conv_in.weight"),
        ("enter0.1.time.weight", (16, 128), "encoder0.1.time_proj.weight"),
        ("time.0.weight", (128, 35), "time_embedding.0.weight"),
        ("middle.first.convs.0.weight", (8, 8, 3, 3), "bottleneck.conv1.convs.0.weight"),
        ("experts.prompt.speak.weight", (8, 512), "experts.prompt.value.weight"),
        ("experts.prompt.mix.weight", (8, 8, 1, 1), "experts.prompt.proj_out.weight"),
        ("stages.2.1.first.weight", (64, 64), "stages.2.1.linear1.weight"),
        ("stages.2.0.first.weight", (64, 64, 3, 3), "stages.2.0.conv1.weight"),
        ("fuses.0.mix.weight", (8, 8, 3, 3), "fuses.0.mix.weight"),
        ("statistics.read.0.weight", (8, 8, 1, 1), "statistics.mlp.0.weight"),
    ],
)
def test_names(old: str, shape: tuple[int, ...], new: str) -> None:
    assert rename_keys.present_name(old, torch.zeros(shape)) == new


def test_an_old_folder_becomes_a_present_one(tmp_path, monkeypatch) -> None:
    net = MeanNet(channels=8, blocks=1, kernel_codes=4, condition_channels=8)
    folder = tmp_path / "mean_net"
    net.save_pretrained(folder)
    names = {"conv_in": "inlet", "conv_out": "outlet", "conv1": "first", "conv2": "second"}
    old = {
        ".".join(names.get(part, part) for part in key.split(".")): value
        for key, value in load_file(folder / WEIGHTS_FILE).items()
    }
    save_file(old, str(folder / WEIGHTS_FILE), metadata={"format": "pt"})
    write_sums(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rename_keys", str(tmp_path)])
    rename_keys.main()
    loaded = load_network(folder, MeanNet)
    for key, value in net.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)
    sums = json.loads((tmp_path / "checksums.json").read_text())
    assert set(sums) == {"mean_net/config.json", f"mean_net/{WEIGHTS_FILE}"}
    with pytest.raises(Exception, match="does not list"):  # the other networks are not there
        verify_folder(tmp_path)
