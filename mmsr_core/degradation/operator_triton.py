# pyright: reportArgumentType=false, reportIndexIssue=false
# (Triton's own annotations: a launch takes plain numbers where a kernel declares tl.constexpr.)
"""The degradation operator as one kernel launch on CUDA (Triton); the same sums as `operator.py`.

The tap loop of a CPU is 441 launches on a GPU, each of which moves the whole picture. Here every
output is summed in registers: kernels are read once, and the picture comes from the cache.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from .kernels import KERNEL_SIZE

_BLOCK = 128
"""LR pixels of a row that one program computes."""


@triton.jit
def _gather_kernel(
    padded: Any,
    kernels: Any,
    out: Any,
    height: Any,
    width: Any,
    padded_height: Any,
    padded_width: Any,
    batch_stride: Any,
    CHANNELS: tl.constexpr,  # noqa: N803
    SLOTS: tl.constexpr,  # noqa: N803
    SCALE: tl.constexpr,  # noqa: N803
    SIZE: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
) -> None:
    """Rows of LR pixels: the sum over the taps of kernel times picture."""
    col = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row = tl.program_id(1)
    item = tl.program_id(2).to(tl.int64)
    channel = tl.arange(0, SLOTS)
    inside = col < width
    both = (channel < CHANNELS)[:, None] & inside[None, :]
    plane = padded_height * padded_width
    pixels = padded + item * CHANNELS * plane + row * SCALE * padded_width
    pixels = pixels + channel[:, None] * plane + col[None, :] * SCALE
    weights = kernels + item * batch_stride + row * width + col
    step = tl.cast(height, tl.int64) * width
    total = tl.zeros((SLOTS, BLOCK), dtype=tl.float32)
    for tap_row in range(SIZE):
        for tap_col in range(SIZE):
            weight = tl.load(weights + (tap_row * SIZE + tap_col) * step, mask=inside, other=0.0)
            value = tl.load(pixels + tap_row * padded_width + tap_col, mask=both, other=0.0)
            total += weight[None, :] * value
    target = out + item * CHANNELS * step + channel[:, None] * step + row * width + col[None, :]
    tl.store(target, total, mask=both)


@triton.jit
def _scatter_kernel(
    lr_pixels: Any,
    kernels: Any,
    out: Any,
    height: Any,
    width: Any,
    wide: Any,
    padded_height: Any,
    padded_width: Any,
    batch_stride: Any,
    CHANNELS: tl.constexpr,  # noqa: N803
    SLOTS: tl.constexpr,  # noqa: N803
    SCALE: tl.constexpr,  # noqa: N803
    SIZE: tl.constexpr,  # noqa: N803
    REACH: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
) -> None:
    """Rows of one phase of the padded picture: the sum over the LR pixels that reach them."""
    col = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    line = tl.program_id(1)
    item = tl.program_id(2).to(tl.int64)
    phase_col = line % SCALE
    phase_row = (line // SCALE) % SCALE
    row = line // (SCALE * SCALE)
    channel = tl.arange(0, SLOTS)
    known = (channel < CHANNELS)[:, None]
    step = tl.cast(height, tl.int64) * width
    values = lr_pixels + item * CHANNELS * step + channel[:, None] * step
    weights = kernels + item * batch_stride
    total = tl.zeros((SLOTS, BLOCK), dtype=tl.float32)
    for back_row in range(REACH):
        tap_row = phase_row + SCALE * back_row + tl.zeros_like(col)
        y = row - back_row + tl.zeros_like(col)
        for back_col in range(REACH):
            tap_col = phase_col + SCALE * back_col + tl.zeros_like(col)
            x = col - back_col
            counts = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            counts = counts & (tap_row < SIZE) & (tap_col < SIZE)
            place = y * width + x
            tap = (tap_row * SIZE + tap_col) * step
            weight = tl.load(weights + tap + place, mask=counts, other=0.0)
            value = tl.load(values + place[None, :], mask=known & counts[None, :], other=0.0)
            total += weight[None, :] * value
    plane = padded_height * padded_width
    target = out + item * CHANNELS * plane + channel[:, None] * plane
    target = target + (row * SCALE + phase_row) * padded_width + col[None, :] * SCALE + phase_col
    tl.store(target, total, mask=known & (col < wide)[None, :])


def _kernel_stride(kernels: Tensor, batch: int) -> int:
    """Elements from one picture's kernels to the next one's; 0 where all share them."""
    return 0 if kernels.shape[0] == 1 and batch > 1 else int(kernels[0].numel())


def gather(padded: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """See `operator.gather_lr_pixels`; float32 alone."""
    padded, kernels = padded.contiguous(), kernels.contiguous()
    batch, channels, padded_height, padded_width = padded.shape
    height, width = kernels.shape[-2:]
    out = padded.new_empty((batch, channels, height, width))
    grid = (triton.cdiv(width, _BLOCK), height, batch)
    _gather_kernel[grid](
        padded,
        kernels,
        out,
        height,
        width,
        padded_height,
        padded_width,
        _kernel_stride(kernels, batch),
        CHANNELS=channels,
        SLOTS=triton.next_power_of_2(channels),
        SCALE=scale,
        SIZE=KERNEL_SIZE,
        BLOCK=_BLOCK,
    )
    return out


def scatter(lr_pixels: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """See `operator.scatter_lr_pixels`; float32 alone."""
    lr_pixels, kernels = lr_pixels.contiguous(), kernels.contiguous()
    batch, channels, height, width = lr_pixels.shape
    reach = -(-KERNEL_SIZE // scale)
    tall, wide = height + reach - 1, width + reach - 1
    out = lr_pixels.new_empty((batch, channels, tall * scale, wide * scale))
    grid = (triton.cdiv(wide, _BLOCK), tall * scale * scale, batch)
    _scatter_kernel[grid](
        lr_pixels,
        kernels,
        out,
        height,
        width,
        wide,
        tall * scale,
        wide * scale,
        _kernel_stride(kernels, batch),
        CHANNELS=channels,
        SLOTS=triton.next_power_of_2(channels),
        SCALE=scale,
        SIZE=KERNEL_SIZE,
        REACH=reach,
        BLOCK=_BLOCK,
    )
    return out
