"""Fusion metrics: values that follow from their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.errors import InputError, ShapeError
from mmsr_core.metrics.fusion import (
    FUSION_METRICS,
    contrast,
    edge_preservation,
    entropy,
    fusion_figures,
    grey_levels,
    mutual_information,
    spatial_frequency,
    ssim_sum,
    sum_of_correlations,
    visual_information_fidelity,
)
from tests.helpers import WithoutFloat64

SIDE = 64


def picture(seed: int, channels: int = 1, batch: int = 1) -> torch.Tensor:
    """Smooth shapes with fine texture."""
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand((batch, channels, 8, 8), generator=g)
    smooth = F.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
    return (0.85 * smooth + 0.15 * torch.rand(smooth.shape, generator=g)).clamp(0, 1)


def test_a_device_without_float64() -> None:
    colour = picture(1, 3)
    there = colour.as_subclass(WithoutFloat64)
    assert torch.equal(grey_levels(there), grey_levels(colour))


def blurred(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), 5, 1)


def test_flat_pictures() -> None:
    flat = torch.full((1, 1, SIDE, SIDE), 0.4)
    for metric in (entropy, contrast, spatial_frequency):
        assert float(metric(flat)) == 0
    a, b = picture(0), picture(1)
    assert float(mutual_information(a, b, flat)) == pytest.approx(0, abs=1e-9)
    assert float(visual_information_fidelity(a, b, flat)) == pytest.approx(0, abs=1e-9)
    assert float(edge_preservation(a, b, flat)) < 0.01
    assert float(edge_preservation(flat, flat, a)) == 0  # no edge to keep, and no NaN
    for value in fusion_figures(flat, flat, flat).values():
        assert bool(torch.isfinite(value).all())


def test_known_values() -> None:
    ramp = (torch.arange(256.0) / 255).view(1, 1, 1, 256).expand(1, 1, 64, 256)
    assert float(entropy(ramp)) == pytest.approx(8)
    assert float(contrast(ramp)) == pytest.approx(math.sqrt((256**2 - 1) / 12))
    assert float(spatial_frequency(ramp)) == pytest.approx(1)
    halves = (ramp > 0.5).float()
    assert float(entropy(halves)) == pytest.approx(1)
    assert float(mutual_information(ramp, halves, halves)) == pytest.approx(2)  # one bit of each
    board = ((torch.arange(64)[:, None] + torch.arange(64)) % 2).float().view(1, 1, 64, 64)
    assert float(spatial_frequency(board)) == pytest.approx(255 * math.sqrt(2))


def test_a_picture_fused_with_itself() -> None:
    a = picture(0)
    assert float(mutual_information(a, a, a)) == pytest.approx(2 * float(entropy(a)))
    assert float(visual_information_fidelity(a, a, a)) == pytest.approx(2, abs=1e-6)
    assert float(ssim_sum(a, a, a)) == pytest.approx(2)
    # F - A is flat: no correlation is left.
    assert float(sum_of_correlations(a, a, a)) == pytest.approx(0)
    largest = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
    assert float(edge_preservation(a, a, a)) == pytest.approx(largest, abs=1e-6)


def test_scd_of_a_sum_is_two() -> None:
    a, b = (picture(i) * 0.5 for i in range(2))
    a, b = (v.mul(255).round().div(255) for v in (a, b))
    assert float(sum_of_correlations(a, b, a + b)) == pytest.approx(2, abs=1e-9)


@pytest.mark.parametrize("name", list(FUSION_METRICS))
def test_the_order_of_the_sources_does_not_matter(name: str) -> None:
    a, b, fused = picture(0), picture(1), picture(2)
    metric = FUSION_METRICS[name]
    torch.testing.assert_close(metric(a, b, fused), metric(b, a, fused))


@pytest.mark.parametrize("name", ["sf", "vif", "qabf", "ssim_sum"])
def test_blur_lowers(name: str) -> None:
    a, b = picture(0), picture(1)
    fused = (a + b) / 2
    metric = FUSION_METRICS[name]
    assert float(metric(a, b, fused)) > 1.1 * float(metric(a, b, blurred(fused)))


def test_qabf_weighs_by_the_edges_of_the_source() -> None:
    strong, weak = picture(0), 0.5 + 0.05 * (picture(1) - 0.5)
    assert float(edge_preservation(strong, weak, strong)) > 3 * float(
        edge_preservation(strong, weak, weak)
    )


def test_batch_and_colour() -> None:
    a, b, fused = (picture(i, 3, 2) for i in range(3))
    together = fusion_figures(a, b, fused)
    for i in range(2):
        own = slice(i, i + 1)
        alone = fusion_figures(a[own], b[own], fused[own])
        for name, value in together.items():
            assert value.shape == (2,)
            assert value.dtype == torch.float64
            torch.testing.assert_close(value[own], alone[name])
    grey = grey_levels(fused) / 255
    assert float(entropy(fused)[0]) == float(entropy(grey)[0])
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64).view(1, 3, 1, 1)
    exact = 255 * (fused.double() * weights).sum(1, keepdim=True)
    assert float((grey_levels(fused) - exact).abs().max()) <= 0.5 + 1e-6


def test_bad_input_is_refused() -> None:
    a = picture(0)
    with pytest.raises(ShapeError, match="b must"):
        mutual_information(a, a[..., :32], a)
    with pytest.raises(ShapeError, match="image"):
        entropy(a[0])
    with pytest.raises(InputError, match="41 pixels"):
        visual_information_fidelity(*(a[..., :40] for _ in range(3)))
