"""The degradation operator `A` (blur by a kernel per LR pixel, then subsample) and its adjoint.

Only the LR pixels are evaluated, which is scale^2 cheaper than blurring at HR. How the sums are
made depends on the device: `tap_loop` on a CPU, `operator_triton` on CUDA, `unfolded` elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ShapeError
from . import tap_loop, unfolded
from .kernels import KERNEL_RADIUS, KERNEL_TAPS, check_scale


def window_length(lr_pixels: int, scale: int, block: int = 1) -> int:
    """HR pixels that the windows of so many neighbouring LR pixels cover.

    A multiple of `scale * block`; `lr_pixels` is one of `block`.
    """
    return scale * (lr_pixels + block * tap_loop.padding_blocks(scale, block))


def window_start(lr_pixel: int, scale: int) -> int:
    """First HR pixel of the window of LR pixel `lr_pixel` (negative at the border)."""
    return scale * lr_pixel + (scale - 1) // 2 - KERNEL_RADIUS


def reflect_indices(
    start: int, length: int, size: int, device: torch.device | None = None
) -> Tensor:
    """Indices of `start .. start+length-1` reflected into 0..size-1, edges not repeated.

    Works for any overhang, a 1-pixel picture included.
    """
    index = torch.arange(start, start + length, device=device)
    if size == 1:
        return torch.zeros_like(index)
    period = 2 * (size - 1)
    index = index.remainder(period)
    return torch.where(index >= size, period - index, index)


@lru_cache(maxsize=1)
def _has_triton() -> bool:
    from importlib.util import find_spec

    return find_spec("triton") is not None


def _sums(tensor: Tensor) -> ModuleType:
    """The module whose `gather` and `scatter` suit this tensor's device and dtype."""
    if tensor.device.type == "cpu":
        return tap_loop
    if tensor.device.type == "cuda" and tensor.dtype == torch.float32 and _has_triton():
        from . import operator_triton

        return operator_triton
    return unfolded


def gather_lr_pixels(padded: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """`A` on a picture that is already padded: `(B,C,s*(h-1+n),...)` to `(B,C,h,w)`."""
    return _sums(padded).gather(padded, kernels, scale)


def scatter_lr_pixels(lr_pixels: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """Adjoint of `gather_lr_pixels`: `(B,C,h,w)` to the padded size."""
    return _sums(lr_pixels).scatter(lr_pixels, kernels, scale)


def _kernel_gradient(padded: Tensor, grad: Tensor, scale: int) -> Tensor:
    sums = tap_loop if padded.device.type == "cpu" else unfolded
    return sums.kernel_gradient(padded, grad, scale)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, padded: Tensor, kernels: Tensor, scale: int) -> Tensor:  # noqa: ANN001
        ctx.save_for_backward(padded, kernels)
        ctx.scale = scale
        return gather_lr_pixels(padded, kernels, scale)

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx,  # noqa: ANN001
        grad: Tensor,
    ) -> tuple[Tensor | None, Tensor | None, None]:
        padded, kernels = ctx.saved_tensors
        grad = grad.contiguous()
        to_image = scatter_lr_pixels(grad, kernels, ctx.scale) if ctx.needs_input_grad[0] else None
        to_kernel = _kernel_gradient(padded, grad, ctx.scale) if ctx.needs_input_grad[1] else None
        return to_image, to_kernel, None


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx, lr_pixels: Tensor, kernels: Tensor, scale: int) -> Tensor:  # noqa: ANN001
        ctx.save_for_backward(lr_pixels, kernels)
        ctx.scale = scale
        return scatter_lr_pixels(lr_pixels, kernels, scale)

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx,  # noqa: ANN001
        grad: Tensor,
    ) -> tuple[Tensor | None, Tensor | None, None]:
        lr_pixels, kernels = ctx.saved_tensors
        grad = grad.contiguous()
        to_lr_pixels = (
            gather_lr_pixels(grad, kernels, ctx.scale) if ctx.needs_input_grad[0] else None
        )
        to_kernel = (
            _kernel_gradient(grad, lr_pixels, ctx.scale) if ctx.needs_input_grad[1] else None
        )
        return to_lr_pixels, to_kernel, None


def _check_kernels(kernels: Tensor, batch: int) -> None:
    if kernels.ndim != 4 or kernels.shape[1] != KERNEL_TAPS or kernels.shape[0] not in (1, batch):
        raise ShapeError("kernels", f"({batch},{KERNEL_TAPS},h,w)", kernels.shape)


def degrade(hr: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """Blur `hr` with one kernel per LR pixel and keep the LR pixels only (`y = A x`).

    Args:
        hr: `(B,C,H,W)`, any range.
        kernels: `(B,441,h,w)`, see `kernels.py`; `h*scale == H` and `w*scale == W`.
        scale: SR factor, 1..16.

    Returns:
        `(B,C,h,w)`. Reflect padding at the border. Differentiable in both arguments.

    Raises:
        ShapeError: when the sizes do not fit.
    """
    check_scale(scale)
    if hr.ndim != 4:
        raise ShapeError("hr", "(B,C,H,W)", hr.shape)
    _check_kernels(kernels, hr.shape[0])
    h, w = kernels.shape[-2:]
    if hr.shape[-2:] != (h * scale, w * scale):
        raise ShapeError("hr", f"(B,C,{h * scale},{w * scale}) at scale {scale}", hr.shape)
    return _Gather.apply(pad_window(hr, 0, h, 0, w, scale), kernels.to(hr.dtype), scale)


def degrade_separably(hr: Tensor, line: Tensor, scale: int) -> Tensor:
    """`degrade` with one kernel for the whole picture, the outer product of `line` with itself.

    The line may be longer than a kernel's window: wide resize filters fit no other way.

    Args:
        hr: `(B,C,H,W)`, sides multiples of `scale`.
        line: `(2 r + 1,)`, anchored as the windows of `kernels.py` are.
        scale: SR factor.

    Returns:
        `(B,C,H/scale,W/scale)`. Reflect padding at the border.
    """
    radius = len(line) // 2
    out = hr
    for dim in (-2, -1):
        lr_pixels = out.shape[dim] // scale
        start, length = (scale - 1) // 2 - radius, scale * (lr_pixels - 1) + len(line)
        index = reflect_indices(start, length, out.shape[dim], out.device)
        windows = out.index_select(dim, index).unfold(dim, len(line), scale)
        out = windows @ line.to(out)
    return out


def adjoint(lr: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """The exact adjoint of `degrade`: `<A x, y> == <x, A^T y>` for all x, y.

    Args:
        lr: `(B,C,h,w)`.
        kernels: `(B,441,h,w)`.
        scale: SR factor.

    Returns:
        `(B,C,h*scale,w*scale)`.
    """
    check_scale(scale)
    if lr.ndim != 4:
        raise ShapeError("lr", "(B,C,h,w)", lr.shape)
    _check_kernels(kernels, lr.shape[0])
    h, w = kernels.shape[-2:]
    if lr.shape[-2:] != (h, w):
        raise ShapeError("lr", f"(B,C,{h},{w})", lr.shape)
    padded = _Scatter.apply(lr, kernels.to(lr.dtype), scale)
    out = lr.new_zeros((*lr.shape[:2], h * scale, w * scale))
    return add_window(out, padded, 0, 0, scale)


@dataclass(frozen=True)
class _Place:
    """Where a window lies along one side of a canvas."""

    inside: slice
    """What it touches of the canvas."""
    before: int
    """How far it reaches beyond the canvas at its start..."""
    after: int
    """...and at its end."""

    @property
    def reflects_once(self) -> bool:
        """Whether what lies beyond is a reflection of what the window touches."""
        return max(self.before, self.after) < self.inside.stop - self.inside.start


def _place(first: int, length: int, scale: int, size: int) -> _Place:
    """The window of `length` for the LR pixels from `first` on, on a canvas of `size`."""
    start = window_start(first, scale)
    stop = start + length
    low, high = max(0, start), min(size, stop)
    return _Place(slice(low, high), low - start, stop - high)


@lru_cache(maxsize=256)
def _reach(
    first: int, length: int, scale: int, size: int, device: torch.device
) -> tuple[Tensor, int, int]:
    """Reflected indices of a window, relative to the span `low..high` of the canvas it touches."""
    with torch.inference_mode(False):  # kept, and perhaps used where a gradient is wanted
        index = reflect_indices(window_start(first, scale), length, size)
        low, high = int(index.min()), int(index.max()) + 1
        return (index - low).to(device), low, high


def pad_window(
    hr: Tensor, row: int, h: int, col: int, w: int, scale: int, block: int = 1
) -> Tensor:
    """The padded HR window that the LR pixels `row..row+h-1`, `col..col+w-1` look at."""
    rows = _place(row, window_length(h, scale, block), scale, hr.shape[-2])
    cols = _place(col, window_length(w, scale, block), scale, hr.shape[-1])
    part = hr[..., rows.inside, cols.inside]
    if rows.reflects_once and cols.reflects_once:
        return F.pad(part, (cols.before, cols.after, rows.before, rows.after), mode="reflect")
    # A margin that is longer than the picture is reflected more than once.
    (height, width), device = hr.shape[-2:], hr.device
    down, top, bottom = _reach(row, window_length(h, scale, block), scale, height, device)
    across, left, right = _reach(col, window_length(w, scale, block), scale, width, device)
    return hr[..., top:bottom, left:right].index_select(-2, down).index_select(-1, across)


def add_window(out: Tensor, padded: Tensor, row: int, col: int, scale: int) -> Tensor:
    """Adjoint of `pad_window`: add a padded window back onto the canvas `out`, reflecting.

    In place, unless a gradient is wanted.
    """
    (height, width), device = out.shape[-2:], out.device
    rows = _place(row, padded.shape[-2], scale, height)
    cols = _place(col, padded.shape[-1], scale, width)
    if rows.reflects_once and cols.reflects_once:
        (top, bottom), (left, right) = (
            (place.inside.start, place.inside.stop) for place in (rows, cols)
        )
        both = _folded(_folded(padded, -2, rows), -1, cols)
    else:
        down, top, bottom = _reach(row, padded.shape[-2], scale, height, device)
        across, left, right = _reach(col, padded.shape[-1], scale, width, device)
        tall = padded.new_zeros((*padded.shape[:2], bottom - top, padded.shape[-1]))
        tall = tall.index_add(-2, down, padded)
        both = padded.new_zeros((*tall.shape[:-1], right - left))
        both = both.index_add(-1, across, tall)
    if out.requires_grad or both.requires_grad:
        margins = (left, out.shape[-1] - right, top, out.shape[-2] - bottom)
        return out + F.pad(both, margins)
    out[..., top:bottom, left:right] += both
    return out


def _folded(padded: Tensor, dim: int, place: _Place) -> Tensor:
    """What lies in the picture, with the margins along one dimension reflected onto it."""
    before, after = place.before, place.after
    inside = padded.shape[dim] - before - after
    made = padded.narrow(dim, before, inside).clone()
    if before:
        made.narrow(dim, 1, before).add_(padded.narrow(dim, 0, before).flip(dim))
    if after:
        margin = padded.narrow(dim, before + inside, after).flip(dim)
        made.narrow(dim, inside - 1 - after, after).add_(margin)
    return made
