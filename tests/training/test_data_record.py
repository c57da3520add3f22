"""Which photographs a run is trained on, and what is written down of them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from mmsr_core.errors import InputError
from mmsr_core.models import MeanNet
from mmsr_core.models.network import load_network
from tests.helpers import tiny_models
from training.data.record import origin_of, read_record
from training.loop.loop import LoopConfig, train
from training.stages.common import training_photos
from training.tools import export


def pictures(prefix: str, count: int) -> dict[str, Image.Image]:
    return {f"{prefix}_{n:02d}.png": Image.new("RGB", (50, 40), (n, n, n)) for n in range(count)}


@pytest.fixture
def data(tmp_path: Path, write_shard) -> Path:
    """50 photographs, of which half are free."""
    folder = tmp_path / "data"
    both = pictures("free", 25) | pictures("bound", 25)
    rows = {
        name: {"source": name.split("_")[0]}
        | ({"licence": "CC0-1.0"} if name.startswith("free") else {})
        for name in both
    }
    write_shard(folder, both, rows)
    return folder


def arguments(tmp_path: Path, *folders: Path, **more: object) -> argparse.Namespace:
    given = {"data": [str(f) for f in folders], "only": None, "out": str(tmp_path / "run")}
    return argparse.Namespace(**{**given, **more})


def squares(net: nn.Module, batch: object, share: float) -> tuple[Tensor, dict[str, Tensor]]:
    return torch.stack([p.square().sum() for p in net.parameters()]).sum(), {}


def test_only_chooses_what_is_trained_on_but_not_what_is_held_out(tmp_path, data) -> None:
    every, held_out = training_photos(arguments(tmp_path, data))
    free, same = training_photos(arguments(tmp_path, data, only=["free_*"]))
    assert len(every) + len(held_out) == 50
    assert [p.name for p in same] == [p.name for p in held_out]
    assert [p.name for p in free] == [p.name for p in every if p.name.startswith("free_")]
    assert 0 < len(free) < len(every)
    with pytest.raises(InputError, match=r"called nothing\*\. Names here: bound_\*, free_\*"):
        training_photos(arguments(tmp_path, data, only=["nothing*"]))


def test_what_was_trained_on_is_recorded(tmp_path, data) -> None:
    args = arguments(tmp_path, data, only=["free_*"])
    free, _ = training_photos(args)
    training_photos(args)  # the run is resumed
    (entry,) = read_record(args.out)
    assert entry["photos"] == len(free)
    assert entry["megapixels"] == round(len(free) * 2000 / 1e6, 1)
    assert entry["only"] == ["free_*"]
    assert entry["sources"] == {
        "free": {"photos": len(free), "megapixels": 0.0, "licences": ["CC0-1.0"]}
    }
    args.only = None  # resumed with everything
    training_photos(args)
    first, second = read_record(args.out)
    assert first == entry
    assert second["sources"]["bound"]["licences"] == ["not stated"]
    assert "only" not in second


def test_several_folders_are_held_out_each_on_its_own(tmp_path, data, write_shard) -> None:
    write_shard(tmp_path / "more", pictures("more", 30), {})
    alone, held_out = training_photos(arguments(tmp_path, data))
    both, same = training_photos(arguments(tmp_path, data, tmp_path / "more"))
    assert [p.name for p in same] == [p.name for p in held_out]
    assert [p.name for p in both[: len(alone)]] == [p.name for p in alone]
    assert 0 < len(both) - len(alone) < 30
    write_shard(tmp_path / "clash", pictures("free", 3), {})
    with pytest.raises(InputError, match=r"free_00\.png is in .*clash and in a folder before it"):
        training_photos(arguments(tmp_path, data, tmp_path / "clash"))


def test_few_pictures_are_mostly_trained_on(tmp_path, write_shard) -> None:
    for count, held in ((2, 1), (19, 1), (30, 3), (239, 23), (260, 24)):
        write_shard(tmp_path / "few", pictures("a", count))
        training, held_out = training_photos(arguments(tmp_path, tmp_path / "few"))
        assert (len(training), len(held_out)) == (count - held, held)
    write_shard(tmp_path / "few", pictures("a", 1))
    with pytest.raises(InputError, match="1 photographs, which are held out"):
        training_photos(arguments(tmp_path, tmp_path / "few"))


def test_networks_bring_their_own_data_along(tmp_path, data) -> None:
    kernel_run = tmp_path / "kernel_run"
    training_photos(arguments(tmp_path, data, out=str(kernel_run)))
    shipped = tmp_path / "weights"
    shipped.mkdir()
    listed = {"mean_net": {"step": 1, "data": [{"photos": 7}]}, "denoiser": {"step": 2}}
    (shipped / "training.json").write_text(json.dumps(listed))
    args = arguments(
        tmp_path, data, only=["free_*"], init=str(shipped / "mean_net"),
        kernel_weights=str(kernel_run / "kernel_estimator"), damage_weights=None,
    )  # fmt: skip
    training_photos(args)
    (entry,) = read_record(args.out)
    assert set(entry["with"]) == {"init", "kernel_weights"}
    assert entry["with"]["init"] == {"weights": "weights/mean_net", "data": [{"photos": 7}]}
    assert entry["with"]["kernel_weights"]["data"] == read_record(kernel_run)
    assert "bound" in json.dumps(entry)  # not free, whatever --only says
    assert origin_of(shipped / "denoiser")["data"] == "not recorded"
    assert origin_of(shipped)["data"] == {"mean_net": [{"photos": 7}]}


def test_the_record_reaches_the_weights(tmp_path, data, monkeypatch) -> None:
    args = arguments(tmp_path, data, only=["free_*"])
    training_photos(args)
    model = tiny_models()["mean_net"]
    assert isinstance(model, MeanNet)
    config = LoopConfig(out=args.out, steps=1, minutes=1000, mixed_precision="no", log_every=1)
    train(
        model,
        iter([torch.zeros(1)]),
        squares,
        config,
    )
    model.save_pretrained(str(Path(args.out) / "mean_net"))
    (tmp_path / "weights" / "scheduler").mkdir(parents=True)
    argv = ["export", "--out", str(tmp_path / "weights"), "--mean", args.out]
    monkeypatch.setattr("sys.argv", argv)
    export.main()
    listed = json.loads((tmp_path / "weights" / "training.json").read_text())
    assert listed["mean_net"]["step"] == 1
    assert listed["mean_net"]["data"] == read_record(args.out)


def test_numbers_of_pictures_are_those_of_the_arrays(tmp_path, write_shard) -> None:
    side = Image.fromarray(np.zeros((500, 800, 3), np.uint8))
    write_shard(tmp_path / "d", {f"x_{n}.png": side for n in range(30)})
    training, _ = training_photos(arguments(tmp_path, tmp_path / "d"))
    (entry,) = read_record(tmp_path / "run")
    assert entry["megapixels"] == round(0.4 * len(training), 1)
    assert entry["sources"]["x"]["licences"] == ["not stated"]  # there is no photos.json


def test_networks_of_a_joint_run_are_exported_with_its_record(tmp_path, data, monkeypatch) -> None:
    args = arguments(tmp_path, data)
    training_photos(args)
    models = tiny_models()
    parts = {name: models[folder] for name, folder in export.JOINT.items()}
    nets = nn.ModuleDict(parts)
    config = LoopConfig(out=args.out, steps=1, minutes=1000, mixed_precision="no", log_every=1)
    train(nets, iter([torch.zeros(1)]), squares, config)
    for name, folder in export.JOINT.items():
        parts[name].save_pretrained(str(Path(args.out) / folder))
    (tmp_path / "weights" / "scheduler").mkdir(parents=True)
    argv = ["export", "--out", str(tmp_path / "weights"), "--joint", args.out, "--full"]
    monkeypatch.setattr("sys.argv", argv)
    export.main()
    listed = json.loads((tmp_path / "weights" / "training.json").read_text())
    assert set(listed) == set(export.JOINT.values())
    assert all(part["data"] == read_record(args.out) for part in listed.values())
    kept = load_network(tmp_path / "weights" / "mean_net", MeanNet).state_dict()
    assert all(torch.equal(value, parts["mean"].state_dict()[name]) for name, value in kept.items())
