"""Statistics: shapes, invariances, and that they tell blur, direction and noise."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.models.blur_statistics import (
    CELL,
    _highest,
    _mean,
    blur_statistics,
    differences,
    statistics_channels,
    statistics_radius,
)

WINDOWS = (3, 7)


def picture(height: int = 64, width: int = 96, seed: int = 0) -> torch.Tensor:
    rough = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(rough, 3, 1, 1, count_include_pad=False)


def all_differences(lr: torch.Tensor) -> torch.Tensor:
    return torch.cat(list(differences(lr)), 1)


@pytest.mark.parametrize("side", [1, 3, 5, 7, 15])
@pytest.mark.parametrize("size", [(1, 1), (4, 9), (20, 16)])
def test_window_means_and_maxima_are_those_of_pooling(side: int, size: tuple[int, int]) -> None:
    x = torch.randn((2, 3, *size), generator=torch.Generator().manual_seed(side))
    pad = side // 2
    expected = F.avg_pool2d(x.double(), side, 1, pad, count_include_pad=False)
    torch.testing.assert_close(_mean(x, side), expected.float(), atol=1e-6, rtol=1e-5)
    assert torch.equal(_highest(x, side), F.max_pool2d(x, side, 1, pad))


def test_shape_and_dtype() -> None:
    made = blur_statistics(picture().half(), WINDOWS)
    assert made.shape == (1, statistics_channels(WINDOWS), 16, 24)
    assert made.dtype == torch.float32
    assert bool(torch.isfinite(blur_statistics(torch.zeros(2, 3, 8, 8), WINDOWS)).all())


def test_moves_with_the_picture() -> None:
    whole = blur_statistics(picture(), WINDOWS)
    margin = -(-statistics_radius(WINDOWS) // CELL)
    part = blur_statistics(picture()[..., 2 * CELL :], WINDOWS)
    inner = slice(margin, 22 - margin)
    torch.testing.assert_close(part[..., inner], whole[..., 2:][..., inner], atol=1e-4, rtol=1e-4)


def test_contrast_moves_the_levels_alone() -> None:
    strong = 0.5 + (picture() - 0.5) * 0.9
    weak = 0.5 + (strong - 0.5) * 0.5
    a, b = blur_statistics(strong, WINDOWS), blur_statistics(weak, WINDOWS)
    levels = len(WINDOWS)
    change = a[:, -levels:] - b[:, -levels:]
    torch.testing.assert_close(change, torch.full_like(change, 0.6931), atol=0.01, rtol=0)
    # the floor under the logarithms leaves a little
    torch.testing.assert_close(a[:, :-levels], b[:, :-levels], atol=0.12, rtol=0)


@pytest.mark.parametrize(("kernel", "weak", "strong"), [((1, 5), 0, 2), ((5, 1), 2, 0)])
def test_blur_across_weakens_differences_across(kernel, weak: int, strong: int) -> None:
    sharp = picture(seed=3)
    blurred = F.avg_pool2d(
        F.pad(sharp, (2, 2, 2, 2))[..., : 64 + kernel[0] - 1, : 96 + kernel[1] - 1], kernel, 1
    )
    energy = all_differences(blurred)[..., 8:-8, 8:-8].square().mean((0, 2, 3))
    assert float(energy[weak]) < 0.6 * float(energy[strong])


def test_edges_do_not_pass_for_noise() -> None:
    edges = torch.zeros(1, 3, 32, 32)
    edges[..., 15:] = 1.0
    checker = all_differences(edges)[:, -3:, 4:-4, 4:-4]
    assert float(checker.abs().max()) < 1e-6
    noisy = edges + 0.1 * torch.randn(edges.shape, generator=torch.Generator().manual_seed(1))
    assert float(all_differences(noisy)[:, -3].square().mean().sqrt()) > 0.05
