"""A camera's sharpening: found in photographs that were sharpened, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from mmsr_core.degradation import (
    Sharpening,
    add_damage,
    constant_kernel_field,
    degrade_canvas,
    isotropic_gaussian,
    noise_gain,
    sharpen,
)
from mmsr_core.image import load_image
from mmsr_core.metrics import lr_consistency
from mmsr_core.pipeline import MMSREngine, Overrides, load_pipeline
from mmsr_core.types import SHARPENING_RADIUS_PX

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
    amount = float(found.estimate.sharpening.amount)
    assert amount > 0.1
    assert found.report.sharpening == pytest.approx(
        float(found.estimate.sharpening.amount), abs=1e-3
    )
    assert "sharpened by a camera or an editor (amount 0." in found.report.summary()
    plain = small(lr, scale=4, steps=0, overrides=Overrides(sharpening=0.0))
    assert error(found.images, sharp) < 0.85 * error(plain.images, sharp)


def test_a_blurred_photograph_is_left_alone(small) -> None:
    _, lr = seen(0.0)
    found = small(lr, scale=4, steps=0)
    assert found.estimate.sharpening.amount.tolist() == [0]
    assert found.report.sharpening == 0
    assert "sharpened" not in found.report.summary()
    plain = small(lr, scale=4, steps=0, overrides=Overrides(sharpening=0.0))
    torch.testing.assert_close(found.images, plain.images)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("quality", [100, 85])
def test_halos_of_an_editor_are_taken_back(small, scale, quality) -> None:
    sharp = load_image(EXAMPLE).rgb[..., :384, :384]
    low = F.interpolate(sharp, scale_factor=1 / scale, mode="bicubic", antialias=True).clamp(0, 1)
    lr = add_damage(low, 0, None if quality == 100 else quality, sharpening=Sharpening.of(1.0, 1.5))
    found = small(lr, scale=scale, steps=0)
    assert float(found.estimate.sharpening.amount) > 0.2
    plain = small(lr, scale=scale, steps=0, overrides=Overrides(sharpening=0.0))
    assert error(found.images, sharp) < 0.85 * error(plain.images, sharp)
    untouched = small(low, scale=scale, steps=0)
    assert float(untouched.estimate.sharpening.amount) < 0.3 if scale == 4 else 1e-6


def test_tiles_find_the_same_sharpening(small) -> None:
    _, lr = seen(0.8)
    whole, tiled = (
        small.estimate_degradation(lr, 2, tile=tile).sharpening.amount for tile in (None, 16)
    )
    torch.testing.assert_close(whole, tiled, atol=1e-4, rtol=0)


def test_a_stated_amount_counts_in_one_call_and_step_by_step(pipe, picture) -> None:
    lr = picture(12, 16)
    known = Overrides(sharpening=AMOUNT)
    whole = pipe(lr, scale=4, steps=1, overrides=known)
    estimate = pipe.refine_kernel(lr, 4, overrides=known)
    assert estimate.sharpening.amount.tolist() == pytest.approx([AMOUNT])
    parts = pipe.sample(pipe.fuse_modalities(lr, estimate), steps=1)
    torch.testing.assert_close(parts.images, whole.images, rtol=0, atol=2e-3)
    plain = pipe(lr, scale=4, steps=1, overrides=Overrides(sharpening=0.0))
    assert not torch.allclose(plain.images, whole.images, atol=1e-2)


def test_nothing_is_looked_for_at_its_own_size_or_with_known_kernels(pipe, picture) -> None:
    lr = picture(12, 16)
    assert pipe.estimate_degradation(lr, 1).sharpening is None
    kernel = constant_kernel_field(isotropic_gaussian(1.5, 4), 12, 16, 4)
    made = pipe(lr, scale=4, steps=0, kernel=kernel)
    assert made.estimate.sharpening is None
    assert made.report.to_dict()["sharpening"] is None


def noise_without(amount: float, std: float, radius_px: float = SHARPENING_RADIUS_PX) -> float:
    return std * float(noise_gain(Sharpening.of(amount, radius_px)))


def test_a_stated_noise_is_that_of_the_picture_as_given(pipe, picture) -> None:
    """It falls where sharpening is taken back, and the report says it as it was stated."""
    lr, stated = picture(12, 16), 8 / 255
    known = Overrides(noise_std=stated, sharpening=AMOUNT)
    estimate = pipe.estimate_degradation(lr, 4, overrides=known)
    assert float(estimate.noise_std) == pytest.approx(noise_without(AMOUNT, stated), rel=1e-4)
    assert float(estimate.given_noise_std) == pytest.approx(stated, rel=1e-4)
    whole = pipe(lr, scale=4, steps=0, overrides=known)
    parts = pipe.sample(pipe.fuse_modalities(lr, estimate), steps=0)
    for made in (whole, parts):
        assert made.report.noise_std == pytest.approx(stated, abs=1e-5)
        assert made.report.unexplained_std >= stated - 1e-5
        assert made.report.sharpening == AMOUNT


def test_a_stated_noise_falls_where_sharpening_is_found(small) -> None:
    _, lr = seen(0.8)
    estimate = small.estimate_degradation(lr, 4, overrides=Overrides(noise_std=0.4 / 255))
    amount = float(estimate.sharpening.amount)
    assert amount > 0.1
    left = noise_without(amount, 0.4 / 255, float(estimate.sharpening.radius_px))
    assert float(estimate.noise_std) == pytest.approx(left, rel=1e-4)


def test_another_amount_leaves_the_noise_as_given(pipe, picture) -> None:
    estimate = pipe.estimate_degradation(picture(12, 16), 4, overrides=Overrides(noise_std=0.02))
    marked = replace(estimate, noise_map=torch.full((1, 1, 3, 4), 0.02))
    made = marked.with_sharpening(Sharpening.of(AMOUNT))
    assert float(made.given_noise_std) == pytest.approx(0.02, rel=1e-4)
    assert float(made.noise_std) == pytest.approx(noise_without(AMOUNT, 0.02), rel=1e-4)
    torch.testing.assert_close(made.noise_map, made.noise_std.expand(1, 1, 3, 4))
    again = made.with_sharpening(Sharpening.of(0))
    torch.testing.assert_close(again.noise_std, estimate.noise_std)


def test_a_picture_that_is_reduced_reports_the_stated_noise(small) -> None:
    wide = torch.from_numpy(gaussian_filter(load_image(EXAMPLE).rgb.numpy(), (0, 0, 4, 4)))
    known = Overrides(noise_std=6 / 255, sharpening=AMOUNT)
    report = small(wide[..., :96, :96], scale=1, steps=0, overrides=known).report
    assert any("reduced by" in note for note in report.notes)
    assert report.noise_std == pytest.approx(6 / 255, abs=1e-5)


def test_the_noise_of_a_white_picture_is_measured_as_it_was_given(small) -> None:
    generator = torch.Generator().manual_seed(0)
    lr = (0.5 + 10 / 255 * torch.randn((1, 3, 96, 96), generator=generator)).clamp(0, 1)
    estimate = small.estimate_degradation(lr, 4, overrides=Overrides(sharpening=0.5))
    assert float(estimate.noise_std) < 8.5 / 255
    assert float(estimate.given_noise_std) == pytest.approx(10 / 255, rel=0.1)


def test_a_result_sharpened_again_agrees_with_the_picture_as_given(pipe, picture) -> None:
    """The library's figure, and the one that anybody can compute from the estimate."""
    lr = picture(12, 16)
    made = pipe(lr, scale=4, steps=0, overrides=Overrides(sharpening=AMOUNT))
    estimate = made.estimate
    again = lr_consistency(made.images, lr, estimate.kernel_field, estimate.sharpening)
    assert made.report.consistency_db["after"] == pytest.approx(float(again), abs=0.1)
    plain = lr_consistency(made.images, lr, estimate.kernel_field)
    assert float(plain) < float(again) - 1
    low = degrade_canvas(made.images, estimate.kernel_field)
    torch.testing.assert_close(estimate.sharpened(low), sharpen(low, Sharpening.of(AMOUNT)))


def test_paper_with_ink_is_no_photograph(small) -> None:
    lr = torch.ones((1, 3, 48, 48))
    lr[..., 8:40:8, 10:38] = 0
    assert small(lr, scale=4, steps=0).estimate.sharpening.amount.tolist() == [0]
