from __future__ import annotations

import pytest
import torch

from mmsr_core.degradation import (
    KernelField,
    Sharpening,
    degrade,
    field_operator,
    gaussian_kernels,
    sharpen,
)
from mmsr_core.errors import ShapeError
from mmsr_core.metrics import lr_consistency


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    hr = torch.rand(2, 3, 44, 36, generator=generator)
    spread = 0.8 + 2 * torch.rand(2, 11, 9, generator=generator)
    kernels = gaussian_kernels(spread, spread.flip(0), spread, 4)
    return hr, kernels, KernelField.from_dense(kernels, 4)


def test_agrees_with_the_operator(case, monkeypatch):
    hr, kernels, field = case
    monkeypatch.setattr(field_operator, "_WINDOWS", {"cpu": 4})
    degraded = degrade(hr, kernels, 4)
    offset = torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    torch.testing.assert_close(
        lr_consistency(hr, degraded + offset, field),
        torch.tensor([20.0, 40.0], dtype=torch.float64),
        atol=1e-3,
        rtol=0,
    )
    assert (lr_consistency(hr, degraded, field) > 120).all()


def test_another_kernel_is_less_consistent(case):
    hr, kernels, field = case
    other = KernelField.from_dense(kernels.mean(dim=(2, 3), keepdim=True).expand_as(kernels), 4)
    degraded = degrade(hr, kernels, 4)
    assert (lr_consistency(hr, degraded, other) < lr_consistency(hr, degraded, field)).all()


def test_sizes_are_checked(case):
    hr, kernels, field = case
    with pytest.raises(ShapeError, match="lr must have shape"):
        lr_consistency(hr, degrade(hr, kernels, 4)[..., :-1], field)
    with pytest.raises(ShapeError, match="sr must have shape"):
        lr_consistency(hr[..., :-4], degrade(hr, kernels, 4), field)


def test_what_was_sharpened_is_compared_with_a_result_sharpened_again(case):
    hr, kernels, field = case
    amounts = Sharpening(torch.tensor([0.2, 0.4]), torch.tensor([2.5, 1.0]))
    seen = sharpen(degrade(hr, kernels, 4), amounts)
    assert (lr_consistency(hr, seen, field, amounts) > 100).all()
    assert (lr_consistency(hr, seen, field) < 60).all()
