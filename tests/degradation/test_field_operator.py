"""`A` of a whole field: windows, blocks of pixels with one kernel, negligible taps, devices."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.degradation import (
    FieldOperator,
    KernelBasis,
    KernelField,
    adjoint,
    constant_kernel_field,
    degrade,
    degrade_canvas,
    gaussian_kernels,
    isotropic_gaussian,
)
from mmsr_core.degradation import field_operator as module
from mmsr_core.degradation.field_operator import cut_negligible
from mmsr_core.errors import ShapeError
from tests.helpers import varying_field

CASES = [(13, 9, 4), (6, 7, 3), (5, 8, 2), (12, 11, 1), (1, 1, 4), (3, 2, 8)]


def in_blocks(h: int, w: int, scale: int, batch: int = 1) -> tuple[KernelField, torch.Tensor]:
    """The same as codes, with one code for each block of LR pixels."""
    field, hr = varying_field(h, w, scale, batch)
    block = max(1, 4 // scale)
    kernels = field.dense()[..., ::block, ::block]
    basis = KernelBasis.fit(kernels.movedim(1, -1).reshape(-1, 441), rank=20)
    codes = basis.encode(kernels)
    return KernelField.from_codes(codes, scale, basis, block=block, size=(h, w)), hr


def plain(field: KernelField) -> torch.Tensor:
    """What the operator of a field uses, densely."""
    return field.dense() if field.basis is None else cut_negligible(field.dense())


@pytest.fixture(params=[0, 1 << 20], ids=["blocks", "spread"])
def few_blocks(request, monkeypatch) -> None:
    """Multiply blocks as such, or their LR pixels."""
    monkeypatch.setattr(module, "FEW_BLOCKS", request.param)


@pytest.mark.usefixtures("few_blocks")
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("fields", [varying_field, in_blocks])
@pytest.mark.parametrize(("h", "w", "scale"), CASES)
def test_windows_equal_the_operator(fields, h, w, scale, kept, monkeypatch) -> None:
    if not kept:
        monkeypatch.setattr(module, "_KEPT_BYTES", {})
    field, hr = fields(h, w, scale, batch=2)
    kernels = plain(field)
    lr = degrade(hr, kernels, scale)
    for window in (2, 3, 128):
        operator = FieldOperator(field, window)
        for _ in range(2):  # the second time from what is known of the windows
            torch.testing.assert_close(operator.degrade(hr), lr, atol=2e-6, rtol=0)
            canvas = hr.clone()
            added = operator.add_adjoint(canvas, lr)
            assert added is canvas
            exact = adjoint(lr, kernels, scale)
            torch.testing.assert_close(added - hr, exact, atol=3e-6, rtol=0)


@pytest.mark.usefixtures("few_blocks")
@pytest.mark.parametrize("fields", [varying_field, in_blocks])
@pytest.mark.parametrize(("h", "w", "scale"), CASES)
def test_row_sums_are_a_at_one(fields, h, w, scale) -> None:
    field, _ = fields(h, w, scale)
    kernels = plain(field)
    expected = degrade(adjoint(torch.ones(1, 1, h, w), kernels, scale), kernels, scale)
    assert float(expected.min()) > 0
    for window in (3, 128):
        made = FieldOperator(field, window).row_sums
        torch.testing.assert_close(made, expected, atol=2e-6, rtol=1e-5)


def test_taps_that_hold_nothing_cost_nothing_and_change_little() -> None:
    _, hr = varying_field(12, 12, 4)
    sigma = torch.linspace(1.2, 1.6, 144).view(1, 12, 12)
    kernels = gaussian_kernels(sigma, sigma, torch.zeros_like(sigma), 4)
    basis = KernelBasis.fit(kernels[0].flatten(1).T, rank=8)
    field = KernelField.from_codes(basis.encode(kernels), 4, basis)
    operator = FieldOperator(field)
    assert float((operator.degrade(hr) - degrade(hr, kernels, 4)).abs().max()) < 1 / 255
    (window,) = operator._windows()
    assert len(window.taps) < 150
    torch.testing.assert_close(window.kernels.sum(1), torch.ones(1, 12, 12))


def test_dense_kernels_are_exact_and_their_zeros_cost_nothing() -> None:
    _, hr = varying_field(12, 12, 4)
    kernel = isotropic_gaussian(1.5, 4)
    exact = degrade(hr, kernel.view(1, 441, 1, 1).expand(1, -1, 12, 12), 4)
    whole = FieldOperator(constant_kernel_field(kernel, 12, 12, 4))
    torch.testing.assert_close(whole.degrade(hr), exact)
    kernel = cut_negligible(kernel.view(1, 441, 1, 1)).flatten()
    operator = FieldOperator(constant_kernel_field(kernel, 12, 12, 4))
    assert float((operator.degrade(hr) - exact).abs().max()) < 1 / 255
    (window,) = operator._windows()
    assert len(window.taps) < 150


def test_flat_stays_flat() -> None:
    field, hr = in_blocks(9, 10, 1)
    flat = torch.full_like(hr, 0.3)
    torch.testing.assert_close(degrade_canvas(flat, field), torch.full((1, 3, 9, 10), 0.3))


def test_kept_kernels_are_bounded(monkeypatch) -> None:
    field, hr = in_blocks(12, 12, 4)
    operator = FieldOperator(field, 4)
    operator.degrade(hr)
    assert len(operator._kept) == 9
    monkeypatch.setattr(module, "_KEPT_BYTES", {"cpu": 100})
    operator = FieldOperator(field, 4)
    operator.degrade(hr)
    assert not operator._kept


@pytest.mark.usefixtures("few_blocks")
@pytest.mark.parametrize("kept", [True, False])
def test_inference_mode_may_come_and_go(kept, monkeypatch) -> None:
    if not kept:
        monkeypatch.setattr(module, "_KEPT_BYTES", {})
    field, hr = in_blocks(9, 10, 2)
    operator = FieldOperator(field, 2)
    with torch.inference_mode():
        first = operator.degrade(hr)
    with torch.no_grad():
        assert torch.equal(operator.degrade(hr), first)
    with torch.inference_mode():
        assert torch.equal(operator.degrade(hr), first)
    assert torch.equal(operator.degrade(hr), first)


def test_the_callback_may_end_it() -> None:
    field, hr = varying_field(8, 8, 2)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        degrade_canvas(hr, field, stop)


def test_wrong_size_is_refused() -> None:
    field, hr = varying_field(4, 5, 2)
    with pytest.raises(ShapeError, match=r"hr must have shape \(B,C,8,10\)"):
        degrade_canvas(hr[..., 1:], field)


def test_cutting_negligible_values_makes_no_jumps() -> None:
    levels = torch.linspace(0, 4e-3, 401)
    kernels = torch.zeros(1, 441, 1, 401)
    kernels[:, 220] = 1.0
    kernels[:, 221] = levels
    made = cut_negligible(kernels)[0, 221, 0]
    assert not bool(made[levels < 2e-3].any())
    whole = levels > 3e-3
    torch.testing.assert_close(made[whole], (levels / (1 + levels))[whole])
    assert float(made.diff().max()) < 5 * float(levels.diff().max())
