"""Two estimators in one."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.models import KernelEstimator
from tests.helpers import liven
from training.tools.blend_estimators import blend

SIZES = {"widths": (8, 8, 8), "depth_widths": (4, 4, 4), "head_width": 8, "basis_rank": 4}


@pytest.fixture(scope="module")
def nets() -> tuple[KernelEstimator, KernelEstimator]:
    trunk = liven(KernelEstimator(**SIZES), 0).eval()
    table = liven(KernelEstimator(**SIZES, statistics_windows=(1, 3)), 1).eval()
    return trunk, table


def picture() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand((1, 3, 16, 16), generator=generator), torch.rand(
        (1, 1, 16, 16), generator=generator
    )


@torch.no_grad()
def test_ends_are_each_of_both(nets) -> None:
    trunk, table = nets
    lr, depth = picture()
    alone = blend(trunk, table, 0.0)(lr, 4, depth)
    torch.testing.assert_close(alone.kernels, trunk(lr, 4, depth).kernels)
    flat = torch.zeros_like(lr) + 0.5  # the same at every place, so nothing is interpolated
    there = table.read_cells(table.statistics.inputs(flat, 4))
    other = blend(trunk, table, 1.0)
    torch.testing.assert_close(
        other(flat, 4).kernels[..., ::4, ::4], there.kernels, atol=1e-6, rtol=1e-4
    )
    for made in (other, blend(trunk, table, 0.0)):  # noise and JPEG are the table's at any share
        found = made(flat, 4)
        torch.testing.assert_close(found.log_noise[..., ::4, ::4], there.log_noise)
        torch.testing.assert_close(found.jpeg_damage[..., ::4, ::4], there.jpeg_damage)


@torch.no_grad()
def test_between_lies_the_geometric_mean(nets) -> None:
    trunk, table = nets
    lr, depth = picture()
    ends = [blend(trunk, table, share)(lr, 4, depth).kernels.log() for share in (0.0, 1.0)]
    between = blend(trunk, table, 0.3)(lr, 4, depth).kernels
    wanted = torch.softmax(0.7 * ends[0] + 0.3 * ends[1], 1)
    torch.testing.assert_close(between, wanted, atol=1e-6, rtol=1e-4)


def test_refuses_what_does_not_fit(nets) -> None:
    trunk, table = nets
    with pytest.raises(ValueError, match=r"0\.\.1"):
        blend(trunk, table, 2.0)
    with pytest.raises(ValueError, match="trunk must"):
        blend(table, table, 0.5)
