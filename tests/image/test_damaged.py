"""JPEG files that are cut off are read as far as they go, and it is said."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
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


def with_garbage(data: bytes, seed: int) -> bytes:
    """A JPEG with 40 bytes of noise somewhere among the data of its picture."""
    rng = np.random.default_rng(seed)
    start = int(rng.integers(data.index(b"\xff\xda") + 40, len(data) - 100))
    return data[:start] + rng.bytes(40) + data[start + 40 :]


def test_most_garbage_is_found(jpeg: Path) -> None:
    pytest.importorskip("simplejpeg")
    said = []
    for seed in range(20):
        try:
            said += load_image(damaged(jpeg, with_garbage(jpeg.read_bytes(), seed))).notes
        except ImageFileError as error:
            said.append(str(error))
    assert len(said) >= 14
    assert all("damaged" in line for line in said)


@pytest.mark.parametrize("mark", [b"\xff\x00", b"\xff\xd3", b"\xff\xe5\0\4ab"])
def test_marks_are_looked_at_without_any_package(
    jpeg: Path, mark: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "simplejpeg", None)  # As if it were not installed.
    data = jpeg.read_bytes()
    middle = len(data) * 3 // 4
    read = load_image(damaged(jpeg, data[:middle] + mark + data[middle:]))
    assert read.broken == (mark != b"\xff\x00")  # which is a value, no mark


def test_a_lost_restart_mark_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    path = tmp_path / "a.jpg"
    Image.effect_noise((128, 96), 60).save(path, restart_marker_blocks=8)
    assert not load_image(path).broken
    data = path.read_bytes()
    first, second = data.index(b"\xff\xd1"), data.index(b"\xff\xd2")
    path.write_bytes(data[:first] + data[second:])
    assert load_image(path).broken


KINDS = [
    {},
    {"progressive": True},
    {"subsampling": 0},
    {"restart_marker_blocks": 3},
    {"restart_marker_blocks": 1, "progressive": True},
    {"optimize": True, "quality": 100},
    {"quality": 1},
    {"dpi": (300, 300), "comment": b"\xff\xd9 \xff\x01"},
]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_sound_files_are_not_called_damaged(tmp_path: Path, mode: str, options: dict) -> None:
    path = tmp_path / "a.jpg"
    thumbnail = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(thumbnail, "JPEG")
    exif = Image.Exif()
    exif[0x927C] = thumbnail.getvalue()  # a JPEG with its own end within the file's head
    for picture in (Image.effect_noise((97, 61), 70), Image.new("L", (64, 48), 90)):
        picture.convert(mode).save(path, exif=exif, **options)
        data = path.read_bytes()
        endings = [b"", b"junk" * 9, b"\0" * 30, data]
        made = [data + ending for ending in endings] + [data[:-2] + bytes(7) + data[-2:]]
        for content in made:
            path.write_bytes(content)
            assert load_image(path).notes == []


def test_a_bare_header_is_refused(jpeg: Path) -> None:
    with pytest.raises(ImageFileError, match="damaged or incomplete"):
        load_image(damaged(jpeg, jpeg.read_bytes()[:40]))
