"""The perception-distortion curve and the ablations, with a tiny pipeline."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.ablation import run as ablation
from benchmarks.ablation.switches import bicubic_anchor
from benchmarks.command import main
from benchmarks.quality import tradeoff
from mmsr_core.pipeline import load_pipeline
from tests.helpers import save_picture, smooth_picture

pytestmark = pytest.mark.usefixtures("without_shared")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(2):
        save_picture(folder / f"p{seed}.png", smooth_picture((64, 64), seed))
    return folder


def run(*words):
    return main([str(word) for word in words])


def test_points_of_the_curve():
    points = tradeoff.curve_points([0, 1, 4], [0.0, 0.5, 1.0])
    assert points == [(0, 0.0), (1, 0.5), (1, 1.0), (4, 0.5), (4, 1.0)]


def test_better_in_both_needs_both():
    row: dict[str, float | None] = {"psnr_y": 27.0, "lpips": 0.3}
    others: dict[str, dict[str, float | None]] = {
        "same": dict(row),
        "sharper": {"psnr_y": 26.0, "lpips": 0.2},
        "better": {"psnr_y": 27.1, "lpips": 0.29},
        "unknown": {"psnr_y": 30.0, "lpips": None},
    }
    assert tradeoff.better_in_both(row, others) == ["better"]


def test_plot_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.quality.tradeoff_plot import save_plot

    rows = {"bicubic": (26.3, 0.51), "steps 0 (mean)": (27.7, 0.37), "steps 4, detail 1": (27, 0.2)}
    part = {
        "pictures": 1,
        "methods": {n: {"mean": {"psnr_y": p, "lpips": v}} for n, (p, v) in rows.items()},
        "curve": [
            {"steps": 0, "detail": 0.0, "name": "steps 0 (mean)", "better": []},
            {"steps": 4, "detail": 1.0, "name": "steps 4, detail 1", "better": []},
        ],
        "published": {"Other": {"psnr_y": 26.5, "lpips": 0.36}},
    }
    save_plot(tmp_path / "a.png", "p2", part)
    with Image.open(tmp_path / "a.png") as picture:
        colours = len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0))
    assert colours > 50


def test_missing_matplotlib_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run("tradeoff", "--out", tmp_path) == 2
    assert "mmsr[bench]" in capsys.readouterr().err


def test_ablation(pictures, model, tmp_path):
    groups = ["kernel, steps 0", "SVKR", "AMF", "temperature", "anchor", "consistency, steps 4"]
    code = run(
        "ablation", "--data", pictures, "--model", model, "--out", tmp_path, "--device",
        "cpu", "--limit", 1, "--seeds", 0, 1, "--group", *groups,
    )  # fmt: skip
    assert code == 0
    result = json.loads((tmp_path / "ablation.json").read_text())
    part = result["protocols"]["p2"]
    assert part["pictures"] == 1
    assert "± " in (tmp_path / "ablation.md").read_text()
    for group, rows in part["groups"].items():
        names = list(rows)
        assert rows[names[0]]["difference"]["psnr_y"] == {"mean": 0.0, "std": 0.0}
        for name in names[1:]:
            change = rows[name]["difference"]["lr_db_true"]
            assert change["mean"] != 0 or group == "temperature", (group, name)
            seeds = rows[name]["seeds"]
            assert seeds["0"]["psnr_y"] != seeds["1"]["psnr_y"]
    consistency = part["groups"]["consistency, steps 4"]["off"]["difference"]["lr_db_true"]["mean"]
    assert consistency < -1
    true = part["groups"]["kernel, steps 0"]["true"]["mean"]
    assert "kernel_psnr" not in true


def test_bad_group_is_refused(pictures, model, tmp_path, capsys):
    assert run("ablation", "--data", pictures, "--out", tmp_path, "--group", "x") == 2
    assert "--group" in capsys.readouterr().err


def test_spread():
    assert ablation.spread([1.0, 3.0]) == {"mean": 2.0, "std": pytest.approx(2**0.5)}
    assert ablation.spread([2.0]) == {"mean": 2.0, "std": None}
    assert ablation.spread([None]) == {"mean": None, "std": None}


def test_bicubic_anchor_is_put_back(model):
    pipe = load_pipeline(model, device="cpu")
    lr = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    conditioning = pipe.fuse_modalities(lr, pipe.estimate_degradation(lr, 4))

    def mean():
        return pipe.sample(conditioning, steps=0, consistency="off").images

    before = mean()
    with bicubic_anchor(pipe):
        inside = mean()
    plain = torch.nn.functional.interpolate(lr, scale_factor=4.0, mode="bicubic").clamp(0, 1)
    torch.testing.assert_close(inside, plain, atol=1e-5, rtol=0)
    assert not torch.equal(before, inside)
    assert torch.equal(before, mean())
