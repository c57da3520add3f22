"""Errors of an estimated kernel field against the true one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..errors import ShapeError

_WINDOW = 64
"""Sites along each side of the window in which kernels are held densely (7 MB per item)."""


@runtime_checkable
class DenseWindows(Protocol):
    """What these functions need from a kernel field: kernels of a window of LR pixels."""

    @property
    def batch(self) -> int:
        """Items."""
        ...

    @property
    def height(self) -> int:
        """LR rows."""
        ...

    @property
    def width(self) -> int:
        """LR columns."""
        ...

    def dense(self, rows: slice | None = None, cols: slice | None = None) -> Tensor:
        """`(B,441,h',w')` kernels of the LR pixels in `rows` x `cols`."""
        ...


Field = Tensor | DenseWindows


def kernel_psnr(estimated: Field, true: Field, *, window: int = _WINDOW) -> Tensor:
    """Kernel PSNR: `10 log10(peak² / MSE)`.

    `peak` is the largest value of the item's TRUE kernel field, over all LR pixels and taps. The
    MSE is the mean over all LR pixels and all 441 taps. Both are gathered window by window, so a
    large field stored compactly never becomes dense as a whole.

    Args:
        estimated: `(B,441,h,w)` tensor or a kernel field.
        true: The same shape.
        window: Sites along each side of a window.

    Returns:
        `(B,)` float64, dB; infinite for equal fields.
    """
    batch, height, width = _check(estimated, true)
    squares = torch.zeros(batch, dtype=torch.float64)
    peak = torch.zeros(batch, dtype=torch.float64)
    taps = 0
    for mine, theirs in _windows(estimated, true, height, width, window):
        squares += (mine - theirs).square().flatten(1).sum(dim=1)
        peak = torch.maximum(peak, theirs.flatten(1).amax(dim=1))
        taps = mine.shape[1]
    return 10 * torch.log10(peak.square() / (squares / (taps * height * width)))


def kernel_l1(estimated: Field, true: Field, *, window: int = _WINDOW) -> Tensor:
    """Kernel L1 error: `sum |estimated - true|` over the taps, mean over the LR pixels.

    Args:
        estimated: `(B,441,h,w)` tensor or a kernel field.
        true: The same shape.
        window: Sites along each side of a window.

    Returns:
        `(B,)` float64, 0 for equal fields and 2 for kernels that do not overlap at all.
    """
    batch, height, width = _check(estimated, true)
    total = torch.zeros(batch, dtype=torch.float64)
    for mine, theirs in _windows(estimated, true, height, width, window):
        total += (mine - theirs).abs().flatten(1).sum(dim=1)
    return total / (height * width)


def best_constant_kernel(true: Field, *, window: int = _WINDOW) -> Tensor:
    """The one kernel that fits the whole true field best in L2: its mean over the LR pixels.

    No single kernel for the item has a lower MSE, hence none a higher `kernel_psnr`.

    Args:
        true: `(B,441,h,w)` tensor or a kernel field.
        window: Sites along each side of a window.

    Returns:
        `(B,441)` float64 on the CPU.
    """
    _, height, width = _size("true", true)
    total: Tensor | float = 0.0
    for rows, cols in _slices(height, width, window):
        total = total + _dense(true, rows, cols).sum(dim=(2, 3))
    return torch.as_tensor(total) / (height * width)


def _windows(
    first: Field, second: Field, height: int, width: int, window: int
) -> Iterator[tuple[Tensor, Tensor]]:
    for rows, cols in _slices(height, width, window):
        yield _dense(first, rows, cols), _dense(second, rows, cols)


def _slices(height: int, width: int, window: int) -> Iterator[tuple[slice, slice]]:
    for top in range(0, height, window):
        for left in range(0, width, window):
            yield (
                slice(top, min(top + window, height)),
                slice(left, min(left + window, width)),
            )


def _dense(field: Field, rows: slice, cols: slice) -> Tensor:
    dense = field[:, :, rows, cols] if isinstance(field, Tensor) else field.dense(rows, cols)
    return dense.detach().cpu().double()


def _size(name: str, field: Field) -> tuple[int, int, int]:
    if isinstance(field, Tensor):
        if field.ndim != 4:
            raise ShapeError(name, "(B,441,h,w)", tuple(field.shape))
        return field.shape[0], field.shape[2], field.shape[3]
    return field.batch, field.height, field.width


def _check(estimated: Field, true: Field) -> tuple[int, int, int]:
    size = _size("true", true)
    other = _size("estimated", estimated)
    if size != other:
        raise ShapeError("estimated", f"(items, rows, columns) {size} as the true field", other)
    return size
