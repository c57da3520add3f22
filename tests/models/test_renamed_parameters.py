"""Weights of version 0.1 load: their parameters are renamed, no value changes."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmsr_core.models import (
    Denoiser,
    DepthNet,
    FusionNet,
    KernelEstimator,
    MeanNet,
    PromptTextEncoder,
)
from mmsr_core.models.network import load_network
from mmsr_core.models.renamed_parameters import present_name, present_names
from mmsr_core.types import WEIGHTS_FILE

NETWORKS = (DepthNet, Denoiser, FusionNet, KernelEstimator, MeanNet, PromptTextEncoder)


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
    assert present_name(old, torch.zeros(shape)) == new


def test_weights_of_version_0_1_load(tmp_path) -> None:
    net = MeanNet(channels=8, blocks=1, kernel_codes=4, condition_channels=8)
    net.save_pretrained(tmp_path)
    names = {"conv_in": "inlet", "conv_out": "outlet", "conv1": "first", "conv2": "second"}
    old = {
        ".".join(names.get(part, part) for part in key.split(".")): value
        for key, value in load_file(tmp_path / WEIGHTS_FILE).items()
    }
    assert old.keys() != net.state_dict().keys()
    save_file(old, str(tmp_path / WEIGHTS_FILE), metadata={"format": "pt"})
    loaded = load_network(tmp_path, MeanNet)
    for key, value in net.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)


@pytest.mark.parametrize("kind", NETWORKS)
def test_present_names_stay(kind) -> None:
    state = kind().state_dict()
    assert present_names(state).keys() == state.keys()
