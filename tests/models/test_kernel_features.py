"""DKENet's heads read windows and blocks of its features."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.models import KernelEstimator


@pytest.fixture(scope="module")
def net() -> KernelEstimator:
    torch.manual_seed(0)
    made = KernelEstimator(widths=(8, 8, 8), depth_widths=(2, 2, 2), head_width=8, basis_rank=4,
                           statistics_windows=(3, 5))  # fmt: skip
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made.eval()


@pytest.fixture
def lr() -> torch.Tensor:
    return torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("block", [1, 2, 4])
def test_a_window_is_read_out_as_in_the_whole(net, lr, block) -> None:
    features = net.features(lr, 2, block=block)
    whole = net.read_out(features)
    for rows, cols in ((slice(0, 8), slice(0, 32)), (slice(8, 24), slice(4, 20))):
        part = net.read_out(features.window(rows, cols))
        down, across = (slice(s.start // block, s.stop // block) for s in (rows, cols))
        for made, expected in (
            (part.kernels, whole.kernels),
            (part.log_noise, whole.log_noise),
            (part.jpeg_damage, whole.jpeg_damage),
        ):
            torch.testing.assert_close(made, expected[..., down, across], atol=1e-6, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("block", [2, 4])
def test_a_block_has_about_the_mean_kernel_of_its_pixels(net, lr, block) -> None:
    own = net(lr, 2).kernels
    mean = torch.nn.functional.avg_pool2d(own, block)
    made = net.read_out(net.features(lr, 2, block=block)).kernels
    assert made.shape == mean.shape
    torch.testing.assert_close(made.sum(1), torch.ones(1, *made.shape[-2:]))
    spread = float((own - own.mean((2, 3), keepdim=True)).abs().sum(1).mean())
    assert float((made - mean).abs().sum(1).mean()) < 0.3 * spread
