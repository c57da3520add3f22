"""JPEG files that are cut off are read as far as they go, and it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from mmsr_core.errors import ImageFileError
from mmsr_core.image import load_image
from tests.helpers import smooth_picture


@pytest.fixture(params=[False, True], ids=["baseline", "progressive"])
def jpeg(request, tmp_path: Path) -> Path:
    array = smooth_picture((96, 128), 0)[0].mul(255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(array).save(tmp_path / "a.jpg", quality=92, progressive=request.param)
    return tmp_path / "a.jpg"


def damaged(jpeg: Path, data: bytes) -> Path:
    made = jpeg.with_name("b.jpg")
    made.write_bytes(data)
    return made


def test_a_missing_end_marker_costs_nothing(jpeg: Path) -> None:
    whole = load_image(jpeg)
    assert whole.complete
    assert whole.notes == []
    read = load_image(damaged(jpeg, jpeg.read_bytes()[:-2]))
    assert torch.equal(read.rgb, whole.rgb)
    assert not read.complete
    assert "ends too soon" in read.notes[0]
    assert read.jpeg_quality == whole.jpeg_quality


def test_what_is_there_is_read(jpeg: Path) -> None:
    whole, data = load_image(jpeg), jpeg.read_bytes()
    read = load_image(damaged(jpeg, data[: len(data) * 2 // 3]))
    assert read.size == whole.size
    assert float((read.rgb - whole.rgb)[..., :24, :].abs().mean()) < 0.1
    assert not read.complete


def test_junk_behind_the_picture_is_not_looked_at(jpeg: Path) -> None:
    read = load_image(damaged(jpeg, jpeg.read_bytes() + b"junk" * 500))
    assert torch.equal(read.rgb, load_image(jpeg).rgb)
    assert read.complete


def test_garbage_in_the_middle_does_not_end_the_reading(jpeg: Path) -> None:
    data = bytearray(jpeg.read_bytes())
    middle = len(data) * 3 // 4
    data[middle : middle + 20] = bytes(range(20))
    assert load_image(damaged(jpeg, bytes(data))).size == (96, 128)


def test_a_bare_header_is_refused(jpeg: Path) -> None:
    with pytest.raises(ImageFileError, match="damaged or incomplete"):
        load_image(damaged(jpeg, jpeg.read_bytes()[:40]))
