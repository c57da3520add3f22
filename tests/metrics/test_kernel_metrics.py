from __future__ import annotations

import pytest
import torch

from mmsr_core.errors import ShapeError
from mmsr_core.metrics import best_constant_kernel, kernel_l1, kernel_psnr


class Windowed:
    """A field that refuses to hand out more than a window, as a compact one should be used."""

    def __init__(self, dense, limit):
        self._dense = dense
        self._limit = limit
        self.batch, _, self.height, self.width = dense.shape

    def dense(self, rows=None, cols=None):
        window = self._dense[:, :, rows or slice(None), cols or slice(None)]
        assert window.shape[2] <= self._limit
        assert window.shape[3] <= self._limit
        return window


@pytest.fixture
def fields():
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(2, 441, 13, 9, generator=generator).mul(3).softmax(dim=1)
    other = torch.randn(2, 441, 13, 9, generator=generator).mul(3).softmax(dim=1)
    return true, 0.8 * true + 0.2 * other


def test_equal_fields(fields):
    true, _ = fields
    assert torch.isinf(kernel_psnr(true, true)).all()
    assert kernel_l1(true, true).tolist() == [0, 0]


def test_definition(fields):
    true, estimated = (f.double() for f in fields)
    mse = (true - estimated).square().mean(dim=(1, 2, 3))
    peak = true.amax(dim=(1, 2, 3))
    torch.testing.assert_close(kernel_psnr(estimated, true), 10 * torch.log10(peak**2 / mse))
    l1 = (true - estimated).abs().sum(dim=1).mean(dim=(1, 2))
    torch.testing.assert_close(kernel_l1(estimated, true), l1)


def test_windows_equal_whole(fields):
    true, estimated = fields
    for metric in (kernel_psnr, kernel_l1):
        whole = metric(estimated, true)
        windowed = metric(Windowed(estimated, 4), Windowed(true, 4), window=4)
        torch.testing.assert_close(whole, windowed)
    torch.testing.assert_close(
        best_constant_kernel(true), best_constant_kernel(Windowed(true, 5), window=5)
    )


def test_no_constant_kernel_beats_the_mean(fields):
    true, _ = fields

    def score(kernel):
        return kernel_psnr(kernel[:, :, None, None].expand_as(true), true)

    best = best_constant_kernel(true)
    top = score(best)
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        step = 1e-3 * torch.randn(best.shape, generator=generator, dtype=torch.float64)
        assert (score(best + step) < top).all()


def test_sizes_must_agree(fields):
    true, estimated = fields
    with pytest.raises(ShapeError, match="estimated"):
        kernel_psnr(estimated[..., :-1], true)
