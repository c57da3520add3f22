"""JPEG: what it leaves, and how much it is expected to change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmsr_core.degradation import jpeg, jpeg_error_std, with_jpeg_steps_times
from mmsr_core.image import load_image

PHOTO = Path(__file__).parents[2] / "assets" / "example_lr.png"


def test_expected_error_falls_with_the_quality_and_ends_at_none() -> None:
    quality = torch.tensor([10.0, 30.0, 50.0, 70.0, 90.0, 97.0, 99.0, 100.0])
    expected = jpeg_error_std(quality)
    assert bool((expected[1:] < expected[:-1]).all())
    assert float(expected[-1]) == 0.0
    assert jpeg_error_std(torch.full((2, 3), 80.0)).shape == (2, 3)


@pytest.mark.parametrize("quality", [40, 60, 80, 95])
def test_expected_error_is_near_the_real_one(quality: int) -> None:
    picture = load_image(PHOTO).rgb
    real = (jpeg(picture, quality) - picture).square().mean().sqrt()
    expected = jpeg_error_std(torch.tensor(float(quality)))
    assert 0.4 < float(real / expected) < 2.5


def test_steps_of_another_size_are_another_quality() -> None:
    quality = torch.tensor([90.0, 75.0, 50.0, 25.0])
    assert with_jpeg_steps_times(quality, torch.ones(4)).tolist() == pytest.approx(quality.tolist())
    doubled = with_jpeg_steps_times(quality, torch.full((4,), 2.0))
    assert doubled.tolist() == pytest.approx([80.0, 50.0, 25.0, 12.5])
    back = with_jpeg_steps_times(doubled, torch.full((4,), 0.5))
    assert back.tolist() == pytest.approx(quality.tolist())
    none = with_jpeg_steps_times(torch.tensor(100.0), torch.tensor(4.0))
    assert float(none) == 100
    assert float(with_jpeg_steps_times(torch.tensor(1.0), torch.tensor(4.0))) == 1


def test_a_coded_picture_of_half_the_contrast_has_steps_of_half_the_size() -> None:
    picture = load_image(PHOTO).rgb
    coded = jpeg((picture - 0.5) * 0.5 + 0.5, 80.0)
    alike = jpeg(picture, float(with_jpeg_steps_times(torch.tensor(80.0), torch.tensor(2.0))))
    error = ((coded - 0.5) / 0.5 + 0.5 - picture).square().mean().sqrt()
    assert float(error) == pytest.approx(float((alike - picture).square().mean().sqrt()), rel=0.25)
