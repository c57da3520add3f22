"""JPEG: what it leaves, and how much it is expected to change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmsr_core.degradation import jpeg, jpeg_error_std
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
