"""The sums of the degradation operator on a CPU: one multiply-add of a whole window for each tap.

Nothing is unfolded: the padded picture is split into its phases once, and every tap is then a
contiguous multiply-add of a slice as large as the kernel map (8 times faster than `unfold` there).
Where a block of LR pixels shares one kernel, the kernel map has one entry a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .kernels import KERNEL_SIZE, KERNEL_TAPS

ALL_TAPS = range(KERNEL_TAPS)


def _phases(padded: Tensor, step: int) -> Tensor:
    """`(B,C,step*H,step*W)` to `(step,step,B,C,H,W)`, contiguous."""
    b, c, height, width = padded.shape
    split = padded.reshape(b, c, height // step, step, width // step, step)
    return split.permute(3, 5, 0, 1, 2, 4).contiguous()


def _planes(phases: Tensor) -> list[tuple[Tensor, ...]]:
    """Views of all phases `(B,C,H,W)`, made once: thousands of multiply-adds follow."""
    return [row.unbind(0) for row in phases.unbind(0)]


def _window(plane: Tensor, top: int, left: int, h: int, w: int) -> Tensor:
    """`plane[..., top : top + h, left : left + w]` of a contiguous plane, at half the cost."""
    strides = plane.stride()
    start = plane.storage_offset() + top * strides[2] + left
    return plane.as_strided((*plane.shape[:2], h, w), strides, start)


def _joined(phases: Tensor) -> Tensor:
    """The inverse of `_phases`."""
    step, _, b, c, height, width = phases.shape
    return phases.permute(2, 3, 4, 0, 5, 1).reshape(b, c, height * step, width * step)


def _places(
    taps: Sequence[int], scale: int, block: int
) -> Iterator[tuple[int, int, int, int, int, int, int]]:
    """Every multiply-add: index of the tap, LR pixel of the block, phase, and offset in blocks."""
    step = scale * block
    for index, tap in enumerate(taps):
        i, j = divmod(tap, KERNEL_SIZE)
        for row in range(block):
            shift_row, phase_row = divmod(scale * row + i, step)
            for col in range(block):
                shift_col, phase_col = divmod(scale * col + j, step)
                yield index, row, col, phase_row, phase_col, shift_row, shift_col


def gather(
    padded: Tensor, kernels: Tensor, scale: int, taps: Sequence[int] = ALL_TAPS, block: int = 1
) -> Tensor:
    """`A` on a picture that is already padded.

    Args:
        padded: `(B,C,H,W)`, sides multiples of `scale * block`.
        kernels: `(B or 1,T,h,w)`, one for each block of LR pixels.
        scale: SR factor.
        taps: which taps of a kernel the T entries are.
        block: LR pixels a side that share a kernel.

    Returns:
        `(B,C,h*block,w*block)`.
    """
    h, w = kernels.shape[-2:]
    sources = _planes(_phases(padded, scale * block))
    out = padded.new_zeros((block, block, *padded.shape[:2], h, w))
    targets, values = _planes(out), kernels.unsqueeze(2).unbind(1)
    for index, row, col, pi, pj, oi, oj in _places(taps, scale, block):
        targets[row][col].addcmul_(_window(sources[pi][pj], oi, oj, h, w), values[index])
    return _joined(out)


def scatter(
    lr_pixels: Tensor, kernels: Tensor, scale: int, taps: Sequence[int] = ALL_TAPS, block: int = 1
) -> Tensor:
    """Adjoint of `gather`: `(B,C,h*block,w*block)` to the padded size."""
    h, w = kernels.shape[-2:]
    step, extra = scale * block, padding_blocks(scale, block)
    sources, values = _planes(_phases(lr_pixels, block)), kernels.unsqueeze(2).unbind(1)
    out = lr_pixels.new_zeros((step, step, *lr_pixels.shape[:2], h + extra, w + extra))
    targets = _planes(out)
    for index, row, col, pi, pj, oi, oj in _places(taps, scale, block):
        target = _window(targets[pi][pj], oi, oj, h, w)
        target.addcmul_(sources[row][col], values[index])
    return _joined(out)


def padding_blocks(scale: int, block: int = 1) -> int:
    """Blocks by which the windows of a row of blocks are longer than the row."""
    return (scale * (block - 1) + KERNEL_SIZE - 1) // (scale * block)


def kernel_gradient(padded: Tensor, grad: Tensor, scale: int) -> Tensor:
    """Gradient of `gather` in the kernels, `(B,441,h,w)`, from the one in its result."""
    h, w = grad.shape[-2:]
    phases = _phases(padded, scale)
    slices = [
        (phases[pi, pj, :, :, oi : oi + h, oj : oj + w] * grad).sum(1)
        for _, _, _, pi, pj, oi, oj in _places(ALL_TAPS, scale, 1)
    ]
    return torch.stack(slices, 1)
