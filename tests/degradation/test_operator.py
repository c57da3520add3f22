from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import adjoint, degrade, gaussian_kernels, isotropic_gaussian
from mmsr_core.degradation.kernels import resize_line
from mmsr_core.degradation.operator import degrade_separably, reflect_indices
from mmsr_core.errors import ShapeError

SCALES = (1, 2, 3, 4, 8)


def random_kernels(h: int, w: int, scale: int, batch: int = 1) -> torch.Tensor:
    g = torch.Generator().manual_seed(1)
    sigmas = [0.8 + 2 * torch.rand((batch, h, w), generator=g) for _ in range(2)]
    kernels = gaussian_kernels(*sigmas, 3 * torch.rand((batch, h, w), generator=g), scale).double()
    return kernels / kernels.sum(1, keepdim=True)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(5, 7), (1, 1), (2, 9)])
def test_adjoint_dot_product(scale: int, size: tuple[int, int]) -> None:
    h, w = size
    torch.manual_seed(0)
    kernels = random_kernels(h, w, scale, batch=2)
    x = torch.randn(2, 3, h * scale, w * scale, dtype=torch.float64)
    y = torch.randn(2, 3, h, w, dtype=torch.float64)
    left = (degrade(x, kernels, scale) * y).sum()
    right = (x * adjoint(y, kernels, scale)).sum()
    assert abs(float(left - right)) < 1e-10 * max(1.0, abs(float(left)))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_gradients(scale: int) -> None:
    torch.manual_seed(0)
    kernels = random_kernels(2, 3, scale).requires_grad_()
    x = torch.randn(1, 2, 2 * scale, 3 * scale, dtype=torch.float64, requires_grad=True)
    y = torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    check = torch.autograd.gradcheck
    assert check(lambda a, k: degrade(a, k, scale), (x, kernels), fast_mode=True)
    assert check(lambda a, k: adjoint(a, k, scale), (y, kernels), fast_mode=True)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(13, 17), (11, 8)])
def test_constant_field_is_convolution_then_stride(scale: int, size: tuple[int, int]) -> None:
    h, w = size
    torch.manual_seed(0)
    hr = torch.rand(1, 3, h * scale, w * scale, dtype=torch.float64)
    kernel = torch.rand(441, dtype=torch.float64)
    kernel = kernel / kernel.sum()
    field = kernel.view(1, 441, 1, 1).expand(1, 441, h, w)
    rows = reflect_indices(-10, h * scale + 20, h * scale)
    cols = reflect_indices(-10, w * scale + 20, w * scale)
    padded = hr[..., rows, :][..., cols]
    blurred = F.conv2d(padded, kernel.view(1, 1, 21, 21).expand(3, 1, 21, 21), groups=3)
    start = (scale - 1) // 2
    expected = blurred[..., start::scale, start::scale]
    torch.testing.assert_close(degrade(hr, field, scale), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("scale", SCALES)
def test_symmetric_blur_leaves_a_ramp_where_bicubic_puts_it(scale: int) -> None:
    h = w = 40
    ramp = torch.linspace(0, 1, w * scale, dtype=torch.float64).expand(1, 1, h * scale, -1)
    kernel = isotropic_gaussian(1.2, scale).double()
    field = (kernel / kernel.sum()).view(1, 441, 1, 1).expand(1, 441, h, w)
    mine = degrade(ramp, field, scale)
    bicubic = F.interpolate(ramp, size=(h, w), mode="bicubic", antialias=True)
    inner = slice(12, -12)
    assert float((mine - bicubic)[..., inner, inner].abs().max()) < 1e-6


@pytest.mark.parametrize("scale", SCALES)
def test_flat_picture_stays_flat(scale: int) -> None:
    hr = torch.full((1, 3, 3 * scale, 5 * scale), 0.3, dtype=torch.float64)
    lr = degrade(hr, random_kernels(3, 5, scale), scale)
    torch.testing.assert_close(lr, torch.full_like(lr, 0.3))


def test_reflection_matches_numpy() -> None:
    import numpy as np

    for size in (2, 3, 7):
        expected = np.pad(np.arange(size), (9, 11), mode="reflect")
        assert reflect_indices(-9, size + 20, size).tolist() == expected.tolist()
    assert reflect_indices(-4, 9, 1).tolist() == [0] * 9


def test_batch_items_do_not_mix() -> None:
    torch.manual_seed(0)
    kernels = random_kernels(4, 4, 2, batch=2)
    hr = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    both = degrade(hr, kernels, 2)
    torch.testing.assert_close(both[1:], degrade(hr[1:], kernels[1:], 2))


def test_wrong_sizes_are_refused() -> None:
    kernels = random_kernels(4, 4, 2)
    with pytest.raises(ShapeError, match=r"hr must have shape \(B,C,8,8\)"):
        degrade(torch.rand(1, 3, 9, 8), kernels, 2)
    with pytest.raises(ShapeError, match="lr"):
        adjoint(torch.rand(1, 3, 5, 4), kernels, 2)
    with pytest.raises(ShapeError, match="kernels"):
        degrade(torch.rand(1, 3, 8, 8), kernels[:, :440], 2)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_separable_kernel_is_degraded_line_by_line(scale: int) -> None:
    line = resize_line(scale, -0.5, 0.8)
    hr = torch.rand(2, 3, 9 * scale, 11 * scale, generator=torch.Generator().manual_seed(0))
    kernel = (line[:, None] * line[None, :]).float().view(1, -1, 1, 1).expand(2, -1, 9, 11)
    torch.testing.assert_close(degrade_separably(hr, line, scale), degrade(hr, kernel, scale))


@pytest.mark.parametrize("scale", [5, 8, 16])
def test_wide_lines_do_what_interpolate_does_inside(scale: int) -> None:
    hr = torch.rand(1, 3, 12 * scale, 14 * scale, generator=torch.Generator().manual_seed(0))
    mine = degrade_separably(hr, resize_line(scale, -0.5, 0.0, 2 * scale), scale)
    theirs = F.interpolate(hr, size=(12, 14), mode="bicubic", antialias=True)
    torch.testing.assert_close(mine[..., 3:-3, 3:-3], theirs[..., 3:-3, 3:-3], atol=1e-5, rtol=0)
