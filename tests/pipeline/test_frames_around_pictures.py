"""Bars and borders stay as they are, and what is inside is restored as it is without them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.image import load_image, smooth
from mmsr_core.metrics import psnr
from mmsr_core.pipeline import load_pipeline
from mmsr_core.pipeline.scene import Scene

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small():
    return load_pipeline("small", "cpu", "float32")


def still_life() -> torch.Tensor:
    return load_image(ROOT / "assets" / "example_hr.png").rgb[..., 248:368, 210:342]


def barred(picture: torch.Tensor, px: int, colour: float = 0.0) -> torch.Tensor:
    made = F.pad(picture, (0, 0, px, px), value=colour)
    return made.mul(255).round().div(255)


@pytest.mark.parametrize("colour", [0.0, 1.0])
@pytest.mark.parametrize("contrast", [1.0, 0.4])
def test_bars_hide_neither_blur_nor_contrast(small, contrast: float, colour: float) -> None:
    truth = (still_life() - 0.5) * contrast + 0.5
    soft = smooth(truth, 1.2)
    plain = small(soft, scale=1, steps=0)
    made = small(barred(soft, 20, colour), scale=1, steps=0)
    assert made.report.blur_sigma_px["mean"] == pytest.approx(
        plain.report.blur_sigma_px["mean"], rel=0.12
    )
    inside, bars = made.images[..., 20:-20, :], made.images[..., :20, :]
    lost = psnr(plain.images, truth, crop=8) - psnr(inside, truth, crop=8)
    assert float(lost) < 0.25
    assert float((bars - colour).abs().max()) < 1e-6


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("steps", [0, 1])
def test_bars_are_enlarged_as_they_are(small, scale: int, steps: int) -> None:
    lr = barred(F.avg_pool2d(still_life(), 2), 10, 0.1)
    made = small(lr, scale=scale, steps=steps)
    bar = round(0.1 * 255) / 255
    for bars in (made.images[..., : 10 * scale, :], made.images[..., -10 * scale :, :]):
        assert float((bars - bar).abs().max()) < 1e-6
    inside = made.images[..., 10 * scale : -10 * scale, :]
    assert float((inside - bar).abs().mean()) > 0.05
    plain = small(F.avg_pool2d(still_life(), 2), scale=scale, steps=steps)
    assert (
        float((inside - plain.images)[..., 8:-8, 8:-8].abs().mean()) * 255 < 3 + 3 * steps
    )  # its own noise
    assert made.report.consistency_db["after"] > plain.report.consistency_db["after"] - 2


def test_a_reduced_picture_gets_its_frame_back(small) -> None:
    lr = barred(smooth(still_life(), 4.0)[..., :119, :131], 12, 1.0)
    made = small(lr, scale=1, steps=0)
    assert any("reduced" in note for note in made.report.notes)
    assert torch.equal(made.images[..., :12, :], lr[..., :12, :])


def test_pictures_of_a_batch_stand_alone(pipe, picture) -> None:
    plain = picture(48, 56)
    framed = plain.clone()
    framed[..., :8, :] = 0
    scene = Scene(torch.cat((plain, framed)), 1, pipe.networks.basis)
    assert torch.equal(scene.lr[:1], plain)
    assert torch.equal(scene.lr[1, :, 8:], plain[0, :, 8:])
    assert float(scene.lr[1, :, :8].mean()) > 0.2
    assert torch.equal(scene.put_back(scene.lr), torch.cat((plain, framed)))
    assert scene.inside(1).shape == (1, 3, 40, 56)
