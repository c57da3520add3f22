"""A selective scan (Mamba) in plain PyTorch, in both directions, over fixed windows of the grid.

The recurrence is that of Mamba-2 (arXiv 2405.21060): one decay rate per head, and step sizes,
input maps and output maps that depend on the token. It is evaluated in chunks in its dual form (a
masked, decayed product of `C` and `B`), so no loop runs over tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError, ShapeError
from ..precision import full_precision
from .blocks import ChannelNorm


def selective_scan(
    x: Tensor, delta: Tensor, rate: Tensor, b: Tensor, c: Tensor, chunk: int = 16
) -> Tensor:
    """`h_t = exp(-delta_t rate) h_(t-1) + delta_t b_t x_t`, `y_t = c_t . h_t`, `h_0 = 0`.

    Computed in float32, whatever the autocast; every exponent is at most 0, so nothing overflows.

    Args:
        x: `(S,L,H,P)`, S sequences of L tokens, H heads of P channels.
        delta: `(S,L,H)`, step sizes, at least 0. A step of 0 leaves the state as it is.
        rate: `(H,)`, decay rates, at least 0 (`-A` of the paper).
        b: `(S,L,N)`, input maps, shared by the heads; N is the size of the state.
        c: `(S,L,N)`, output maps.
        chunk: tokens a chunk; the cost grows with `L * chunk`, the result does not depend on it.

    Returns:
        `(S,L,H,P)` float32.

    Raises:
        ShapeError: shapes that do not belong together.
        InputError: `chunk` below 1.
    """
    s, length, heads, _ = _check(x, delta, rate, b, c)
    if chunk < 1:
        raise InputError(f"chunk must be at least 1 token, but is {chunk}.")
    with full_precision(x.device):
        x, delta, b, c = (v.float() for v in (x, delta, b, c))
        chunk = min(chunk, length)
        missing = -length % chunk
        if missing:  # steps of 0 at the end change nothing
            x = F.pad(x, (0, 0, 0, 0, 0, missing))
            delta, b, c = (F.pad(v, (0, 0, 0, missing)) for v in (delta, b, c))
        chunks = x.shape[1] // chunk
        x = (x * delta.unsqueeze(-1)).reshape(s, chunks, chunk, heads, -1).transpose(2, 3)
        b, c = (v.reshape(s, chunks, chunk, -1) for v in (b, c))
        # (S,K,H,Q): log of the decay since the start of the chunk
        fall = -(delta * rate.float()).reshape(s, chunks, chunk, heads).transpose(2, 3)
        fall = fall.cumsum(-1)
        similar = (c @ b.transpose(-1, -2)).tril().unsqueeze(2)  # (S,K,1,Q,Q): the past only
        y = (similar * _decay_between(fall)) @ x  # (S,K,H,Q,P)
        if chunks > 1:
            y = y + _from_earlier_chunks(x, b, c, fall)
        y = y.transpose(2, 3).reshape(s, chunks * chunk, heads, -1)
        return y[:, :length]


def _decay_between(fall: Tensor) -> Tensor:
    """`exp(fall_t - fall_s)` for s <= t (else 1, not used): `(...,Q)` to `(...,Q,Q)`."""
    return (fall.unsqueeze(-1) - fall.unsqueeze(-2)).clamp_max(0).exp()


def _from_earlier_chunks(x: Tensor, b: Tensor, c: Tensor, fall: Tensor) -> Tensor:
    """What the state at the start of each chunk adds to its outputs: `(S,K,H,Q,P)`."""
    total = fall[..., -1]  # (S,K,H)
    left = (total.unsqueeze(-1) - fall).exp().unsqueeze(-1)
    made = (x * left).transpose(-1, -2) @ b.unsqueeze(2)  # (S,K,H,P,N): what each chunk leaves
    ends = total.transpose(1, 2).cumsum(-1)  # (S,H,K)
    between = _decay_between(ends).tril()[
        ..., :-1, :
    ]  # from the end of chunk j to the end of chunk k
    states = torch.einsum("shkj,sjhpn->skhpn", between, made)
    states = F.pad(states, (0, 0, 0, 0, 0, 0, 1, 0))  # before the first chunk there is nothing
    return (c.unsqueeze(2) @ states.transpose(-1, -2)) * fall.exp().unsqueeze(-1)


def _check(
    x: Tensor, delta: Tensor, rate: Tensor, b: Tensor, c: Tensor
) -> tuple[int, int, int, int]:
    if x.ndim != 4 or x.shape[1] < 1:
        raise ShapeError("x", "(S,L,H,P) with at least one token", tuple(x.shape))
    s, length, heads, channels = x.shape
    if delta.shape != (s, length, heads):
        raise ShapeError("delta", f"({s},{length},{heads})", tuple(delta.shape))
    if rate.shape != (heads,):
        raise ShapeError("rate", f"({heads},)", tuple(rate.shape))
    for name, value in (("b", b), ("c", c)):
        if value.ndim != 3 or value.shape[:2] != (s, length) or value.shape != b.shape:
            raise ShapeError(name, f"({s},{length},N), b and c alike", tuple(value.shape))
    return s, length, heads, channels


class ScanDirection(nn.Module):
    """One direction of Mamba: step sizes, B and C from the tokens, the scan, and a skip."""

    def __init__(self, channels: int, heads: int, state: int) -> None:
        """Args: channels (a multiple of heads), heads, size of the state."""
        super().__init__()
        self.heads = heads
        self.state = state
        self.select = nn.Linear(channels, heads + 2 * state)
        self.log_rate = nn.Parameter(torch.linspace(0.0, 1.5, heads))
        self.skip = nn.Parameter(torch.ones(heads))
        with torch.no_grad():
            self.select.bias[:heads] = -2.0  # softplus: steps near 0.13, memory of about 8 tokens

    def forward(self, tokens: Tensor) -> Tensor:
        """`(S,L,C)` to `(S,L,C)`; token t sees the tokens up to t."""
        s, length, channels = tokens.shape
        steps, b, c = self.select(tokens).split((self.heads, self.state, self.state), -1)
        x = tokens.reshape(s, length, self.heads, -1)
        y = selective_scan(x, F.softplus(steps.float()), self.log_rate.exp(), b, c)
        y = y + x.float() * self.skip.view(-1, 1)
        return y.reshape(s, length, channels)


class BidirectionalScan(nn.Module):
    """The sum of a scan forwards and one backwards, each with weights of its own.

    Reversing the tokens and exchanging the two directions reverses the output.
    """

    def __init__(self, channels: int, heads: int, state: int) -> None:
        """Args: as of `ScanDirection`."""
        super().__init__()
        self.onward = ScanDirection(channels, heads, state)
        self.back = ScanDirection(channels, heads, state)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(S,L,C)` to `(S,L,C)`; every token sees all of its sequence."""
        return self.onward(tokens) + self.back(tokens.flip(1)).flip(1)


class WindowMamba(nn.Module):
    """Residual block: bidirectional Mamba over the rows and the columns of aligned windows.

    Windows of `window` x `window` cells lie on multiples of `window`, so what a cell sees does not
    depend on the size of the canvas. Cells are serialised row by row for one scan and column by
    column for the other.
    """

    def __init__(self, channels: int, heads: int = 4, state: int = 8, window: int = 8) -> None:
        """Args: channels (a multiple of heads), heads, size of the state, side of a window."""
        super().__init__()
        self.window = window
        self.norm = ChannelNorm()
        self.conv_in = nn.Conv2d(channels, 2 * channels, 1)
        self.by_rows = BidirectionalScan(channels, heads, state)
        self.by_columns = BidirectionalScan(channels, heads, state)
        self.conv_out = nn.Conv2d(channels, channels, 1)

    @property
    def reach(self) -> int:
        """How far, in cells, an output looks at most."""
        return self.window - 1

    def forward(self, x: Tensor) -> Tensor:
        """`(B,C,h,w)` to the same shape; h and w multiples of the window."""
        if x.shape[-1] % self.window or x.shape[-2] % self.window:
            raise ShapeError("x", f"sides that are multiples of {self.window}", tuple(x.shape))
        tokens, gate = self.conv_in(self.norm(x)).chunk(2, 1)
        tokens = to_windows(F.silu(tokens), self.window)  # (S,window,window,C)
        s, side, _, channels = tokens.shape
        rows = self.by_rows(tokens.reshape(s, side * side, channels))
        turned = tokens.transpose(1, 2).reshape(s, side * side, channels)
        columns = self.by_columns(turned).reshape(tokens.shape).transpose(1, 2)
        mixed = from_windows(rows.reshape(tokens.shape) + columns, (x.shape[-2], x.shape[-1]))
        return x + 0.25 * self.conv_out(mixed.to(x.dtype) * F.silu(gate))


def to_windows(x: Tensor, window: int) -> Tensor:
    """`(B,C,h,w)` to `(B*h/window*w/window, window, window, C)`."""
    b, c, h, w = x.shape
    cut = x.reshape(b, c, h // window, window, w // window, window)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(-1, window, window, c)


def from_windows(windows: Tensor, size: tuple[int, int]) -> Tensor:
    """Undo `to_windows` for a map of `size` (rows, columns)."""
    _, window, _, c = windows.shape
    h, w = size
    grid = windows.reshape(-1, h // window, w // window, window, window, c)
    return grid.permute(0, 5, 1, 3, 2, 4).reshape(-1, c, h, w)
