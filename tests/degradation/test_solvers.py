"""Agreement with the input: back-projection and conjugate gradient."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import (
    FieldOperator,
    back_project,
    conjugate_gradient,
    consistency_db,
    degrade_canvas,
    doubt_variance,
    signal_gain,
)
from mmsr_core.degradation.solvers import relaxations
from tests.helpers import varying_field


@pytest.mark.parametrize("noise", [None, 0.02])
def test_back_projection_does_not_depend_on_the_windows(noise: float | None) -> None:
    field, hr = varying_field(13, 9, 4)
    lr = degrade_canvas(hr, field)
    std = None if noise is None else torch.tensor([noise])
    start = torch.full_like(hr, 0.5)
    operators = [FieldOperator(field, window) for window in (4, 7, 128)]
    results = [back_project(start.clone(), lr, operator, 3, std) for operator in operators]
    for other in results[1:]:
        torch.testing.assert_close(results[0], other, atol=2e-6, rtol=0)
    cg = [conjugate_gradient(start.clone(), lr, operator, 3, std) for operator in operators]
    torch.testing.assert_close(cg[0], cg[-1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_back_projection_never_gets_worse_and_converges(scale: int) -> None:
    field, hr = varying_field(8, 7, scale)
    lr = degrade_canvas(hr, field)
    operator = FieldOperator(field)
    canvas = torch.full_like(hr, 0.5)

    def residual() -> float:
        """The norm in which SART is a contraction."""
        return float(((lr - operator.degrade(canvas)).square() / operator.row_sums).sum())

    norms = [residual()]
    for _ in range(30):
        back_project(canvas, lr, operator, 1)
        norms.append(residual())
    assert all(after <= before * (1 + 1e-5) for before, after in pairwise(norms))
    assert norms[-1] < 0.05 * norms[0]


def test_no_iterations_change_nothing() -> None:
    field, hr = varying_field(4, 4, 2)
    lr = torch.zeros(1, 3, 4, 4)
    for correct in (back_project, conjugate_gradient):
        assert torch.equal(correct(hr.clone(), lr, field, 0), hr)


def test_a_residual_within_the_noise_is_left_alone() -> None:
    g = torch.Generator().manual_seed(0)
    noise = 0.02 * torch.randn((1, 3, 40, 40), generator=g)
    flat = torch.full_like(noise, 0.5)

    def gain(factor: float, std: float = 0.02) -> torch.Tensor:
        return signal_gain(factor * noise, doubt_variance(flat, torch.tensor([std])))

    assert float(gain(0.5).max()) == 0
    assert float((gain(1.0) == 0).float().mean()) > 0.9
    assert torch.equal(gain(1.0, 0.0), torch.ones(1, 1, 40, 40))
    assert float(gain(10).min()) > 0.95
    assert 0 < float(gain(1.5).mean()) < float(gain(3).mean()) < 1


def test_where_the_picture_has_detail_the_kernel_is_doubted() -> None:
    g = torch.Generator().manual_seed(0)
    lr = torch.full((1, 3, 40, 40), 0.5)
    lr[..., 20:] += 0.2 * torch.randn((1, 3, 40, 20), generator=g)
    variance = doubt_variance(lr, torch.zeros(1))
    assert float(variance[..., :15].max()) == 0
    assert 0.04 < float(variance[..., 25:].mean().sqrt()) < 0.07  # three tenths of the detail
    assert float(doubt_variance(lr, torch.zeros(1), kernel_error=0.0).max()) == 0


def test_noise_within_the_estimate_is_not_written_into_the_picture() -> None:
    field, hr = varying_field(12, 12, 2)
    clean = degrade_canvas(hr, field)
    g = torch.Generator().manual_seed(1)
    lr = clean + 0.02 * torch.randn(clean.shape, generator=g)
    std = torch.tensor([0.02])
    damped = back_project(hr.clone(), lr, field, 5, std)
    trusting = back_project(hr.clone(), lr, field, 5)
    assert float((damped - hr).square().mean()) < 0.2 * float((trusting - hr).square().mean())


@pytest.mark.parametrize("least", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_steps_of_unequal_length_leave_what_chebyshev_says(count: int, least: float) -> None:
    values = torch.linspace(least, 1, 400, dtype=torch.float64)
    left = torch.ones_like(values)
    for length in relaxations(count, least):
        left = left * (1 - length * values)
    bound = 1 / math.cosh(count * math.acosh((1 + least) / (1 - least)))
    assert float(left.abs().max()) == pytest.approx(bound, rel=1e-6)
    assert relaxations(count, 1) == [1] * count
    assert relaxations(0, least) == []


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_two_unequal_steps_agree_as_well_as_five_equal_ones(scale: int) -> None:
    field, hr = varying_field(16, 16, scale)
    lr = degrade_canvas(hr, field)
    start = F.interpolate(lr, scale_factor=scale, mode="bicubic") if scale > 1 else lr.clone()

    def left(iterations: int, least: float = 1.0) -> float:
        made = back_project(start.clone(), lr, field, iterations, least_eigenvalue=least)
        return float((degrade_canvas(made, field) - lr).norm())

    assert left(2, 0.2) < 1.1 * left(5)
    assert left(2, 0.2) < 0.9 * left(2)


def test_conjugate_gradient_solves_its_problem_and_beats_back_projection() -> None:
    field, hr = varying_field(8, 9, 4)
    lr = degrade_canvas(hr, field)
    start = torch.full_like(hr, 0.5)

    def objective(x: torch.Tensor) -> float:
        misfit = (degrade_canvas(x, field) - lr).square().sum() / 1e-4
        return float((x - start).square().sum() + misfit)

    values = [objective(conjugate_gradient(start.clone(), lr, field, n)) for n in (0, 2, 5, 12)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.05 * values[0]
    for count in (5, 8):
        sart = back_project(start.clone(), lr, field, count)
        assert objective(conjugate_gradient(start.clone(), lr, field, count)) < objective(sart)


def test_conjugate_gradient_trusts_a_noisy_input_less() -> None:
    field, hr = varying_field(6, 6, 2)
    lr = degrade_canvas(hr, field)
    start = torch.full_like(hr, 0.5)
    moved = [
        float((conjugate_gradient(start.clone(), lr, field, 8, torch.tensor([n])) - start).norm())
        for n in (0.0, 0.03, 0.1)
    ]
    assert moved[0] > moved[1] > moved[2] > 0


def test_batch_items_do_not_mix() -> None:
    field, hr = varying_field(6, 5, 2, batch=2)
    lr = degrade_canvas(hr, field)
    std = torch.tensor([0.0, 0.05])
    for correct in (back_project, conjugate_gradient):
        both = correct(torch.full_like(hr, 0.4), lr, field, 3, std)
        for i in range(2):
            one = correct(
                torch.full_like(hr[:1], 0.4), lr[i : i + 1], field.item(i), 3, std[i : i + 1]
            )
            torch.testing.assert_close(both[i : i + 1], one, atol=2e-6, rtol=0)


def test_consistency_db() -> None:
    field, hr = varying_field(6, 5, 2, batch=2)
    lr = degrade_canvas(hr, field)
    off = lr.clone()
    off[1] += 0.1
    made = consistency_db(hr, off, field)
    assert float(made[0]) > 100
    assert float(made[1]) == pytest.approx(20, abs=1e-3)
