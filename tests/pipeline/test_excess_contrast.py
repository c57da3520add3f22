"""A camera's sharpening: found in photographs that were sharpened, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mmsr_core.degradation import constant_kernel_field, isotropic_gaussian
from mmsr_core.image import load_image
from mmsr_core.pipeline import MMSREngine, Overrides, load_pipeline

EXAMPLE = Path(__file__).parents[2] / "assets" / "example_hr.png"
AMOUNT = 0.3


@pytest.fixture(scope="module")
def small() -> MMSREngine:
    return load_pipeline("small", "cpu", "float32")


def seen(amount: float, std_px: float = 2.6) -> tuple[torch.Tensor, torch.Tensor]:
    """A sharp picture, and a quarter of it: blurred, then sharpened by this amount."""
    sharp = load_image(EXAMPLE).rgb[..., :384, :384]
    soft = gaussian_filter(sharp[0].numpy(), (0, std_px, std_px))[:, 2::4, 2::4]
    made = soft + amount * (soft - gaussian_filter(soft, (0, 1.5, 1.5)))
    rounded = np.clip(made * 255, 0, 255).round() / 255
    return sharp, torch.from_numpy(rounded)[None].float()


def error(picture: torch.Tensor, sharp: torch.Tensor) -> float:
    return float((picture - sharp).square().mean())


def test_a_sharpened_photograph_is_restored_better(small) -> None:
    sharp, lr = seen(0.8)
    found = small(lr, scale=4, steps=0)
    assert float(found.estimate.sharpening) > 0.1
    assert any("sharp" in note for note in found.report.notes)
    plain = small(lr, scale=4, steps=0, overrides=Overrides(sharpening=0.0))
    assert error(found.images, sharp) < 0.85 * error(plain.images, sharp)


def test_a_blurred_photograph_is_left_alone(small) -> None:
    _, lr = seen(0.0)
    found = small(lr, scale=4, steps=0)
    assert found.estimate.sharpening.tolist() == [0]
    plain = small(lr, scale=4, steps=0, overrides=Overrides(sharpening=0.0))
    torch.testing.assert_close(found.images, plain.images)


def test_a_stated_amount_counts_in_one_call_and_step_by_step(pipe, picture) -> None:
    lr = picture(12, 16)
    known = Overrides(sharpening=AMOUNT)
    whole = pipe(lr, scale=4, steps=1, overrides=known)
    estimate = pipe.refine_kernel(lr, 4, overrides=known)
    assert estimate.sharpening.tolist() == pytest.approx([AMOUNT])
    parts = pipe.sample(pipe.fuse_modalities(lr, estimate), steps=1)
    torch.testing.assert_close(parts.images, whole.images, rtol=0, atol=2e-3)
    plain = pipe(lr, scale=4, steps=1, overrides=Overrides(sharpening=0.0))
    assert not torch.allclose(plain.images, whole.images, atol=1e-2)


def test_nothing_is_looked_for_at_low_scales_or_with_known_kernels(pipe, picture) -> None:
    lr = picture(12, 16)
    for scale in (1, 2, 3):
        assert pipe.estimate_degradation(lr, scale).sharpening is None
    kernel = constant_kernel_field(isotropic_gaussian(1.5, 4), 12, 16, 4)
    assert pipe(lr, scale=4, steps=0, kernel=kernel).estimate.sharpening is None


def test_paper_with_ink_is_no_photograph(small) -> None:
    lr = torch.ones((1, 3, 48, 48))
    lr[..., 8:40:8, 10:38] = 0
    assert small(lr, scale=4, steps=0).estimate.sharpening.tolist() == [0]
