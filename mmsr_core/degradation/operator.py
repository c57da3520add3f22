"""The degradation operator `A` (blur by a kernel per LR pixel, then subsample) and its adjoint.

Only the LR pixels are evaluated, which is scale^2 cheaper than blurring at HR. `A` never builds an
unfolded image: the padded picture is split into its scale^2 phases once, and each of the 441 taps
is then a contiguous multiply-add of an LR-sized slice (8 times faster than `unfold` on a CPU).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ..errors import ShapeError
from .kernels import KERNEL_RADIUS, KERNEL_SIZE, KERNEL_TAPS, check_scale


@lru_cache(maxsize=8)
def _taps(scale: int) -> tuple[tuple[int, int, int, int], ...]:
    """For each tap: its phase (row, column) and its offset in LR pixels (row, column)."""
    span = range(KERNEL_SIZE)
    return tuple((i % scale, j % scale, i // scale, j // scale) for i in span for j in span)


def window_length(lr_pixels: int, scale: int) -> int:
    """HR pixels that the windows of so many neighbouring LR pixels cover, a multiple of scale."""
    return scale * (lr_pixels - 1 + -(-KERNEL_SIZE // scale))


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


def _phases(padded: Tensor, scale: int) -> Tensor:
    """`(B,C,s*H,s*W)` to `(s,s,B,C,H,W)`, contiguous."""
    b, c, height, width = padded.shape
    split = padded.reshape(b, c, height // scale, scale, width // scale, scale)
    return split.permute(3, 5, 0, 1, 2, 4).contiguous()


def gather_lr_pixels(padded: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """`A` on a picture that is already padded: `(B,C,s*(h-1+n),...)` to `(B,C,h,w)`."""
    h, w = kernels.shape[-2:]
    phases = _phases(padded, scale)
    out = torch.zeros((*padded.shape[:2], h, w), dtype=padded.dtype, device=padded.device)
    for tap, (pi, pj, oi, oj) in enumerate(_taps(scale)):
        out.addcmul_(phases[pi, pj][..., oi : oi + h, oj : oj + w], kernels[:, tap : tap + 1])
    return out


def scatter_lr_pixels(lr_pixels: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """Adjoint of `gather_lr_pixels`: `(B,C,h,w)` to the padded size."""
    b, c, h, w = lr_pixels.shape
    extra = -(-KERNEL_SIZE // scale) - 1
    phases = lr_pixels.new_zeros((scale, scale, b, c, h + extra, w + extra))
    for tap, (pi, pj, oi, oj) in enumerate(_taps(scale)):
        phases[pi, pj][..., oi : oi + h, oj : oj + w].addcmul_(lr_pixels, kernels[:, tap : tap + 1])
    joined = phases.permute(2, 3, 4, 0, 5, 1)
    return joined.reshape(b, c, (h + extra) * scale, (w + extra) * scale)


def _kernel_gradient(padded: Tensor, grad: Tensor, scale: int) -> Tensor:
    h, w = grad.shape[-2:]
    phases = _phases(padded, scale)
    slices = [
        (phases[pi, pj][..., oi : oi + h, oj : oj + w] * grad).sum(1)
        for pi, pj, oi, oj in _taps(scale)
    ]
    return torch.stack(slices, 1)


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


def _reach(first: int, length: int, scale: int, size: int) -> tuple[Tensor, int, int]:
    """Reflected indices of a window, relative to the span `low..high` of the canvas it touches."""
    index = reflect_indices(window_start(first, scale), length, size)
    low, high = int(index.min()), int(index.max()) + 1
    return index - low, low, high


def pad_window(hr: Tensor, row: int, h: int, col: int, w: int, scale: int) -> Tensor:
    """The padded HR window that the LR pixels `row..row+h-1`, `col..col+w-1` look at."""
    rows, top, bottom = _reach(row, window_length(h, scale), scale, hr.shape[-2])
    cols, left, right = _reach(col, window_length(w, scale), scale, hr.shape[-1])
    part = hr[..., top:bottom, left:right].index_select(-2, rows.to(hr.device))
    return part.index_select(-1, cols.to(hr.device))


def add_window(out: Tensor, padded: Tensor, row: int, col: int, scale: int) -> Tensor:
    """Adjoint of `pad_window`: add a padded window back onto the canvas `out`, reflecting.

    In place, unless a gradient is wanted.
    """
    rows, top, bottom = _reach(row, padded.shape[-2], scale, out.shape[-2])
    cols, left, right = _reach(col, padded.shape[-1], scale, out.shape[-1])
    tall = padded.new_zeros((*padded.shape[:2], bottom - top, padded.shape[-1]))
    tall = tall.index_add(-2, rows.to(out.device), padded)
    both = padded.new_zeros((*tall.shape[:-1], right - left))
    both = both.index_add(-1, cols.to(out.device), tall)
    if out.requires_grad or both.requires_grad:
        margins = (left, out.shape[-1] - right, top, out.shape[-2] - bottom)
        return out + torch.nn.functional.pad(both, margins)
    out[..., top:bottom, left:right] += both
    return out
