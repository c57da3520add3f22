"""The second-order degradation: seeded, in range, every operation has its effect."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mmsr_core.degradation import SecondOrderConfig, degrade_second_order
from mmsr_core.degradation.synthesis.second_order import mixed_gaussians, sinc_kernels
from mmsr_core.errors import InputError
from tests.helpers import WithoutFloat64

ONE = torch.ones(1)
HARMLESS = {
    "blur_share": 0.0,
    "resize_shares": (0.0, 0.0, 1.0),
    "noise_std": (0.0, 0.0),
    "poisson_share": 0.0,
    "jpeg_quality": (100.0, 100.0),
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(batch: int = 2, height: int = 72, width: int = 96) -> torch.Tensor:
    coarse = torch.rand(batch, 3, 6, 8, generator=seeded(9))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def harmless(**first: object) -> SecondOrderConfig:
    plain = SecondOrderConfig(final_sinc_share=0.0)
    one = replace(plain.first, **{**HARMLESS, **first})  # type: ignore[arg-type]
    return replace(plain, first=one, second=replace(plain.second, **HARMLESS))  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_seeded_and_of_eight_bit(scale):
    hr = pictures()
    first = degrade_second_order(hr, scale, seeded(1))
    again = degrade_second_order(hr, scale, seeded(1))
    other = degrade_second_order(hr, scale, seeded(2))
    assert first.lr.shape == (2, 3, 72 // scale, 96 // scale)
    assert torch.equal(first.lr, again.lr)
    assert not torch.equal(first.lr, other.lr)
    assert torch.equal(first.lr * 255, (first.lr * 255).round())
    assert 0 <= first.lr.min() <= first.lr.max() <= 1
    assert ((first.jpeg_quality >= 30) & (first.jpeg_quality <= 95)).all()
    assert (first.noise_std > 0).all()
    assert (first.noise_std <= 2.5 * (0.5 / 256) ** 0.5 + 1e-6).all()


def test_without_damage_the_picture_stays():
    hr = pictures()
    made = degrade_second_order(hr, 1, seeded(0), harmless()).lr
    assert (made - hr).abs().mean() < 2 / 255  # what two JPEGs at quality 100 leave


@pytest.mark.parametrize(
    "change",
    [
        {"blur_share": 1.0, "blur_sigma_px": (3.0, 3.0)},
        {"resize_shares": (0.0, 1.0, 0.0), "resize": (0.15, 0.15)},
        {"noise_std": (0.1, 0.1)},
        {"poisson_share": 1.0, "poisson": (3.0, 3.0)},
        {"jpeg_quality": (10.0, 10.0)},
    ],
)
def test_every_operation_does_something(change):
    hr = pictures()
    plain = degrade_second_order(hr, 1, seeded(0), harmless()).lr
    made = degrade_second_order(hr, 1, seeded(0), harmless(**change)).lr
    assert (made - plain).abs().mean() > 2 / 255


def test_pictures_of_a_batch_get_their_own_damage():
    one = pictures(1)
    made = degrade_second_order(one.expand(8, -1, -1, -1), 4, seeded(3))
    assert len(set(made.jpeg_quality.tolist())) == 8
    errors = (made.lr - made.lr[:1]).abs().mean((1, 2, 3))
    assert (errors[1:] > 0).all()


def test_the_brightness_stays():
    flat = torch.full((4, 3, 64, 64), 0.5)
    for seed in range(6):
        made = degrade_second_order(flat, 4, seeded(seed)).lr
        assert (made.mean((1, 2, 3)) - 0.5).abs().max() < 0.03


def test_gaussian_has_its_moments():
    wide, narrow = 2.0, 1.0
    kernel = mixed_gaussians(
        ONE * wide, ONE * narrow, ONE * 0, ONE, torch.tensor([False]), ONE * 10
    )[0]
    line = torch.arange(-10.0, 11.0)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-6)
    assert float((kernel.sum(0) * line**2).sum()) == pytest.approx(wide**2, rel=0.01)
    assert float((kernel.sum(1) * line**2).sum()) == pytest.approx(narrow**2, rel=0.01)
    turned = mixed_gaussians(
        ONE * wide, ONE * narrow, ONE * torch.pi / 2, ONE, torch.tensor([False]), ONE * 10
    )[0]
    torch.testing.assert_close(turned, kernel.T, atol=1e-6, rtol=0)


def test_a_device_without_float64():
    one, radius = torch.tensor([1.5]), torch.tensor([6.0])
    there, reach = one.as_subclass(WithoutFloat64), radius.as_subclass(WithoutFloat64)
    assert torch.equal(sinc_kernels(there, reach), sinc_kernels(one, radius))
    plateau = torch.tensor([False])
    made = mixed_gaussians(there, there, there, there, plateau, reach)
    assert torch.equal(made, mixed_gaussians(one, one, one, one, plateau, radius))


def test_window_is_cut():
    kernel = mixed_gaussians(ONE * 3, ONE * 3, ONE * 0, ONE, torch.tensor([True]), ONE * 3)[0]
    assert (kernel[:7] == 0).all()
    assert (kernel[7:14, 7:14] > 0).all()


def test_sinc_passes_slow_waves_and_stops_fast_ones():
    kernel = sinc_kernels(ONE * torch.pi / 3, ONE * 10)[0]
    assert kernel.min() < 0
    line = torch.arange(-10.0, 11.0)

    def gain(frequency: float) -> float:
        return float((kernel.sum(0) * torch.cos(frequency * line)).sum())

    assert gain(0.0) == pytest.approx(1, abs=1e-5)
    assert gain(0.4) == pytest.approx(1, abs=0.1)
    assert abs(gain(2.5)) < 0.1


def test_tiny_pictures_and_wrong_sides():
    made = degrade_second_order(torch.rand(1, 3, 8, 8), 8, seeded(0)).lr
    assert made.shape == (1, 3, 1, 1)
    assert torch.isfinite(made).all()
    with pytest.raises(InputError, match="multiples of scale 4"):
        degrade_second_order(torch.rand(1, 3, 10, 8), 4, seeded(0))
