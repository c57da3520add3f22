"""The selective scan against a plain loop, and what bidirectional Mamba promises."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.errors import InputError, ShapeError
from mmsr_core.models.selective_scan import (
    BidirectionalScan,
    WindowMamba,
    from_windows,
    selective_scan,
    to_windows,
)
from tests.helpers import liven

S, L, H, P, N = 2, 23, 3, 4, 5


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def inputs(length: int = L) -> list[torch.Tensor]:
    delta = torch.rand((S, length, H), generator=torch.Generator().manual_seed(1))
    rate = torch.tensor([0.1, 1.0, 6.0])
    x, b, c = rand(S, length, H, P), rand(S, length, N, seed=2), rand(S, length, N, seed=3)
    return [x, delta, rate, b, c]


def loop(x, delta, rate, b, c):
    """The recurrence as it is written, one token after the other, in float64."""
    x, delta, rate, b, c = (v.double() for v in (x, delta, rate, b, c))
    state = torch.zeros(x.shape[0], H, P, N, dtype=torch.float64)
    out = []
    for t in range(x.shape[1]):
        kept = torch.exp(-delta[:, t] * rate)[..., None, None]
        drive = (delta[:, t, :, None] * x[:, t])[..., None] * b[:, t, None, None, :]
        state = kept * state + drive
        out.append((state * c[:, t, None, None, :]).sum(-1))
    return torch.stack(out, 1)


@pytest.mark.parametrize("chunk", [1, 4, 7, 23, 64])
def test_scan_equals_the_loop_for_every_chunk(chunk: int) -> None:
    values = inputs()
    made = selective_scan(*values, chunk=chunk)
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.double(), loop(*values), atol=3e-5, rtol=1e-5)


def test_gradients_equal_those_of_the_loop() -> None:
    weights = rand(S, L, H, P, seed=8)
    sets = []
    for scan in (lambda *v: selective_scan(*v, chunk=6), loop):
        values = [v.clone().requires_grad_() for v in inputs()]
        (scan(*values) * weights).sum().backward()
        sets.append([v.grad for v in values])
    for made, true in zip(*sets, strict=True):
        torch.testing.assert_close(made, true, atol=2e-4, rtol=1e-4)


def test_huge_steps_forget_and_zero_steps_keep() -> None:
    x, delta, rate, b, c = inputs()
    made = selective_scan(x, delta * 1e4, rate, b, c)
    alone = (delta * 1e4).unsqueeze(-1) * x * (b * c).sum(-1)[..., None, None]
    assert torch.isfinite(made).all()
    torch.testing.assert_close(made[:, :, 2], alone[:, :, 2], atol=0.1, rtol=1e-4)
    delta[:, 10:] = 0  # from here on the state stands still, and only C changes what is read
    c[:] = c[:, :1]
    made = selective_scan(x, delta, rate, b, c, chunk=4)
    torch.testing.assert_close(made[:, 10:], made[:, 9:10].expand(-1, L - 10, -1, -1))


def test_the_past_alone_is_seen() -> None:
    values = inputs()
    before = selective_scan(*values, chunk=5)
    values[0][:, 12] += 3
    after = selective_scan(*values, chunk=5)
    assert torch.equal(before[:, :12], after[:, :12])
    assert float((before[:, 12:] - after[:, 12:]).abs().min(0).values.max()) > 1e-3


def test_the_scan_is_selective() -> None:
    """Steps, B and C depend on the token: doubling the input does more than double the output."""
    torch.manual_seed(0)
    module = BidirectionalScan(12, 3, 4)
    x = rand(1, 16, 12)
    with torch.no_grad():
        assert float((module(2 * x) - 2 * module(x)).abs().max()) > 1e-2


def test_reversing_the_input_reverses_the_output() -> None:
    torch.manual_seed(0)
    module = BidirectionalScan(12, 3, 4)
    x = rand(2, 20, 12)
    with torch.no_grad():
        made = module(x)
        reversed_alone = module(x.flip(1)).flip(1)
        module.onward, module.back = module.back, module.onward
        torch.testing.assert_close(module(x.flip(1)).flip(1), made)
        # With weights of its own for each direction, reversing alone is another function ...
        assert float((reversed_alone - made).abs().max()) > 1e-3
        # ... and with shared ones it is not.
        module.back = module.onward
        torch.testing.assert_close(module(x.flip(1)).flip(1), module(x))


def test_every_token_sees_both_sides() -> None:
    torch.manual_seed(0)
    module = BidirectionalScan(12, 3, 4)
    x = rand(1, 16, 12).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[:, 7].sum(), x)
    assert bool((gradient.abs().amax((0, 2)) > 0).all())


def test_windows_are_a_round_trip_and_do_not_mix() -> None:
    x = rand(2, 3, 8, 12)
    assert torch.equal(from_windows(to_windows(x, 4), (8, 12)), x)
    torch.manual_seed(0)
    block = liven(WindowMamba(8, heads=2, state=4, window=4))
    y = rand(1, 8, 8, 12)
    other = y.clone()
    other[..., 4:8, 4:8] += 1
    with torch.no_grad():
        changed = (block(y) - block(other)).abs().amax((0, 1)) > 0
    inside = torch.zeros_like(changed)
    inside[4:8, 4:8] = True
    assert torch.equal(changed, inside)


def test_half_precision_keeps_the_scan_in_float32() -> None:
    values = inputs()
    with torch.autocast("cpu", torch.bfloat16):
        made = selective_scan(*values)
    assert torch.equal(made, selective_scan(*values))


def test_bad_input_is_refused() -> None:
    x, delta, rate, b, c = inputs()
    with pytest.raises(ShapeError, match="delta"):
        selective_scan(x, delta[..., :2], rate, b, c)
    with pytest.raises(ShapeError, match="rate"):
        selective_scan(x, delta, rate[:2], b, c)
    with pytest.raises(ShapeError, match="c must"):
        selective_scan(x, delta, rate, b, c[..., :2])
    with pytest.raises(ShapeError, match="x must"):
        selective_scan(x[0], delta, rate, b, c)
    with pytest.raises(InputError, match="chunk"):
        selective_scan(x, delta, rate, b, c, chunk=0)
    with pytest.raises(ShapeError, match="multiples of 8"):
        WindowMamba(8, heads=2)(rand(1, 8, 8, 12))
