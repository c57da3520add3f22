"""`python -m benchmarks fusion` with a tiny pipeline and made-up pairs."""

from __future__ import annotations

import json
import tarfile

import pytest
import torch

from benchmarks.command import main
from benchmarks.fusion.run import baselines, degrade_source
from benchmarks.inputs.sensor_pairs import read_pairs
from mmsr_core.errors import InputError
from tests.helpers import save_picture, smooth_picture

GUIDES = {
    "no guide",
    "right guide, LR",
    "right guide, full resolution",
    "shifted guide",
    "black guide",
    "guide of another picture",
}


def save(path, mode: str, seed: int, size=(66, 64)) -> None:
    save_picture(path, smooth_picture(size, seed), mode)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs")
    for i in range(2):
        save(path / "visible" / f"{i}.png", "RGB", i)
        save(path / "infrared" / f"{i}.png", "L", i + 10)
    return path


def test_tables_of_fusion_and_guidance(folder, model, tmp_path, capsys) -> None:
    base = ["fusion", "--pairs", folder, "--all-pairs", "--model", model]
    rest = ["--device", "cpu", "--guide-seeds", 2, "--guide-window", 48, "--out", tmp_path]
    assert (
        main([str(a) for a in [*base, *rest, "--protocol", "bicubic", "p2n", "--window", 56]]) == 0
    )
    result = json.loads((tmp_path / "fusion.json").read_text())
    for part in result["fusion"].values():
        assert part["pictures"] == 2
        assert len(part["methods"]) == 4
        for method in part["methods"].values():
            for key in ("en", "sd", "sf", "mi", "scd", "vif", "qabf", "ssim_sum"):
                values = [row[key] for row in method["images"].values()]
                assert method["mean"][key] == pytest.approx(sum(values) / 2)
        means = {name: method["mean"] for name, method in part["methods"].items()}
        average, largest = means["bicubic, then average"], means["bicubic, then maximum"]
        assert average["sd"] != largest["sd"]
        ours = [name for name in means if name.startswith("MMSR model")]
        assert len(ours) == 2
        assert means[ours[0]] != means[ours[1]]
    assert set(result["guide"]["methods"]) == GUIDES
    for by_seed in result["guide"]["methods"].values():
        assert set(by_seed) == {"0", "1"}
        assert by_seed["0"] != by_seed["1"]  # the seeds are different degradations
    assert result["guide"]["protocol"] == "p2n"  # bicubic reduction knows no seed
    page = (tmp_path / "fusion.md").read_text()
    assert "Qabf" in page
    assert "central windows of 56 px" in page
    assert "black guide" in page
    assert "Written to" in capsys.readouterr().out


def test_an_archive_is_read_like_a_folder_and_held_out_pairs_alone(folder, tmp_path) -> None:
    archive = tmp_path / "pairs.tar"
    with tarfile.open(archive, "w") as tar:
        for kind in ("visible", "infrared"):
            for i in range(31):
                tar.add(folder / kind / f"{i % 2}.png", f"roadscene/{kind}/{i:02}.png")
            tar.add(folder / kind / "0.png", f"msrs/{kind}/00.png")
    pairs = read_pairs(archive, 4)
    assert [p.name for p in pairs] == ["25", "26", "27", "28", "29"]
    assert len(read_pairs(archive, 4, everything=True)) == 31
    assert pairs[0].visible.shape == (1, 3, 64, 64)  # 66 rows, cut to a multiple of 4
    assert pairs[0].infrared.shape == (1, 1, 64, 64)
    inside = pairs[0].centre(34, 4)
    assert torch.equal(inside.visible, pairs[0].visible[..., 16:48, 16:48])
    direct = read_pairs(folder, 4, everything=True)
    assert torch.equal(direct[1].visible, pairs[0].visible)


def test_baselines_are_what_they_say() -> None:
    dark, light = torch.full((1, 3, 8, 8), 0.2), torch.full((1, 3, 8, 8), 0.6)
    rows = baselines(dark, light, 4)
    for name, level in (("bicubic, then average", 0.4), ("bicubic, then maximum", 0.6)):
        assert rows[name].shape == (1, 1, 32, 32)
        assert float(rows[name].mean()) == pytest.approx(level, abs=2e-3)


@pytest.mark.parametrize("protocol", ["bicubic", "p2"])
def test_sources_are_degraded_each_on_its_own(folder, protocol: str) -> None:
    pair = read_pairs(folder, 4, everything=True)[0]
    first = degrade_source(pair.infrared, protocol, "a/visible", 4, 0)
    again = degrade_source(pair.infrared, protocol, "a/visible", 4, 0)
    other = degrade_source(pair.infrared, protocol, "a/infrared", 4, 0)
    assert first.shape == (1, 3, 16, 16)
    assert torch.equal(first, again)
    assert torch.equal(first, other) is (protocol == "bicubic")
    torch.testing.assert_close(first * 255, (first * 255).round())


def test_bad_input_is_refused(folder, model, tmp_path, capsys) -> None:
    with pytest.raises(InputError, match="neither"):
        read_pairs(tmp_path / "nothing.tar", 4)
    (tmp_path / "broken.tar").write_text("not an archive")
    with pytest.raises(InputError, match="tar archive"):
        read_pairs(tmp_path / "broken.tar", 4)
    with pytest.raises(InputError, match="no pairs"):
        read_pairs(folder, 4)  # two pairs: no block is held out
    save(tmp_path / "odd" / "visible" / "0.png", "RGB", 0)
    save(tmp_path / "odd" / "infrared" / "0.png", "L", 0, (32, 32))
    with pytest.raises(InputError, match="differ in size"):
        read_pairs(tmp_path / "odd", 4, everything=True)
    arguments = ["fusion", "--pairs", tmp_path / "nothing.tar", "--out", tmp_path / "out"]
    assert main([str(a) for a in arguments]) == 2
    assert "nothing.tar" in capsys.readouterr().err
    assert main([str(a) for a in [*arguments, "--limit", -1]]) == 2
    assert "--limit" in capsys.readouterr().err
