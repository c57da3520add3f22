"""A PNG file's gamma is applied, unless the file says something better."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from mmsr_core.image import load_image, save_image

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RAMP = np.linspace(0, 1, 256)
SRGB = np.where(RAMP <= 0.0031308, 12.92 * RAMP, 1.055 * RAMP ** (1 / 2.4) - 0.055)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(path: Path, *chunks: bytes) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:])
    return path


def gama(gamma: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(gamma * 100000)))


def ramp(path: Path, mode: str) -> Path:
    values = np.arange(256, dtype=np.uint8)[None].repeat(2, 0)
    if mode == "I;16":
        Image.fromarray(values.astype(np.uint16) * 257).save(path)
    else:
        grey = Image.fromarray(values)
        image = grey.convert(mode)
        if "A" in mode:
            image.putalpha(grey)
        image.save(path)
    return path


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "I;16"])
def test_linear_values_are_brought_to_srgb(tmp_path: Path, mode: str) -> None:
    image = load_image(with_chunks(ramp(tmp_path / "a.png", mode), gama(1)))
    assert np.allclose(image.rgb[0, :, 0].numpy(), SRGB[None], atol=2e-3)
    if image.alpha is not None:  # is no colour
        assert np.allclose(image.alpha[0, 0, 0].numpy(), RAMP, atol=1e-6)
    assert "gamma of 1 " in image.notes[0]


def test_sixteen_bit_colour(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pytest.importorskip("imagecodecs")
    values = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    save_image(path, values, bit_depth=16)
    image = load_image(with_chunks(path, gama(1)))
    assert image.bit_depth == 16
    expected = 1.055 * values.double() ** (1 / 2.4) - 0.055
    bright = values > 0.01
    assert torch.allclose(image.rgb[bright].double(), expected[bright], atol=1e-4)


@pytest.mark.parametrize(
    "chunks",
    [
        [gama(0.45455)],
        [gama(0.44)],
        [gama(0)],
        [gama(1), chunk(b"sRGB", b"\0")],
        [gama(1), chunk(b"iCCP", b"icc\0\0" + zlib.compress(PROFILE))],
    ],
    ids=["srgb", "near-srgb", "nonsense", "srgb-wins", "profile-wins"],
)
def test_values_that_are_srgb_or_have_a_profile_stay(tmp_path: Path, chunks: list[bytes]) -> None:
    plain = load_image(ramp(tmp_path / "a.png", "RGB"))
    image = load_image(with_chunks(tmp_path / "a.png", *chunks))
    assert torch.equal(image.rgb, plain.rgb)
    assert image.notes == []


def test_depth_and_counts_are_no_light(tmp_path: Path) -> None:
    path = with_chunks(ramp(tmp_path / "a.png", "L"), gama(1))
    image = load_image(path, float_range="stretch")
    assert np.allclose(image.rgb[0, 0, 0].numpy(), RAMP, atol=1e-6)
    assert image.notes == []


def test_the_result_has_no_gamma(tmp_path: Path) -> None:
    image = load_image(with_chunks(ramp(tmp_path / "a.png", "RGB"), gama(1)))
    for bit_depth in (8, 16):
        save_image(tmp_path / "b.png", image.rgb, bit_depth=bit_depth)
        assert b"gAMA" not in (tmp_path / "b.png").read_bytes()
