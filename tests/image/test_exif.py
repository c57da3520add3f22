"""EXIF data and dpi travel with a picture."""

import json

import pytest
import torch
from PIL import ExifTags, Image, features

from mmsr_core.image import load_image, save_image

MAKE, DESCRIPTION, ORIENTATION, SOFTWARE = 0x010F, 0x010E, 0x0112, 0x0131
TAKEN, WIDTH, COMMENT, LATITUDE = 0x9003, 0xA002, 0x9286, 1


@pytest.fixture
def photo(tmp_path):
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "Camera", 6
    exif[ExifTags.IFD.Exif] = {TAKEN: "2020:01:02 03:04:05", WIDTH: 12}
    exif[ExifTags.IFD.GPSInfo] = {LATITUDE: "N"}
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (12, 8), (200, 100, 50)).save(path, exif=exif, dpi=(300, 300))
    return path


def saved(path, loaded, **options):
    save_image(path, loaded.rgb, exif=loaded.exif, dpi=loaded.dpi, **options)
    with Image.open(path) as image:
        image.load()
        return image.getexif(), image.info


ENDINGS = [".jpg", ".png", ".webp", ".tif"] + (
    [".avif"] if "avif" in features.modules and features.check("avif") else []
)


@pytest.mark.parametrize("ending", ENDINGS)
def test_exif_is_kept_and_the_turn_is_not(photo, tmp_path, ending):
    loaded = load_image(photo)
    assert loaded.size == (12, 8)  # turned
    assert loaded.dpi == (300, 300)
    exif, info = saved(tmp_path / f"out{ending}", loaded)
    assert exif[MAKE] == "Camera"
    assert exif.get(ORIENTATION, 1) == 1
    assert WIDTH not in exif.get_ifd(ExifTags.IFD.Exif)
    assert exif.get_ifd(ExifTags.IFD.Exif)[TAKEN] == "2020:01:02 03:04:05"
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[LATITUDE] == "N"
    if ending in (".jpg", ".png", ".tif"):
        assert info["dpi"] == pytest.approx((300, 300), abs=0.1)
    made = load_image(tmp_path / f"out{ending}")
    assert made.size == (12, 8)
    assert made.dpi == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("ending", [e for e in [*ENDINGS, ".jxl"] if e not in (".jpg", ".png")])
def test_dpi_are_kept_without_other_exif(tmp_path, ending):
    if ending == ".jxl":
        pytest.importorskip("pillow_jxl")
    path, rgb = tmp_path / f"a{ending}", torch.zeros(1, 3, 4, 4)
    save_image(path, rgb, dpi=(300, 72.5))
    assert load_image(path).dpi == pytest.approx((300, 72.5))
    save_image(path, rgb)
    assert load_image(path).dpi is None


def test_dpi_in_other_units(tmp_path):
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 100, 50, 3  # a centimetre
    Image.new("RGB", (4, 4)).save(tmp_path / "a.webp", exif=exif)
    assert load_image(tmp_path / "a.webp").dpi == pytest.approx((254, 127))
    exif[0x0128] = 1  # none: only the shape of a pixel
    Image.new("RGB", (4, 4)).save(tmp_path / "a.webp", exif=exif)
    assert load_image(tmp_path / "a.webp").dpi is None


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_sixteen_bits_keep_it_too(photo, tmp_path, ending):
    pytest.importorskip("imagecodecs")
    exif, info = saved(tmp_path / f"deep{ending}", load_image(photo), bit_depth=16)
    assert exif[MAKE] == "Camera"
    assert exif.get_ifd(ExifTags.IFD.Exif)[TAKEN] == "2020:01:02 03:04:05"
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[LATITUDE] == "N"
    assert info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert load_image(tmp_path / f"deep{ending}").bit_depth == 16


def test_settings_are_no_caption(photo, tmp_path):
    loaded = load_image(photo)
    exif, _ = saved(tmp_path / "a.jpg", loaded, metadata={"seed": "ü"})
    assert DESCRIPTION not in exif
    details = exif.get_ifd(ExifTags.IFD.Exif)
    assert details[COMMENT][:8] == b"ASCII\0\0\0"
    assert json.loads(details[COMMENT][8:]) == {"seed": "ü"}
    assert details[TAKEN] == "2020:01:02 03:04:05"
    exif, _ = saved(tmp_path / "a.tif", loaded, metadata={"seed": "1"})
    assert json.loads(exif[SOFTWARE]) == {"seed": "1"}


@pytest.mark.parametrize("comment", [b"ASCII\0\0\0my cat", b"my cat", b"ASCII\0\0\0   ", b"\0" * 8])
def test_settings_take_no_comment_away(tmp_path, comment):
    own = Image.Exif()
    own[ExifTags.IFD.Exif] = {COMMENT: comment}
    path = tmp_path / "cat.jpg"
    Image.new("RGB", (4, 4)).save(path, exif=own)
    exif, _ = saved(tmp_path / "b.jpg", load_image(path), metadata={"seed": "1"})
    kept = exif.get_ifd(ExifTags.IFD.Exif)[COMMENT]
    assert (kept == comment) == (b"my cat" in comment)
    assert json.loads(exif[SOFTWARE] if kept == comment else kept[8:]) == {"seed": "1"}


@pytest.mark.parametrize(("length", "kept"), [(60_000, True), (65_490, True), (66_000, False)])
def test_no_result_is_lost_to_long_exif(tmp_path, length, kept):
    exif = Image.Exif()
    exif[MAKE] = "x" * length
    path = tmp_path / "in.tif"
    Image.new("RGB", (4, 4)).save(path, exif=exif)
    made, _ = saved(tmp_path / "out.jpg", load_image(path), metadata={"seed": "1"})
    assert (MAKE in made) == kept


def test_a_picture_without_any(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    loaded = load_image(tmp_path / "plain.png")
    assert (loaded.exif, loaded.dpi, loaded.frames) == (None, None, 1)


def test_damaged_exif_is_none(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "bad.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert load_image(tmp_path / "bad.jpg").size == (4, 4)


def test_frames_are_counted(tmp_path):
    frames = [Image.new("RGB", (4, 4), (k * 80, 0, 0)) for k in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert load_image(tmp_path / "a.gif").frames == 3


def test_quality_makes_smaller_files(tmp_path):
    rgb = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for ending in (".jpg", ".webp"):
        sizes = []
        for quality in (30, 90):
            save_image(tmp_path / f"a{ending}", rgb, quality=quality)
            sizes.append((tmp_path / f"a{ending}").stat().st_size)
        assert sizes[0] < sizes[1]


def test_a_tiff_without_a_resolution_has_none(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.tif")
    assert load_image(tmp_path / "plain.tif").dpi is None
    Image.new("RGB", (4, 4)).save(tmp_path / "own.tif", dpi=(300, 300))
    assert load_image(tmp_path / "own.tif").dpi == (300, 300)


def test_what_a_photo_says_of_its_software_stays(tmp_path):
    own = Image.Exif()
    own[SOFTWARE] = "Camera 1.0"
    own[ExifTags.IFD.Exif] = {COMMENT: b"ASCII\0\0\0my cat"}
    path = tmp_path / "cat.jpg"
    Image.new("RGB", (4, 4)).save(path, exif=own)
    loaded = load_image(path)
    exif, _ = saved(tmp_path / "b.jpg", loaded, metadata={"seed": "1"})
    assert exif[SOFTWARE] == "Camera 1.0"
    assert exif.get_ifd(ExifTags.IFD.Exif)[COMMENT].endswith(b"my cat")
    assert json.loads(exif[DESCRIPTION]) == {"seed": "1"}
    exif, _ = saved(tmp_path / "b.tif", loaded, metadata={"seed": "1"})
    assert exif[SOFTWARE] == "Camera 1.0"
