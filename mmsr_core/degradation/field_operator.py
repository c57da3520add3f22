"""`A` and its adjoint for a whole canvas, window by window, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ShapeError
from ..precision import as_float64
from . import tap_loop
from .field import KernelField
from .kernels import KERNEL_TAPS
from .operator import add_window, gather_lr_pixels, pad_window, scatter_lr_pixels

NEGLIGIBLE = 2e-3
"""Values below this share of a kernel's greatest. In a kernel that was made of codes they are the
codes' own error, and most taps hold nothing else: such kernels are used without them. Dense ones
are used as they are. Up to `_WHOLE` times as much a value fades: a hard limit would turn the last
digit of a code into a visible difference."""
_WHOLE = 1.5
_WINDOWS = {"cuda": 256}
_WINDOW, _WINDOW_OF_BLOCKS = 128, 256
"""Side of a window, in kernels: by device, else by whether a block of pixels has one kernel, which
it has on a CPU. There are fewer kernels then, and fewer taps: larger windows still fit the cache,
and a third of the time goes into starting multiply-adds where they are small."""
FEW_BLOCKS = 8192
"""Blocks of a field below which a third of the time would go into starting multiply-adds of their
few values: kernels are spread over the LR pixels then."""
_AT_A_TIME = 1 << 18
"""Values of kernels that are made at a time: a CPU core's cache holds them."""
_KEPT_BYTES = {"cpu": 256 << 20, "mps": 256 << 20, "cuda": 4 << 30}
"""Memory for kernels that are kept from one pass to the next; of a GPU, a quarter of what is free
at most."""

Callback = Callable[[], None]
"""Called after every window. It may raise, to end a long computation."""


def no_callback() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class _Window:
    """Some blocks of LR pixels, and their kernels."""

    row: int
    """First LR pixel."""
    col: int
    kernels: Tensor
    """`(B,T,h,w)`, one for each block."""
    taps: Sequence[int]
    """The taps in use; all of them but on a CPU."""


class FieldOperator:
    """The degradation operator `A` of a kernel field.

    Dense kernels exist for one window at a time, or are kept as far as memory allows. The result
    does not depend on the windows.
    """

    def __init__(self, field: KernelField, window: int | None = None) -> None:
        """Args: the kernels; side of a window in kernels, chosen for the device by default."""
        self.field = field
        self.scale = field.scale
        device = field.data.device
        self._block = field.block if self._fills_windows() else 1
        usual = _WINDOW if self._block == 1 else _WINDOW_OF_BLOCKS
        self._side = (window or _WINDOWS.get(device.type, usual)) * self._block
        self._room = _KEPT_BYTES.get(device.type, 0)
        if device.type == "cuda":
            self._room = min(self._room, torch.cuda.mem_get_info(device)[0] // 4)
        self._kept: dict[tuple[int, int], _Window] = {}
        self._taps: dict[tuple[int, int], Tensor] = {}
        self._scratch = torch.empty(0)

    def _fills_windows(self) -> bool:
        """Whether there are enough blocks to multiply them as such, see `FEW_BLOCKS`.

        Off the CPU they never are: those operators know no blocks.
        """
        data = self.field.data
        return data.device.type == "cpu" and data[0, 0].numel() >= FEW_BLOCKS

    def degrade(self, hr: Tensor, callback: Callback = no_callback) -> Tensor:
        """`A hr`: `(B,C,H,W)` to `(B,C,h,w)`."""
        field, scale, block = self.field, self.scale, self._block
        expected = (field.height * scale, field.width * scale)
        if hr.ndim != 4 or hr.shape[-2:] != expected:
            raise ShapeError("hr", f"(B,C,{expected[0]},{expected[1]})", hr.shape)
        out = hr.new_empty((*hr.shape[:2], field.height, field.width))
        for window in self._windows():
            h, w = (side * block for side in window.kernels.shape[-2:])
            padded = pad_window(hr, window.row, h, window.col, w, scale, block)
            if hr.device.type == "cpu":
                made = tap_loop.gather(padded, window.kernels, scale, window.taps, block)
            else:
                made = gather_lr_pixels(padded, window.kernels, scale)
            target = out[..., window.row : window.row + h, window.col : window.col + w]
            target.copy_(made[..., : target.shape[-2], : target.shape[-1]])
            callback()
        return out

    def add_adjoint(self, canvas: Tensor, lr: Tensor, callback: Callback = no_callback) -> Tensor:
        """`canvas += A^T lr`, in place; returns the canvas."""
        scale, block = self.scale, self._block
        for window in self._windows():
            h, w = (side * block for side in window.kernels.shape[-2:])
            part = lr[..., window.row : window.row + h, window.col : window.col + w]
            bottom, right = h - part.shape[-2], w - part.shape[-1]
            part = F.pad(part, (0, right, 0, bottom)).contiguous()  # blocks over the border
            if lr.device.type == "cpu":
                made = tap_loop.scatter(part, window.kernels, scale, window.taps, block)
            else:
                made = scatter_lr_pixels(part, window.kernels, scale)
            add_window(canvas, made, window.row, window.col, scale)
            callback()
        return canvas

    @cached_property
    def row_sums(self) -> Tensor:
        """`D = A A^T 1`, `(B,1,h,w)`, always positive: what one SART step divides by."""
        field = self.field
        ones = torch.ones((field.batch, 1, field.height, field.width), device=field.data.device)
        total = ones.new_zeros(
            (field.batch, 1, field.height * self.scale, field.width * self.scale)
        )
        return self.degrade(self.add_adjoint(total, ones))

    def _windows(self) -> Iterator[_Window]:
        for row in range(0, self.field.height, self._side):
            for col in range(0, self.field.width, self._side):
                window = self._kept.get((row, col))
                if window is None:
                    window = self._make(row, col)
                    if self._keeps(window.kernels.numel()):
                        self._kept[row, col] = window
                yield window

    def _keeps(self, values: int) -> bool:
        """Whether windows are kept: all of them, where there is room for as many of this size."""
        count = -(-self.field.height // self._side) * -(-self.field.width // self._side)
        return count * values * torch.float32.itemsize <= self._room

    def _make(self, row: int, col: int) -> _Window:
        """A window's kernels. On a CPU those that are not kept last until the next are made."""
        field, side = self.field, self._side
        rows = slice(row, min(row + side, field.height))
        cols = slice(col, min(col + side, field.width))
        if field.data.device.type != "cpu":
            kernels = field.dense(rows, cols)
            kernels = kernels if field.basis is None else cut_negligible(kernels)
            return _Window(row, col, kernels, tap_loop.ALL_TAPS)
        taps = self._taps.get((row, col))
        if taps is None:
            kernels = self._values(rows, cols, torch.arange(KERNEL_TAPS))
            taps = self._taps[row, col] = kernels.amax((0, 2, 3)).nonzero().flatten()
            if self._keeps(kernels[:, 0].numel() * len(taps)):
                return _Window(row, col, self._spread(kernels[:, taps], rows, cols), taps.tolist())
        # Made anew for every pass with these taps alone, always in the same way.
        kernels = self._spread(self._values(rows, cols, taps), rows, cols)
        return _Window(row, col, kernels, taps.tolist())

    def _spread(self, kernels: Tensor, rows: slice, cols: slice) -> Tensor:
        return self.field.spread(kernels, rows, cols) if self._block == 1 else kernels

    def _values(self, rows: slice, cols: slice, taps: Tensor) -> Tensor:
        """Values `(B,T,h'',w'')` of some taps, which hold all, in the scratch memory."""
        field = self.field
        if field.basis is None:
            part = field.dense(rows, cols)
            out = self._scratch_of(field.batch, len(taps), *part.shape[-2:])
            return torch.index_select(part, 1, taps, out=out)
        codes = field.block_codes(rows, cols)
        out = self._scratch_of(field.batch, len(taps), *codes.shape[-2:])
        at_a_time = max(1, _AT_A_TIME // (len(taps) * codes.shape[-1]))
        for some, target in zip(codes.split(at_a_time, 2), out.split(at_a_time, 2), strict=True):
            target.copy_(_cut_in_place(field.basis.combine(some, taps)))
        return out

    def _scratch_of(self, *shape: int) -> Tensor:
        size = math.prod(shape)
        if self._scratch.numel() < size:
            with torch.inference_mode(False):  # it may be written to outside that mode later
                self._scratch = torch.empty(size, device=self.field.data.device)
        return self._scratch[:size].view(shape)


def cut_negligible(kernels: Tensor) -> Tensor:
    """`kernels (B,T,h,w)` with negligible values set to 0, and the sums put back to 1."""
    return _cut_in_place(kernels.clone())


def _cut_in_place(kernels: Tensor) -> Tensor:
    """The same in place. Values may be negative, and a sum a little off 1."""
    least = NEGLIGIBLE * kernels.amax(1, keepdim=True)
    kernels.mul_((kernels / least).sub_(1).mul_(1 / (_WHOLE - 1)).clamp_(0, 1))
    return kernels.div_(kernels.sum(1, keepdim=True))


Kernels = KernelField | FieldOperator
"""What the functions on canvases take: an operator where more than one pass follows."""


def as_operator(kernels: Kernels) -> FieldOperator:
    """The operator of a kernel field."""
    return kernels if isinstance(kernels, FieldOperator) else FieldOperator(kernels)


def degrade_canvas(hr: Tensor, kernels: Kernels, callback: Callback = no_callback) -> Tensor:
    """`A hr` in bounded memory: `(B,C,H,W)` to `(B,C,h,w)`."""
    return as_operator(kernels).degrade(hr, callback)


def consistency_db(canvas: Tensor, lr: Tensor, kernels: Kernels) -> Tensor:
    """PSNR of `A canvas` against `lr`, all channels, peak 1, not rounded.

    Returns:
        `(B,)` float64 on the CPU, dB; infinite when they agree exactly.
    """
    return decibels(as_float64(degrade_canvas(canvas, kernels)) - as_float64(lr))


def decibels(difference: Tensor) -> Tensor:
    """PSNR `(B,)` of two pictures `(B,C,h,w)` with this difference, peak 1, float64 on the CPU."""
    return -10 * torch.log10(as_float64(difference).square().mean((1, 2, 3))).cpu()
