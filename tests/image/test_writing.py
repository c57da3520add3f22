"""Writing: what is saved comes back, and a name never holds half a file."""

import itertools
import os
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from mmsr_core.errors import ImageFileError, InputError, ShapeError
from mmsr_core.image import (
    atomic_path,
    atomic_write_text,
    check_writable_folder,
    ground_of,
    load_image,
    resize_alpha,
    resize_bicubic,
    save_image,
)

RNG = np.random.default_rng(1)
DEEP = torch.from_numpy(RNG.integers(0, 65536, (1, 4, 6, 9)).astype(np.float64) / 65535).float()
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = PROFILE[:16] + b"GRAY" + PROFILE[20:]


def quantised(tensor, top):
    return (tensor.double() * top).round().long()


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_round_trip_is_exact_to_rounding(tmp_path, suffix, with_alpha):
    alpha = DEEP[:, 3:] if with_alpha else None
    save_image(tmp_path / f"a{suffix}", DEEP[:, :3], alpha, {"Software": "mmsr ü"}, PROFILE)
    image = load_image(tmp_path / f"a{suffix}")
    assert torch.equal(quantised(image.rgb, 255), quantised(DEEP[:, :3], 255))
    if with_alpha:
        assert torch.equal(quantised(image.alpha, 255), quantised(alpha, 255))
    else:
        assert image.alpha is None
    assert image.icc_profile == PROFILE


@pytest.mark.parametrize("with_alpha", [False, True])
def test_sixteen_bit_png_round_trip(tmp_path, with_alpha):
    ramp = torch.linspace(0, 65535, 31 * 17).round() / 65535
    smooth = ramp.reshape(1, 1, 31, 17).expand(1, 4, -1, -1)
    for number, source in enumerate((DEEP, smooth)):
        path = tmp_path / f"{number}.png"
        alpha = source[:, 3:] if with_alpha else None
        save_image(path, source[:, :3], alpha, {"Software": "mmsr ü"}, PROFILE, bit_depth=16)
        image = load_image(path)
        assert image.bit_depth == 16
        assert torch.equal(quantised(image.rgb, 65535), quantised(source[:, :3], 65535))
        assert (image.alpha is not None) == with_alpha
        assert image.icc_profile == PROFILE
        with Image.open(path) as opened:
            opened.load()
            assert opened.text == {"Software": "mmsr ü"}


@pytest.mark.parametrize("with_alpha", [False, True])
def test_sixteen_bit_tiff_round_trip(tmp_path, with_alpha):
    tall = torch.linspace(0, 65535, 300 * 17).round().view(1, 1, 300, 17).expand(1, 4, -1, -1)
    for source in (DEEP, tall / 65535):
        path, alpha = tmp_path / "a.tif", source[:, 3:] if with_alpha else None
        save_image(path, source[:, :3], alpha, {"seed": "7"}, PROFILE, bit_depth=16, dpi=(300, 150))
        image = load_image(path)
        assert image.bit_depth == 16
        assert torch.equal(quantised(image.rgb, 65535), quantised(source[:, :3], 65535))
        assert (image.alpha is not None) == with_alpha
        if alpha is not None:
            assert torch.equal(quantised(image.alpha, 65535), quantised(alpha, 65535))
        assert (image.icc_profile, image.dpi) == (PROFILE, (300, 150))
        with Image.open(path) as opened:
            assert "7" in opened.getexif()[0x0131]


def test_another_program_reads_a_sixteen_bit_tiff(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    save_image(tmp_path / "a.tif", DEEP[:, :3], DEEP[:, 3:], bit_depth=16)
    read = torch.from_numpy(tifffile.imread(tmp_path / "a.tif").astype(np.int64))
    assert torch.equal(read, quantised(DEEP[0], 65535).permute(1, 2, 0))


@pytest.mark.parametrize(
    ("suffix", "with_alpha", "bit_depth"),
    [(".jpg", False, 8), *itertools.product([".png", ".tif"], [False, True], [8, 16])],
)
def test_grey_is_written_as_grey(tmp_path, suffix, with_alpha, bit_depth):
    path, alpha = tmp_path / f"a{suffix}", DEEP[:, 3:] if with_alpha else None
    equal = DEEP[:, :1].expand(1, 3, -1, -1)
    save_image(path, equal, alpha, icc_profile=GREY_PROFILE, bit_depth=bit_depth, grey=True)
    image = load_image(path)
    if not (with_alpha and bit_depth == 16 and suffix == ".tif"):  # Pillow reads no such file
        assert image.grey
        assert image.icc_profile == GREY_PROFILE
    assert image.bit_depth == bit_depth
    top = 2**bit_depth - 1
    if suffix != ".jpg":
        assert torch.equal(quantised(image.rgb, top), quantised(equal, top))
    if alpha is not None:
        assert torch.equal(quantised(image.alpha, top), quantised(alpha, top))


def test_what_has_colour_or_a_profile_of_colour_is_not_written_as_grey(tmp_path):
    equal = DEEP[:, :1].expand(1, 3, -1, -1)
    for rgb, profile in ((DEEP[:, :3], GREY_PROFILE), (equal, PROFILE)):
        for bit_depth in (8, 16):
            save_image(tmp_path / "a.png", rgb, icc_profile=profile, bit_depth=bit_depth, grey=True)
            image = load_image(tmp_path / "a.png")
            assert not image.grey
            assert image.icc_profile == (PROFILE if profile == PROFILE else None)
    save_image(tmp_path / "a.png", equal)  # not asked for
    assert not load_image(tmp_path / "a.png").grey


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "F"])
def test_grey_files_are_known(tmp_path, mode):
    grey = Image.new("L", (4, 4), 100)
    made = Image.new("F", (4, 4), 0.5) if mode == "F" else grey.convert(mode)
    path = tmp_path / ("a.tif" if mode == "F" else "a.png")
    made.save(path)
    assert load_image(path).grey
    made.convert("RGB").save(tmp_path / "b.png")
    assert not load_image(tmp_path / "b.png").grey


def test_a_profile_of_colour_in_a_grey_file_is_none(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png", icc_profile=PROFILE)
    assert load_image(tmp_path / "a.png").icc_profile is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_metadata_is_kept(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    save_image(path, DEEP[:, :3], metadata={"seed": "7"})
    with Image.open(path) as image:
        details = image.getexif().get_ifd(0x8769)
        found = image.text["seed"] if suffix == ".png" else None
        found = found or image.getexif().get(0x0131) or details[0x9286].decode()
    assert "7" in found


def test_bad_arguments(tmp_path):
    rgb = DEEP[:, :3]
    with pytest.raises(ImageFileError, match=r"\.xyz"):
        save_image(tmp_path / "a.xyz", rgb)
    with pytest.raises(ImageFileError, match="no ending"):
        save_image(tmp_path / "a", rgb)
    with pytest.raises(ImageFileError, match=r"16 bits: only .png and .tif can"):
        save_image(tmp_path / "a.webp", rgb, bit_depth=16)
    with pytest.raises(InputError, match="bit_depth"):
        save_image(tmp_path / "a.png", rgb, bit_depth=12)
    with pytest.raises(InputError, match="not finite"):
        save_image(tmp_path / "a.png", rgb * float("nan"))
    with pytest.raises(ShapeError):
        save_image(tmp_path / "a.png", rgb[0])
    with pytest.raises(ShapeError):
        save_image(tmp_path / "a.png", rgb, torch.ones(1, 1, 6, 8))
    (tmp_path / "d.png").mkdir()
    with pytest.raises(ImageFileError, match="is a folder"):
        save_image(tmp_path / "d.png", rgb)
    with pytest.raises(ImageFileError, match="create it first"):
        save_image(tmp_path / "none" / "a.png", rgb)
    assert [p.name for p in tmp_path.iterdir()] == ["d.png"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_an_interruption_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "a.txt"
    atomic_write_text(path, "old")
    expected = ImageFileError if error is OSError else error

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(expected):
        write_half()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_permissions_follow_the_umask_and_links_are_followed(tmp_path):
    before = os.umask(0o027)
    try:
        atomic_write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    atomic_write_text(tmp_path / "link", "y")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a.txt").read_text() == "y"


def test_check_writable_folder(tmp_path):
    check_writable_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ImageFileError, match="does not exist"):
        check_writable_folder(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageFileError, match="not a folder"):
        check_writable_folder(tmp_path / "file")


def test_unwritable_folder(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        folder = next((p for p in ("/proc/self", "/sys") if os.path.isdir(p)), None)
    if folder is None:
        pytest.skip("this user can write everywhere")
    with pytest.raises(ImageFileError, match="Cannot write"):
        check_writable_folder(folder)
    with pytest.raises(ImageFileError, match="Cannot write"):
        save_image(f"{folder}/a.png", DEEP[:, :3])


def test_resize_keeps_ramps_centred_and_opaque_alpha_opaque():
    ramp = torch.linspace(0.2, 0.8, 16).expand(1, 3, 16, 16)
    up = resize_bicubic(ramp, (64, 64))
    centre = (torch.arange(64) - 1.5) / 4
    expected = 0.2 + 0.6 * centre / 15
    assert torch.allclose(up[0, 0, 32, 12:-12], expected[12:-12], atol=2e-3)  # half a pixel is 5e-3
    assert resize_bicubic(ramp, (5, 7)).shape == (1, 3, 5, 7)
    assert (resize_alpha(torch.ones(1, 1, 5, 7), (20, 28)) == 1).all()
    assert (resize_alpha(torch.zeros(1, 1, 5, 7), (20, 28)) == 0).all()
    with pytest.raises(InputError):
        resize_bicubic(ramp, (0, 4))
    with pytest.raises(ShapeError):
        resize_alpha(torch.ones(1, 3, 5, 7), (20, 28))


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_tall_pictures_are_whole(tmp_path, bit_depth):
    tall = (torch.arange(700 * 3) % 256).float().view(1, 1, 700, 3).expand(1, 3, -1, -1) / 255
    save_image(tmp_path / "a.png", tall, 1 - tall[:, :1], bit_depth=bit_depth)
    image = load_image(tmp_path / "a.png")
    assert torch.equal(quantised(image.rgb, 255), quantised(tall, 255))
    assert torch.equal(quantised(image.alpha, 255), 255 - quantised(tall[:, :1], 255))


@pytest.mark.parametrize("with_alpha", [False, True])
def test_without_imagecodecs_colour_has_eight_bits_and_it_is_said(
    tmp_path, monkeypatch, caplog, with_alpha
):
    alpha = DEEP[:, 3:] if with_alpha else None
    save_image(tmp_path / "deep.png", DEEP[:, :3], alpha, bit_depth=16)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)  # As if it were not installed.
    save_image(tmp_path / "flat.png", DEEP[:, :3], alpha, bit_depth=16)
    for name in ("deep", "flat"):
        image = load_image(tmp_path / f"{name}.png")
        assert image.bit_depth == 8
        assert image.cut_to_8_bits == (name == "deep")
        assert ("mmsr[images]" in " ".join(image.notes)) == (name == "deep")
        assert float((image.rgb - DEEP[:, :3]).abs().max()) <= 1 / 255
        assert (image.alpha is not None) == with_alpha
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert all("mmsr[images]" in line for line in said)


def test_without_imagecodecs_grey_keeps_its_sixteen_bits(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    grey = DEEP[:, :1].expand(1, 3, -1, -1)
    save_image(tmp_path / "grey.png", grey, metadata={"Software": "mmsr"}, bit_depth=16)
    image = load_image(tmp_path / "grey.png")
    assert image.bit_depth == 16
    assert torch.equal(quantised(image.rgb, 65535), quantised(grey, 65535))
    assert caplog.records == []


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_a_background_takes_the_place_of_transparency(tmp_path, name):
    rgb, alpha = torch.full((1, 3, 8, 8), 1.0), torch.zeros(1, 1, 8, 8)
    alpha[..., 4:] = 1
    save_image(tmp_path / name, rgb, alpha, background="#204060")
    made = load_image(tmp_path / name)
    assert made.alpha is None
    assert torch.allclose(made.rgb[0, :, 0, 0] * 255, torch.tensor([32.0, 64, 96]), atol=2)
    assert torch.allclose(made.rgb[0, :, 0, 7] * 255, torch.tensor(255.0), atol=2)


def test_jpeg_is_laid_on_white_and_the_others_stay_transparent(tmp_path):
    rgb, alpha = torch.zeros(1, 3, 8, 8), torch.full((1, 1, 8, 8), 0.5)
    for name in ("a.jpg", "a.png", "a.webp", "a.tif"):
        save_image(tmp_path / name, rgb, alpha)
        made = load_image(tmp_path / name)
        if name == "a.jpg":
            assert torch.allclose(made.rgb * 255, torch.tensor(127.5), atol=1)
        else:
            assert made.alpha is not None
            assert float(made.alpha.mean()) == pytest.approx(0.5, abs=0.01)
    assert ground_of("a.jpg", alpha) == "white"
    assert ground_of("a.jpg", torch.ones_like(alpha)) is None
    assert ground_of("a.png", alpha) is None
    assert ground_of("a.png", alpha, "black") == "black"


def test_a_16_bit_picture_on_a_background_stays_one(tmp_path):
    rgb, alpha = torch.full((1, 3, 8, 8), 0.3), torch.full((1, 1, 8, 8), 0.5)
    save_image(tmp_path / "a.png", rgb, alpha, bit_depth=16, background="black")
    made = load_image(tmp_path / "a.png")
    assert (made.bit_depth, made.alpha) == (16, None)
    assert torch.allclose(made.rgb, torch.tensor(0.15), atol=1e-4)


@pytest.mark.parametrize("text", ["", "blurple", "#12", "rgba(1,2,3,4)", "white;"])
def test_what_is_no_colour_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="expected a name such as white or black, or #rrggbb"):
        save_image(tmp_path / "a.png", torch.zeros(1, 3, 4, 4), background=text)
