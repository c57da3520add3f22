"""The benchmarks through the command line, with a tiny pipeline."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.command import MODULES, RANGES, main, parse
from benchmarks.quality.bicubic import bicubic_results
from tests.helpers import save_picture, smooth_picture

pytestmark = pytest.mark.usefixtures("without_shared")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two 64x64 pictures with depth maps, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed, name in enumerate(("a", "b")):
        save_picture(folder / f"{name}.png", smooth_picture((64, 64), seed))
        np.save(folder / f"{name}.depth.npy", np.linspace(0, 1, 4096).reshape(64, 64))
    (folder / "broken.png").write_text("not a picture")
    return folder


def test_bicubic_rows_need_no_model(pictures, tmp_path, capsys):
    protocols = ["p1", "p2", "p2n", "p3", "p4"]
    arguments = ["quality", "--data", pictures, "--out", tmp_path, "--steps"]
    code = main([str(a) for a in [*arguments, "--protocol", *protocols, "--scale", 2]])
    assert code == 2  # the broken file, reported
    assert "broken.png failed" in capsys.readouterr().out
    result = json.loads((tmp_path / "quality.json").read_text())
    assert list(result["protocols"]) == protocols
    for part in result["protocols"].values():
        assert part["pictures"] == 2
        assert list(part["failures"]) == ["broken.png"]
        assert set(part["methods"]) == {"bicubic", "bicubic_pil"}
        for method in part["methods"].values():
            rows = method["images"].values()
            mean = sum(row["psnr_y"] for row in rows) / 2
            assert method["mean"]["psnr_y"] == pytest.approx(mean)
    assert "# Quality" in (tmp_path / "quality.md").read_text()


def test_published_rows_and_ready_inputs(pictures, tmp_path):
    inputs = tmp_path / "ready"
    inputs.mkdir()
    for name in "ab":
        Image.new("RGB", (16, 16), (90, 80, 70)).save(inputs / f"{name}.png")
    peers = tmp_path / "peers.json"
    peers.write_text(json.dumps({"p2": {"Other": {"psnr_y": 20.0}, "bicubic": {"psnr_y": 1.0}}}))
    options = ["--data", pictures, "--inputs", inputs, "--peers", peers, "--out", tmp_path]
    main(["quality", "--protocol", "p2", "--steps", *map(str, ["--limit", 2, *options])])
    part = json.loads((tmp_path / "quality.json").read_text())["protocols"]["p2"]
    assert list(part["published"]) == ["Other"]
    assert "Other (published)" in (tmp_path / "quality.md").read_text()
    assert part["methods"]["bicubic"]["mean"]["psnr_y"] < 25  # flat inputs were used
    assert "lr_db_true" not in part["methods"]["bicubic"]["mean"]


def test_pillows_cubic_is_the_one_with_antialias():
    noise = torch.rand(1, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    lr = ((0.3 + 0.4 * noise) * 255).round() / 255  # nothing to clip between the axes
    ours = bicubic_results(lr, 4)["bicubic_pil"]
    size = (36, 44)
    other = torch.nn.functional.interpolate(lr, size, mode="bicubic", antialias=True).clamp(0, 1)
    difference = (ours - other).abs() * 255
    assert difference.max() < 2  # Pillow rounds to 8 bits after each axis
    assert difference.mean() < 0.4


def test_bicubic_results_keep_the_geometry():
    ramp = torch.linspace(0, 1, 16).view(1, 1, 1, 16).expand(1, 3, 16, 16)
    for up in bicubic_results((ramp * 255).round() / 255, 4).values():
        expected = (torch.arange(64) - 1.5) / 4 / 15
        torch.testing.assert_close(up[0, 0, 32, 12:-12], expected[12:-12], atol=0.006, rtol=0)


def _ours(tmp_path, protocol):
    """The part of a protocol, and the means of our rows."""
    part = json.loads((tmp_path / "quality.json").read_text())["protocols"][protocol]
    means = {k: v["mean"] for k, v in part["methods"].items() if k.startswith("MMSR")}
    return part, means


def test_quality_for_every_kernel(pictures, model, tmp_path):
    options = ["--protocol", "p2", "--kernel", "estimated", "true", "constant", "--steps", 0, 1]
    base = ["quality", "--data", pictures, "--model", model, "--out", tmp_path]
    assert main([str(a) for a in [*base, *options, "--device", "cpu"]]) == 2  # the broken file
    part, means = _ours(tmp_path, "p2")
    assert part["failures"].keys() == {"broken.png"}
    assert part["pictures"] == 2
    assert len(means) == 6
    best = part["best_constant_kernel_psnr"]["mean"]
    for name, mean in means.items():
        assert mean["seconds"] > 0
        assert 0 < mean["lr_db_used"] < 100
        if "true kernel" in name:
            assert mean["lr_db_used"] == pytest.approx(mean["lr_db_true"], abs=0.1)
            assert mean.get("kernel_psnr") is None
        if "constant kernel" in name:
            assert mean["kernel_psnr"] == pytest.approx(best, abs=0.05)
        if "estimated kernel" in name:
            assert 0 < mean["kernel_psnr"] < best  # random weights know nothing


def test_quality_for_every_depth(pictures, model, tmp_path):
    options = ["--protocol", "p3", "--depth", "on", "off", "given", "--steps", 0, "--limit", 1]
    base = ["quality", "--data", pictures, "--depth-maps", pictures, "--model", model]
    assert main([str(a) for a in [*base, *options, "--out", tmp_path, "--device", "cpu"]]) == 0
    part, means = _ours(tmp_path, "p3")
    assert part["notes"] == []
    record = json.loads((tmp_path / "quality.json").read_text())["model"]
    sums = json.loads((model / "checksums.json").read_text())
    weights = {name.split("/")[0]: s for name, s in sums.items() if name.endswith(".safetensors")}
    assert record["sha256"] == weights  # the optional networks, too
    assert len(means) == 3
    assert len({mean["kernel_psnr"] for mean in means.values()}) == 3  # depth reaches DKENet
    assert len({mean["lr_db_used"] for mean in means.values()}) == 3


def test_kernel_errors_with_a_model(pictures, model, tmp_path):
    base = ["kernel", "--pairs", pictures, "--data", pictures, "--limit", 2]
    rest = ["--model", model, "--out", tmp_path, "--iterations", 1, 2, "--device", "cpu"]
    assert main([str(a) for a in [*base, *rest]]) == 0
    sets = json.loads((tmp_path / "kernel.json").read_text())["sets"]
    assert set(sets) == {"defocus", "p2"}
    assert len(sets["defocus"]["methods"]) == 1 + 2 + 2
    assert len(sets["p2"]["methods"]) == 1 + 2 + 1
    for part in sets.values():
        for method in part["methods"].values():
            assert 0 < method["mean"]["kernel_l1"] < 2
    without = sets["defocus"]["methods"]["depth off"]["mean"]["kernel_l1"]
    given = sets["defocus"]["methods"]["depth given"]["mean"]["kernel_l1"]
    assert without != given


def test_speed_with_a_model(model, tmp_path):
    base = ["speed", "--model", model, "--out", tmp_path, "--size", 16, "--repeats", 2]
    rest = ["--dtype", "float32", "--steps", 1, "--threads", 1, "--device", "cpu", "--no-peers"]
    assert main([str(a) for a in [*base, *rest]]) == 0
    run = json.loads((tmp_path / "speed.json").read_text())["runs"]["16 float32"]
    assert run["total_seconds"]["median"] > 0
    assert run["load_seconds"] > 0
    assert run["stage_seconds"]
    assert run["peak_memory_mb"] > 50
    assert run["operations"] > 1e6
    assert 0 < run["peak_share"] < 1
    assert "share of the peak" in (tmp_path / "speed.md").read_text()


def test_bad_usage_is_one_line(tmp_path, capsys):
    for arguments in (
        ["quality", "--out", str(tmp_path)],
        ["quality", "--data", str(tmp_path / "missing"), "--out", str(tmp_path)],
        [],
        ["sharpness"],
        ["quality", "--protocol", "p9"],
        ["quality", "--protocol"],
        ["quality", "--steps", "nonsense"],
        ["quality", "--limit", "None"],
        ["speed", "--peers"],
        ["kernel", "--out", str(tmp_path)],
        ["speed", "--size", "0", "--out", str(tmp_path)],
        ["speed", "--size", "4x4x4", "--out", str(tmp_path)],
        ["speed", "--mode", "fast", "--out", str(tmp_path)],
    ):
        assert main([*arguments]) == 2
        error = capsys.readouterr().err.strip()
        assert error.startswith("mmsr: error: ")
        assert "\n" not in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("fusion --scale 0", "--scale must be from 1 to 16, but is 0."),
        ("fusion --guide-window 4", "--guide-window must be at least 16, but is 4."),
        ("fusion --guide-seeds -1", "--guide-seeds must be at least 0, but is -1."),
        ("quality --scale 2 17", "--scale must be from 1 to 16, but is 17."),
        ("quality --steps -1", "--steps must be from 0 to 64, but is -1."),
        ("tradeoff --detail nan", "--detail must be from 0 to 2, but is nan."),
        ("kernel --iterations 0", "--iterations must be from 1 to 16, but is 0."),
        ("ablation --seeds -1", "--seeds must be from 0 to 4294967295, but is -1."),
        ("speed --threads 0", "--threads must be at least 1, but is 0."),
        ("modalities --crop 0", "--crop must be at least 16, but is 0."),
        ("damage --count -1", "--count must be at least 1, but is -1."),
        ("clip --blur-sigma-px -1", "--blur-sigma-px must be from 0 to 4.5, but is -1.0."),
        ("clip --reach 9", "--reach must be from 0 to 8, but is 9."),
        ("restore --side 0", "--side must be at least 16, but is 0."),
        ("real --limit 0", "--limit must be at least 1, but is 0."),
    ],
)
def test_absurd_numbers_are_said_in_one_line(words, said, capsys):
    assert main(words.split()) == 2
    assert capsys.readouterr().err == f"mmsr: error: {said}\n"


def test_ranges_name_options_that_there_are():
    known = {field.name for name in MODULES for field in fields(parse([name]))}
    assert known >= RANGES.keys()


@pytest.mark.parametrize(
    ("benchmark", "option"),
    [
        ("ablation", "--seed"),  # it has --seeds
        ("ablation", "--inputs"),  # it makes them
        ("ablation", "--params"),
        ("ablation", "--peers"),
        ("modalities", "--seed"),
    ],
)
def test_options_without_effect_are_refused(benchmark, option, capsys):
    assert main([benchmark, option, "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("mmsr: error: Unrecognized or misplaced options: ")
    assert option in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("quality --protocol p2 --steps 0 1 --depth on --seed 0", {}),
        ("quality --steps --limit -1", {"steps": (), "limit": -1}),
        ("quality --scale 2 4 --depth off given", {"scales": (2, 4), "depths": ("off", "given")}),
        ("tradeoff --detail 1 --peers a.json", {"details": (1.0,), "peers": Path("a.json")}),
        ("ablation --group kernel depth --quick", {"groups": ("kernel", "depth"), "quick": True}),
        ("kernel --iterations 3 --debug", {"iterations": (3,), "debug": True}),
        ("speed --no-peers --mode compile", {"peers": False, "modes": ("compile",)}),
        ("modalities --bodies 0.5", {"bodies": 0.5}),
        ("fusion --all-pairs --out x", {"all_pairs": True, "out": Path("x")}),
    ],
)
def test_flags_become_options(words, changed):
    assert parse(words.split()) == replace(parse(words.split()[:1]), **changed)


@pytest.mark.parametrize("benchmark", [None, *MODULES])
def test_help(benchmark, capsys):
    assert main(["--help"] if benchmark is None else [benchmark, "--help"]) == 0
    said = capsys.readouterr()
    assert f"usage: python -m benchmarks {benchmark or ''}" in said.out
    assert not said.err
