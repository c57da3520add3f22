"""Reading: every kind of file gives the right values, every bad file one clear error."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from mmsr_core.errors import ImageFileError
from mmsr_core.image import check_output_size, load_image, read_size

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, colour_type, depth, rows, extra=b""):
    """A PNG made by hand: `rows` are the filtered rows, filter byte first."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + header + extra + data + chunk(b"IEND", b"")


def deep_rows(pixels):
    """Rows of a 16-bit PNG, with the filters none, sub and up in turn."""
    rows, previous = [], None
    for y, row in enumerate(pixels.reshape(pixels.shape[0], -1)):
        raw = np.frombuffer(row.astype(">u2").tobytes(), np.uint8)
        step = pixels.shape[2] * 2
        left = np.concatenate([np.zeros(step, np.uint8), raw[:-step]])
        up = previous if previous is not None else np.zeros_like(raw)
        rows.append(bytes([y % 3]) + (raw - (0, left, up)[y % 3]).astype(np.uint8).tobytes())
        previous = raw
    return rows


def tiff16(pixels, order, compressed, fourth=2):
    """A one-strip 16-bit TIFF made by hand; `fourth`: 0 no alpha, 1 premultiplied, 2 alpha."""
    height, width, channels = pixels.shape
    data = pixels.astype(order + "u2").tobytes()
    data = zlib.compress(data) if compressed else data
    entries = 11 if channels == 4 else 10
    bits_at = 8 + 2 + 12 * entries + 4

    def short(value):
        return struct.pack(order + "HH", value, 0)

    def entry(tag, kind, count, value):
        return struct.pack(order + "HHI", tag, kind, count) + value

    def long(value):
        return struct.pack(order + "I", value)

    fields = [
        entry(256, 3, 1, short(width)),
        entry(257, 3, 1, short(height)),
        entry(258, 3, channels, long(bits_at)),
        entry(259, 3, 1, short(8 if compressed else 1)),
        entry(262, 3, 1, short(2)),
        entry(273, 4, 1, long(bits_at + 2 * channels)),
        entry(277, 3, 1, short(channels)),
        entry(278, 3, 1, short(height)),
        entry(279, 4, 1, long(len(data))),
        entry(284, 3, 1, short(1)),
    ]
    if channels == 4:
        fields.append(entry(338, 3, 1, short(fourth)))
    head = (b"II*\0" if order == "<" else b"MM\0*") + long(8) + struct.pack(order + "H", entries)
    bits = struct.pack(order + f"{channels}H", *([16] * channels))
    return head + b"".join(fields) + long(0) + bits + data


def values(tensor, top):
    """(1,C,H,W) in 0..1 to integer (H,W,C)."""
    return np.rint(tensor[0].permute(1, 2, 0).double().numpy() * top).astype(np.int64)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp", ".ppm"])
def test_eight_bit_rgb_is_exact(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(BYTES).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    image = load_image(path)
    assert image.rgb.shape == (1, 3, 6, 9)
    assert image.rgb.dtype == torch.float32
    assert (values(image.rgb, 255) == BYTES).all()
    assert image.alpha is None
    assert (image.bit_depth, image.mode, image.size) == (8, "RGB", (6, 9))


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_png_is_exact(tmp_path, colour_type, channels):
    pixels = RNG.integers(0, 65536, (7, 5, channels))
    path = tmp_path / "deep.png"
    path.write_bytes(png(5, 7, colour_type, 16, deep_rows(pixels)))
    image = load_image(path)
    colour = pixels[..., : 3 if channels > 2 else 1]
    assert (values(image.rgb, 65535) == colour).all()
    assert image.bit_depth == 16
    if channels in (2, 4):
        assert (values(image.alpha, 65535) == pixels[..., -1:]).all()
    else:
        assert image.alpha is None


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_sixteen_bit_tiff_is_exact(tmp_path, channels, order, compressed):
    pixels = RNG.integers(0, 65536, (4, 6, channels))
    path = tmp_path / "deep.tif"
    path.write_bytes(tiff16(pixels, order, compressed))
    image = load_image(path)
    assert (values(image.rgb, 65535) == pixels[..., :3]).all()
    assert image.bit_depth == 16
    assert (image.alpha is not None) == (channels == 4)


def test_a_fourth_tiff_channel_that_is_no_alpha_is_left_out(tmp_path):
    pixels = RNG.integers(0, 65536, (4, 6, 4))
    (tmp_path / "x.tif").write_bytes(tiff16(pixels, "<", False, fourth=0))
    image = load_image(tmp_path / "x.tif")
    assert (values(image.rgb, 255) == pixels[..., :3] >> 8).all()
    assert image.alpha is None


def test_premultiplied_sixteen_bit_tiff_is_divided_by_its_alpha(tmp_path):
    pixels = np.full((4, 6, 4), 0x8000)
    pixels[..., :3] = 0x4000
    (tmp_path / "p.tif").write_bytes(tiff16(pixels, "<", False, fourth=1))
    image = load_image(tmp_path / "p.tif")
    assert torch.allclose(image.rgb, torch.tensor(0.5), atol=0.01)
    assert torch.allclose(image.alpha, torch.tensor(0.5), atol=0.01)


def test_sixteen_bit_colour_key_compares_all_bits(tmp_path):
    pixels = np.full((2, 2, 3), 0x1200)
    pixels[0, 0] = 0x1234
    key = chunk(b"tRNS", struct.pack(">HHH", 0x1234, 0x1234, 0x1234))
    path = tmp_path / "key.png"
    path.write_bytes(png(2, 2, 2, 16, deep_rows(pixels), key))
    alpha = load_image(path).alpha
    assert alpha[0, 0].tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_other_modes_match_pillow(tmp_path, mode):
    source = Image.fromarray(BYTES).convert("L" if mode in ("1", "LA") else "RGB").convert(mode)
    if mode in ("LA", "RGBA"):
        source.putalpha(Image.fromarray(BYTES[..., 1]))
    path = tmp_path / "m.png"
    source.save(path)
    image = load_image(path)
    assert (values(image.rgb, 255) == np.asarray(source.convert("RGB"))).all()
    assert image.mode == mode
    if mode in ("LA", "RGBA"):
        assert (values(image.alpha, 255)[..., 0] == BYTES[..., 1]).all()
    else:
        assert image.alpha is None


def test_palette_transparency_is_alpha(tmp_path):
    source = Image.fromarray((np.arange(12) % 3).astype(np.uint8).reshape(3, 4), "L").convert("P")
    source.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    source.save(tmp_path / "p.png", transparency=bytes([255, 128, 0]))
    alpha = values(load_image(tmp_path / "p.png").alpha, 255)[..., 0]
    assert alpha.ravel().tolist() == [255, 128, 0] * 4


def test_cmyk_is_converted_with_and_without_a_broken_profile(tmp_path):
    source = Image.fromarray(np.full((8, 8, 3), (200, 100, 50), np.uint8)).convert("CMYK")
    source.save(tmp_path / "a.tif")
    source.save(tmp_path / "b.tif", icc_profile=b"not a profile at all")
    first, second = load_image(tmp_path / "a.tif"), load_image(tmp_path / "b.tif")
    assert (values(first.rgb, 255)[0, 0] == (200, 100, 50)).all()
    assert torch.equal(first.rgb, second.rgb)
    assert second.icc_profile is None
    assert first.mode == "CMYK"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_exif_orientation_matches_pillow(tmp_path, orientation, deep):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    source = Image.fromarray(BYTES)
    source.save(tmp_path / "o.png", exif=exif)
    with Image.open(tmp_path / "o.png") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    if deep:
        body = chunk(b"eXIf", exif.tobytes()[6:])
        rows = deep_rows(BYTES.astype(np.int64) * 257)
        (tmp_path / "o.png").write_bytes(png(9, 6, 2, 16, rows, body))
    assert (values(load_image(tmp_path / "o.png").rgb, 255) == expected).all()


def test_orientation_of_tiff_is_applied_once(tmp_path):
    Image.fromarray(BYTES).save(tmp_path / "o.tif", tiffinfo={0x0112: 6})
    assert (values(load_image(tmp_path / "o.tif").rgb, 255) == np.rot90(BYTES, -1)).all()


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animation_gives_its_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], **options)
    assert (values(load_image(tmp_path / f"a{suffix}").rgb, 255)[0, 0] == (255, 0, 0)).all()


def test_float_tiff(tmp_path):
    grey = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "f.tif")
    image = load_image(tmp_path / "f.tif")
    assert np.allclose(image.rgb[0, 1].numpy(), grey)
    assert image.bit_depth == 32
    Image.fromarray(grey * 7 + 2).save(tmp_path / "metres.tif")
    with pytest.raises(ImageFileError, match="from 2 to 9"):
        load_image(tmp_path / "metres.tif")
    stretched = load_image(tmp_path / "metres.tif", float_range="stretch")
    assert np.allclose(stretched.rgb[0, 1].numpy(), grey, atol=1e-6)


def test_nan_in_a_float_tiff_is_refused(tmp_path):
    grey = np.zeros((3, 4), np.float32)
    grey[1, 1] = np.nan
    Image.fromarray(grey).save(tmp_path / "f.tif")
    with pytest.raises(ImageFileError, match="not finite"):
        load_image(tmp_path / "f.tif")


def test_rgb_profile_is_handed_on_and_grey_profile_is_not(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(BYTES).save(tmp_path / "a.png", icc_profile=profile)
    assert load_image(tmp_path / "a.png").icc_profile == profile
    grey = profile[:16] + b"GRAY" + profile[20:]
    Image.fromarray(BYTES).save(tmp_path / "b.png", icc_profile=grey)
    assert load_image(tmp_path / "b.png").icc_profile is None


def make_bad(folder, kind):
    path = folder / f"{kind}.png"
    if kind == "text":
        path.write_text("this is not a picture\n" * 20)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "bomb":
        path.write_bytes(png(30000, 30000, 2, 8, [b"\0" * 100]))
    elif kind == "jpeg":
        Image.fromarray(np.tile(BYTES, (20, 20, 1))).save(folder / "whole.jpg")
        path = folder / "cut.jpg"
        path.write_bytes((folder / "whole.jpg").read_bytes()[:80])
    elif kind == "png":
        Image.fromarray(BYTES).save(path)
        path.write_bytes(path.read_bytes()[:-40])
    elif kind == "deep":
        path.write_bytes(png(5, 7, 2, 16, deep_rows(RNG.integers(0, 65536, (7, 5, 3))))[:-60])
    elif kind == "tiff":
        path = folder / "cut.tif"
        path.write_bytes(tiff16(RNG.integers(0, 65536, (40, 60, 3)), "<", True)[:-900])
    elif kind == "header":
        path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    elif kind == "eps":
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    return path


BAD = {
    "text": "not a picture",
    "empty": "empty",
    "folder": "is a folder",
    "bomb": "900 megapixels",
    "jpeg": "damaged",
    "png": "damaged",
    "deep": "damaged",
    "tiff": "damaged",
    "header": "damaged",
    "eps": "not a picture",
    "missing": "does not exist",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_give_one_clear_line(tmp_path, kind, capfd, recwarn):
    path = make_bad(tmp_path, kind)
    with pytest.raises(ImageFileError, match=BAD[kind]) as caught:
        load_image(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_pixel_limits(tmp_path):
    Image.fromarray(BYTES).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png", max_pixels=54).size == (6, 9)
    with pytest.raises(ImageFileError, match="9x6"):
        load_image(tmp_path / "a.png", max_pixels=53)
    check_output_size((100, 100), 4, max_pixels=160000)
    with pytest.raises(ImageFileError, match="400x400"):
        check_output_size((100, 100), 4, max_pixels=159999)


def test_one_pixel(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    assert values(load_image(tmp_path / "a.png").rgb, 255).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("ending", ["jpg", "webp", "tif"])
def test_the_size_in_the_header_is_that_of_the_picture(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"turned.{ending}"
    Image.new("RGB", (30, 20)).save(path, exif=exif)
    assert read_size(path) == load_image(path).size == (30, 20)
