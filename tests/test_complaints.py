"""Pictures that people complained about, on the weights that ship. Needs MMSR_SHARED."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mmsr_core import Overrides, load_image, load_pipeline
from mmsr_core.image import LoadedImage
from mmsr_core.metrics import psnr

CASES = Path(os.environ.get("MMSR_SHARED", "missing")) / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="MMSR_SHARED names no folder with cases")


@pytest.fixture(scope="module")
def small():
    return load_pipeline("small", "cpu", "float32")


def case(name: str) -> LoadedImage:
    return load_image(CASES / name)


@pytest.mark.parametrize("name", ["noise12_rgb.png", "noise12_L.png", "noise12_film.png"])
def test_noise_of_every_kind_is_measured(small, name) -> None:
    found = small.estimate_degradation(case(name).rgb, 4)
    assert float(found.noise_std) * 255 == pytest.approx(12, rel=0.25)


@pytest.mark.parametrize(
    "name", ["q30_aligned.png", "anime_q30.png", "photo_q30.jpg", "text_q30.jpg",
             "greyphoto_q30.jpg"]
)  # fmt: skip
def test_jpeg_quality_is_measured_without_its_tables(small, name) -> None:
    found = small.estimate_degradation(case(name).rgb, 4)
    assert float(found.jpeg_quality) == pytest.approx(30, abs=10)


def test_the_tables_of_a_file_give_its_quality(small) -> None:
    image = case("text_q30.jpg")
    known = Overrides(file_quality=image.jpeg_quality)
    found = small.estimate_degradation(image.rgb, 4, overrides=known)
    assert float(found.jpeg_quality) == pytest.approx(30, abs=1)


@pytest.mark.parametrize(
    "name", ["flat_grey", "flat_white", "flat_black", "gradient", "text", "anime", "sprite16",
             "sprite_opaque16", "sharpcat200", "greyphoto", "photo"]
)  # fmt: skip
def test_undamaged_pictures_are_read_as_clean(small, name) -> None:
    found = small.estimate_degradation(case(f"{name}.png").visible_rgb, 4)
    assert float(found.jpeg_quality) >= 98
    assert float(found.noise_std) * 255 < 0.5


@pytest.mark.parametrize("name", ["photo", "sharp", "blur0", "anime", "text", "greyphoto"])
def test_a_good_picture_comes_back_at_its_own_size(small, name) -> None:
    image = case(f"{name}.png").visible_rgb
    assert float((small(image, scale=1).images - image).abs().mean()) * 255 < 1


def test_blur_is_taken_away_at_the_pictures_own_size(small) -> None:
    truth, blurred = case("blur0.png").rgb, case("blur2.png").rgb
    made = small(blurred, scale=1, steps=0).images
    assert float(psnr(made, truth, crop=4) - psnr(blurred, truth, crop=4)) > 2.5


def test_colour_under_alpha_has_no_influence(small) -> None:
    pictures = [case(f"alpha_{kind}_under.png").visible_rgb for kind in ("black", "same")]
    one, other = (small(picture, scale=4).images for picture in pictures)
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["flat_grey", "flat_white", "flat_black", "flat_blue"])
def test_flat_pictures_stay_flat(small, name) -> None:
    image = case(f"{name}.png").rgb
    wide = F.interpolate(image, scale_factor=4, mode="nearest")
    assert float((small(image, scale=4).images - wide).abs().max()) * 255 <= 1


def test_grey_photographs_stay_grey(small) -> None:
    out = small(case("greyphoto.png").rgb, scale=4).images
    assert float((out.amax(1) - out.amin(1)).max()) == 0
