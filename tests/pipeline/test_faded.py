"""Contrast: a faded picture is restored as the same picture with full contrast is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.image import load_image
from mmsr_core.pipeline import load_pipeline

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small():
    return load_pipeline("small", "cpu", "float32")


def still_life() -> torch.Tensor:
    """A part of the example picture, stretched to 0..1: `(1,3,96,112)`."""
    part = load_image(ROOT / "assets" / "example_hr.png").rgb[..., 260:356, 220:332]
    return (part - part.min()) / (part.max() - part.min())


def faded(picture: torch.Tensor, contrast: float) -> torch.Tensor:
    return (picture - 0.5) * contrast + 0.5


def rms_levels(difference: torch.Tensor) -> float:
    return float(difference.square().mean().sqrt()) * 255


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize(("scale", "most"), [(1, 1.2), (2, 1.0), (4, 1.0)])
def test_contrast_changes_nothing_but_contrast(small, scale: int, most: float, steps: int) -> None:
    soft = F.avg_pool2d(still_life(), 3, 1, 1, count_include_pad=False)
    plain = small(soft, scale=scale, steps=steps, seed=1)
    gained = rms_levels(plain.images - F.interpolate(soft, scale_factor=scale, mode="bicubic"))
    for contrast in (0.8, 0.5, 0.3):
        made = small(faded(soft, contrast), scale=scale, steps=steps, seed=1)
        differs = rms_levels(faded(made.images, 1 / contrast) - plain.images)
        assert differs < most
        assert differs < 0.35 * gained
        assert made.report.blur_sigma_px["mean"] == pytest.approx(
            plain.report.blur_sigma_px["mean"], rel=0.05
        )


def test_noise_is_reported_in_levels_of_the_input(small) -> None:
    generator = torch.Generator().manual_seed(0)
    picture = F.avg_pool2d(still_life(), 3, 1, 1, count_include_pad=False)
    noisy = picture + 8 / 255 * torch.randn(picture.shape, generator=generator)
    for contrast in (1.0, 0.5, 0.3):
        estimate = small.estimate_degradation(faded(noisy, contrast).clamp(0, 1), 2)
        assert float(estimate.noise_std) * 255 == pytest.approx(8 * contrast, rel=0.2)


def test_faded_and_noisy_pictures_lose_their_noise(small) -> None:
    generator = torch.Generator().manual_seed(0)
    picture = 0.45 + 0.12 * still_life()
    noise = 10 / 255 * torch.randn(picture.shape, generator=generator)
    estimate = small.estimate_degradation(picture + noise, 1)
    assert float(estimate.noise_std) * 255 == pytest.approx(10, rel=0.15)
    made = small(picture + noise, scale=1, steps=0).images
    assert rms_levels(made - picture) < 4


def test_the_networks_see_no_more_noise_than_they_know(small) -> None:
    from mmsr_core.image.brightness import full_range
    from mmsr_core.pipeline.scene import LOUDEST_NOISE, quiet

    full = full_range(faded(still_life(), 0.3))
    for levels in (1.0, 6.0, 30.0):
        seen = quiet(full, torch.tensor([levels / 255]))
        assert float(seen.gain) * levels / 255 <= max(LOUDEST_NOISE, levels / 255) + 1e-6
