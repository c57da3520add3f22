"""Pictures about runs and results: curves of a log, sheets of crops."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.figures import crops as crops_figure
from benchmarks.figures import curves
from mmsr_core.errors import InputError


def write_log(folder):
    folder.mkdir()
    lines = [{"step": i, "seconds": 60.0 * i, "loss": 1 / (1 + i), "lr": 1e-3} for i in range(40)]
    lines.append({"step": 40, "seconds": 2400.0, "val_psnr": 27.5})
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "log.jsonl").write_text(text + '\n{"step": 41, "sec')
    return folder


def test_log_is_read_although_its_last_line_is_cut(tmp_path):
    found = curves.read_log(write_log(tmp_path / "run") / "log.jsonl")
    assert set(found) == {"loss", "val_psnr"}
    assert found["val_psnr"] == ([2400 / 3600], [27.5])
    assert len(found["loss"][0]) == 40


def test_running_mean():
    assert curves.smoothed([1.0, 3.0, 5.0], 2) == [1.0, 2.0, 4.0]
    assert curves.smoothed([4.0] * 5, 99) == [4.0] * 5


def test_curves_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    curves.draw([write_log(tmp_path / "a"), write_log(tmp_path / "b")], tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as picture:
        assert min(picture.size) > 300
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_busiest_crop_is_found():
    hr = torch.full((1, 3, 96, 128), 0.5)
    hr[..., 40:72, 80:112] = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    top, left = crops_figure.busiest(hr, 32, 4)
    assert abs(top - 40) <= 4
    assert abs(left - 80) <= 4
    assert top % 4 == left % 4 == 0


def test_sheet_stays_below_the_limit():
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    picture = crops_figure.sheet([([noise] * 6, ["a"] * 6)] * 3, 64)
    assert picture.size == (6 * 64 + 5 * 4, 16 + 3 * (64 + 16 + 4) - 4)
    small = crops_figure.encode(picture, 60_000)
    assert len(small) < 60_000
    assert len(crops_figure.encode(picture, 10**7)) > len(small)
    with pytest.raises(InputError, match="does not fit"):
        crops_figure.encode(picture, 1000)
