"""HEIC and JPEG XL: read and written where a plugin is there, named where it is not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from mmsr_core.errors import ImageFileError
from mmsr_core.image import load_image, save_image
from mmsr_core.image.plugins import HEIC, JXL, Plugin, plugin_of
from tests.helpers import smooth_picture

HEADS = {
    "a.heic": (b"\0\0\0\x18ftypheic\0\0\0\0", HEIC),
    "b.jpg": (b"\0\0\0\x18ftypmif1\0\0\0\0", HEIC),
    "c.jxl": (b"\xff\x0a\x01\x02", JXL),
    "d.jxl": (b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a", JXL),
    "e.avif": (b"\0\0\0\x1cftypavif\0\0\0\0", None),
    "f.heic": (b"\x89PNG\r\n\x1a\n", None),
}


@pytest.mark.parametrize("name", HEADS)
def test_the_first_bytes_decide(tmp_path: Path, name: str) -> None:
    head, expected = HEADS[name]
    (tmp_path / name).write_bytes(head)
    assert plugin_of(tmp_path / name) is expected


@pytest.mark.parametrize("name", ["a.heic", "c.jxl"])
def test_a_missing_plugin_is_named(tmp_path: Path, monkeypatch, name: str) -> None:
    (tmp_path / name).write_bytes(HEADS[name][0])
    monkeypatch.setattr(Plugin, "installed", property(lambda self: False))
    with pytest.raises(
        ImageFileError, match=r"needs pillow-.*pip install \"mmsr\[(images|jxl)\]\""
    ):
        load_image(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "head", "called"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        ("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        ("a.webp", b"RIFF\0\0\0\0WEBPnone", "WebP"),
        ("a.tif", b"II*\0\x08\0\0\0\0\0", "TIFF"),
    ],
)
def test_a_damaged_file_of_a_known_format_is_called_so(
    tmp_path: Path, name: str, head: bytes, called: str
) -> None:
    if called == "HEIC":
        pytest.importorskip("pillow_heif")
    (tmp_path / name).write_bytes(head + b"\0" * 200)
    with pytest.raises(ImageFileError, match=f"{called} file, but is damaged|is damaged or inc"):
        load_image(tmp_path / name)


def test_what_is_unknown_names_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture at all")
    with pytest.raises(ImageFileError, match="HEIC, AVIF, JPEG XL"):
        load_image(tmp_path / "a.png")


def test_heic_is_read(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    picture = smooth_picture((40, 56), 0)
    array = picture[0].mul(255).byte().permute(1, 2, 0).numpy()
    heif.from_pillow(Image.fromarray(array)).save(tmp_path / "a.heic", quality=95)
    read = load_image(tmp_path / "a.heic")
    assert read.size == (40, 56)
    assert float((read.rgb - picture).abs().mean()) < 0.08  # its colours are subsampled


def test_jpeg_xl_goes_round(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl", reason="pillow-jxl-plugin is not installed")
    picture, alpha = smooth_picture((40, 56), 1), torch.linspace(0, 1, 56).expand(1, 1, 40, 56)
    eight_bits = picture.mul(255).round() / 255
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    save_image(tmp_path / "a.jxl", picture, exif=exif.tobytes())
    read = load_image(tmp_path / "a.jxl")
    torch.testing.assert_close(read.rgb, eight_bits)
    assert read.exif is not None
    assert b"a maker" in read.exif
    save_image(tmp_path / "b.jxl", picture, alpha, quality=80)
    lossy = load_image(tmp_path / "b.jxl")
    assert lossy.alpha is not None
    assert float((lossy.rgb[..., 20:] - picture[..., 20:]).abs().mean()) < 0.05
    assert (tmp_path / "b.jxl").stat().st_size > 0


def test_jpeg_xl_is_written_in_srgb(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl", reason="pillow-jxl-plugin is not installed")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    picture, alpha = smooth_picture((24, 32), 1), torch.full((1, 1, 24, 32), 0.5)
    save_image(tmp_path / "a.jxl", picture, alpha, icc_profile=srgb.tobytes())
    read = load_image(tmp_path / "a.jxl")
    torch.testing.assert_close(read.rgb, picture, atol=1.5 / 255, rtol=0)  # sRGB already
    assert read.alpha is not None
    wide = with_wide_primaries(srgb.tobytes())
    save_image(tmp_path / "b.jxl", picture, icc_profile=wide)
    save_image(tmp_path / "b.png", picture, icc_profile=wide)
    with Image.open(tmp_path / "b.png") as image:
        target = ImageCms.createProfile("sRGB")
        expected = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(wide)), target
        )
    shown = load_image(tmp_path / "b.jxl").rgb[0].mul(255).round().permute(1, 2, 0).numpy()
    assert expected is not None
    assert abs(shown - np.asarray(expected)).max() <= 1
    assert abs(shown - (picture[0] * 255).permute(1, 2, 0).numpy()).max() > 5


def with_wide_primaries(profile: bytes) -> bytes:
    """The same profile with red and blue exchanged: far from sRGB, and still a profile."""
    return profile.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
