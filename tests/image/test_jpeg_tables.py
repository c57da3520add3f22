"""Quality from quantisation tables."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmsr_core.image import load_image


@pytest.mark.parametrize("quality", [5, 10, 30, 50, 75, 90, 95, 98])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_quality_of_a_file(tmp_path, quality, mode) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.jpg", quality=quality)
    assert load_image(tmp_path / "a.jpg").jpeg_quality == pytest.approx(quality, abs=1)


def test_other_tables_and_other_files(tmp_path) -> None:
    picture = Image.new("RGB", (16, 16))
    picture.save(tmp_path / "flat.jpg", qtables=[[1] * 64, [1] * 64])
    assert load_image(tmp_path / "flat.jpg").jpeg_quality == 100
    picture.save(tmp_path / "coarse.jpg", qtables=[[255] * 64, [255] * 64])
    assert load_image(tmp_path / "coarse.jpg").jpeg_quality == 1
    picture.save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").jpeg_quality is None
