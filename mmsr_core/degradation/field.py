"""`KernelField`: one blur kernel for every LR pixel, stored densely or as PCA codes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ImageFileError, InputError, KernelFileError, ShapeError
from ..image import atomic_path
from ..types import MAX_SHARPENING, SHARPENING_RADII_PX
from .basis import KernelBasis
from .kernels import KERNEL_TAPS, check_scale, window_offsets_px
from .sharpening import Sharpening

_WINDOW = 128  # LR pixels a side when a whole field is walked through


@dataclass(frozen=True)
class KernelMoments:
    """Second moments of a kernel field: the ellipse of the blur at every LR pixel."""

    blur_sigma_px: Tensor
    """`(B,2,h,w)` standard deviation along the major and the minor axis, HR px."""
    angle_rad: Tensor
    """`(B,h,w)` angle of the major axis from x towards y, radians, -pi/2..pi/2."""
    centre_px: Tensor
    """`(B,2,h,w)` (x, y) displacement of the centre of mass from the LR pixel's centre, HR px."""


class KernelField:
    """Blur kernels `(B,441,h,w)`, one 21x21 kernel per LR pixel: non-negative, summing to 1.

    A dense field of 1500x1000 LR pixels is 2.6 GB, so a field may be stored as PCA codes
    (`from_codes`), and dense kernels are made for a window at a time. One code may serve
    a block of LR pixels.
    """

    def __init__(
        self,
        data: Tensor,
        scale: int,
        basis: KernelBasis | None,
        *,
        block: int = 1,
        size: tuple[int, int] | None = None,
        checked: bool = False,
    ) -> None:
        """Use `from_dense` or `from_codes`."""
        self.scale = check_scale(scale)
        self.data = data
        self.basis = basis
        self.block = block
        self.batch = data.shape[0]
        self.height, self.width = size or (int(data.shape[-2]), int(data.shape[-1]))
        if not checked:
            self._check()

    @classmethod
    def from_dense(cls, kernels: Tensor, scale: int) -> KernelField:
        """Wrap dense kernels.

        Args:
            kernels: `(B,441,h,w)`, finite, at least 0, summing to 1 within 1e-3.
            scale: SR factor the kernels are meant for.

        Raises:
            ShapeError: wrong shape.
            InputError: negative, not finite, or not summing to 1.
        """
        if kernels.ndim != 4 or kernels.shape[1] != KERNEL_TAPS:
            raise ShapeError("kernel_field", f"(B,{KERNEL_TAPS},h,w)", kernels.shape)
        return cls(kernels, scale, None)

    @classmethod
    def from_codes(
        cls,
        codes: Tensor,
        scale: int,
        basis: KernelBasis,
        *,
        block: int = 1,
        size: tuple[int, int] | None = None,
    ) -> KernelField:
        """Wrap PCA codes `(B,R,h,w)` of `basis`.

        Args:
            codes: one for each block of LR pixels.
            scale: SR factor the kernels are meant for.
            basis: what the codes refer to.
            block: LR pixels along each side of a block that share a code.
            size: (rows, columns) of LR pixels; by default as many as the blocks hold.
        """
        if codes.ndim != 4 or codes.shape[1] != basis.rank:
            raise ShapeError("codes", f"(B,{basis.rank},h,w)", codes.shape)
        size = size or (codes.shape[-2] * block, codes.shape[-1] * block)
        needed = tuple(-(-v // block) for v in size)
        if tuple(codes.shape[-2:]) != needed:
            expected = f"(B,{basis.rank},{needed[0]},{needed[1]}) for {size} LR pixels in blocks"
            raise ShapeError("codes", expected, codes.shape)
        return cls(codes, scale, basis, block=block, size=size, checked=True)

    def _check(self) -> None:
        for rows, cols in self._spans():
            part = self.data[..., rows, cols].float()  # as given: `dense` would mend the sum
            if not torch.isfinite(part).all():
                raise InputError("kernel_field holds NaN or infinite values.")
            low = float(part.min())
            if low < -1e-6:
                raise InputError(
                    f"kernel_field must not be negative, but has a value of {low:.3g}."
                )
            worst = float((part.sum(1) - 1).abs().max())
            if worst > 1e-3:
                raise InputError(
                    f"Every kernel must sum to 1 (within 0.001), but one is off by {worst:.3g}."
                )

    def dense(self, rows: slice | None = None, cols: slice | None = None) -> Tensor:
        """Kernels `(B,441,h',w')`, float32, of a window of LR pixels (by default all)."""
        rows, cols = rows or slice(None), cols or slice(None)
        if self.basis is not None:
            return self.spread(self._decoded(rows, cols), rows, cols)
        part = self.data[..., rows, cols].float()
        # Rounding to fp16 in a file moves the sum of a kernel by up to 1e-3: put it back to 1.
        return part / part.sum(1, keepdim=True) if self.data.dtype == torch.float16 else part

    def _decoded(self, rows: slice, cols: slice) -> Tensor:
        """Kernels of the blocks that a window of LR pixels touches."""
        assert self.basis is not None
        return self.basis.decode(self.block_codes(rows, cols))

    def block_codes(self, rows: slice, cols: slice) -> Tensor:
        """Codes `(B,R,h'',w'')`, float32, of the blocks that a window of LR pixels touches."""
        down, across = self._blocks(rows, cols)
        return self.data[..., down, across].float()

    def _blocks(self, rows: slice, cols: slice) -> tuple[slice, slice]:
        """The blocks that a window of LR pixels touches."""
        spans = []
        for span, length in ((rows, self.height), (cols, self.width)):
            start, stop, _ = span.indices(length)
            spans.append(slice(start // self.block, -(-stop // self.block)))
        return spans[0], spans[1]

    def spread(self, made: Tensor, rows: slice, cols: slice) -> Tensor:
        """Repeat what was made for each block that a window touches over the window's LR pixels.

        Args:
            made: `(B,T,h'',w'')`, see `block_codes`.
            rows: LR pixels of the window.
            cols: LR pixels of the window.

        Returns:
            `(B,T,h',w')`.
        """
        block = self.block
        if block == 1:
            return made
        *lead, h, w = made.shape
        wide = made[..., None, :, None].expand(*lead, h, block, w, block)
        wide = wide.reshape(*lead, h * block, w * block)
        for dim, span, length in ((-2, rows, self.height), (-1, cols, self.width)):
            start, stop, _ = span.indices(length)
            wide = wide.narrow(dim, start % block, stop - start)
        return wide

    def codes(self, basis: KernelBasis, rank: int | None = None) -> Tensor:
        """PCA codes `(B,rank,h,w)` in `basis` at every LR pixel, computed window by window.

        Codes of the same basis are handed out as they are stored: one for each block.
        """
        if basis.shares_codes(self.basis):
            return self.data[:, :rank]
        shape = (self.batch, rank or basis.rank, self.height, self.width)
        out = self.data.new_empty(shape, dtype=torch.float32)
        for rows, cols, part in self.windows():
            out[..., rows, cols] = basis.encode(part, rank)
        return out

    def windows(self, size: int = _WINDOW) -> Iterator[tuple[slice, slice, Tensor]]:
        """Walk over the field: (rows, columns, dense kernels) of windows of at most `size`."""
        for rows, cols in self._spans(size):
            yield rows, cols, self.dense(rows, cols)

    def _spans(self, size: int = _WINDOW) -> Iterator[tuple[slice, slice]]:
        for top in range(0, self.height, size):
            for left in range(0, self.width, size):
                rows = slice(top, min(top + size, self.height))
                yield rows, slice(left, min(left + size, self.width))

    def to(self, device: torch.device | str) -> KernelField:
        """The same field on `device`."""
        if self.data.device == torch.device(device):
            return self
        basis = None if self.basis is None else self.basis.to(device)
        return self.stored_as(self.data.to(device), basis)

    def stored_as(self, data: Tensor, basis: KernelBasis | None) -> KernelField:
        """A field of the same LR pixels and blocks with other contents."""
        size = (self.height, self.width)
        return KernelField(data, self.scale, basis, block=self.block, size=size, checked=True)

    def item(self, index: int) -> KernelField:
        """The field of one picture of the batch."""
        return self.stored_as(self.data[index : index + 1], self.basis)

    def blend(self, other: KernelField, weight: float) -> KernelField:
        """`weight * self + (1 - weight) * other`; codes are blended where both share a basis."""
        if (self.height, self.width, self.scale) != (other.height, other.width, other.scale):
            raise InputError("Kernel fields of different size or scale cannot be blended.")
        shared = self.basis is not None and self.basis.shares_codes(other.basis)
        if not shared or self.block != other.block:
            data = weight * self.dense() + (1 - weight) * other.dense()
            return KernelField(data, self.scale, None, checked=True)
        return self.stored_as(weight * self.data + (1 - weight) * other.data, self.basis)

    def moments(self) -> KernelMoments:
        """Width, direction and displacement of every kernel, computed window by window, once."""
        return self._moments

    @cached_property
    def _moments(self) -> KernelMoments:
        x, y = window_offsets_px(self.scale, self.data.device)
        powers = torch.stack((x, y, x * x, y * y, x * y))
        shape = (self.batch, 5, *self.data.shape[-2:])
        out = self.data.new_empty(shape, dtype=torch.float32)
        for rows, cols in self._spans(_WINDOW * self.block):
            part = self.dense(rows, cols) if self.basis is None else self._decoded(rows, cols)
            down, across = self._blocks(rows, cols)
            out[..., down, across] = torch.einsum("pk,bkhw->bphw", powers, part.float())
        out = self.spread(out, slice(None), slice(None))
        mx, my, xx, yy, xy = out.unbind(1)
        xx, yy, xy = xx - mx * mx, yy - my * my, xy - mx * my
        mid, half = (xx + yy) / 2, torch.sqrt(((xx - yy) / 2) ** 2 + xy**2)
        sigma = torch.stack((mid + half, mid - half), 1).clamp_min(0).sqrt()
        return KernelMoments(sigma, 0.5 * torch.atan2(2 * xy, xx - yy), torch.stack((mx, my), 1))

    def save(self, path: str | Path, sharpening: Sharpening | None = None) -> None:
        """Write a safetensors file: `kernel_field (441,h,w)` float16, metadata `scale`.

        Written beside its place first and then moved, so no half file is left.

        Args:
            path: the file.
            sharpening: what was taken back before the blur was measured; see `read_sharpening`.
                None where it was not looked for.

        Raises:
            KernelFileError: more than one picture in the batch, or the place is not writable.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        if self.batch != 1:
            raise KernelFileError(f"A kernel file holds one picture; this field has {self.batch}.")
        kernels = torch.empty((KERNEL_TAPS, self.height, self.width), dtype=torch.float16)
        for rows, cols, part in self.windows():
            kernels[:, rows, cols] = part[0].half().cpu()
        try:
            with atomic_path(path) as partial:
                meta = {"scale": str(self.scale), "format": "mmsr"}
                if sharpening is not None:
                    meta["sharpening"] = f"{float(sharpening.amount[0]):.6g}"
                    meta["sharpening_radius_px"] = f"{float(sharpening.radius_px[0]):.6g}"
                save_file({"kernel_field": kernels}, str(partial), metadata=meta)
        except (ImageFileError, SafetensorError) as error:
            raise KernelFileError(f"The kernel file {path} cannot be written: {error}") from None

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> KernelField:
        """Read what `save` writes.

        Raises:
            KernelFileError: missing or malformed file, wrong shape, NaN, negative, wrong sum.
        """
        target = Path(path)
        with _opened(target, device) as handle:
            meta = handle.metadata() or {}
            names = list(handle.keys())
            if "kernel_field" not in names:
                found = ", ".join(names) or "nothing"
                raise KernelFileError(f"{target} has no tensor 'kernel_field' (found {found}).")
            kernels = handle.get_tensor("kernel_field")
        try:
            scale = check_scale(int(meta.get("scale", "")))
        except ValueError:
            raise KernelFileError(
                f"{target}: the metadata must name a 'scale' from 1 to 16, "
                f"but has {meta.get('scale')!r}."
            ) from None
        if kernels.ndim != 3 or kernels.shape[0] != KERNEL_TAPS or 0 in kernels.shape:
            shape = tuple(kernels.shape)
            raise KernelFileError(
                f"{target}: kernel_field must have shape ({KERNEL_TAPS},h,w), but has {shape}."
            )
        if kernels.dtype != torch.float16:  # as small as the file, or float32: MPS has no float64
            kernels = kernels.float()
        try:
            return cls.from_dense(kernels[None], scale)
        except InputError as error:
            raise KernelFileError(f"{target}: {error}") from None


def read_sharpening(path: str | Path) -> Sharpening | None:
    """The sharpening that belongs to a kernel file; None where it says nothing of it.

    Raises:
        KernelFileError: missing or malformed file, or numbers that are no sharpening.
    """
    with _opened(Path(path), "cpu") as handle:
        meta = handle.metadata() or {}
    if "sharpening" not in meta:
        return None
    amount = _number(path, meta, "sharpening", 0, MAX_SHARPENING)
    if "sharpening_radius_px" not in meta:
        return Sharpening.of(amount)
    radius = _number(path, meta, "sharpening_radius_px", *SHARPENING_RADII_PX)
    return Sharpening.of(amount, radius)


def _number(path: str | Path, meta: dict[str, str], name: str, low: float, high: float) -> float:
    try:
        value = float(meta[name])
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise KernelFileError(
            f"{path}: {name!r} in the metadata must be a number from {low:g} to {high:g}, but is "
            f"{meta[name]!r}. Measure the blur again, or leave it out."
        )
    return value


@contextmanager
def _opened(path: Path, device: str) -> Iterator[Any]:
    """A safetensors file; what is wrong with it is a `KernelFileError`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt", device=device) as handle:
            yield handle
    except (OSError, SafetensorError) as error:
        raise KernelFileError(f"{path} is not a readable kernel file: {error}.") from None


def constant_kernel_field(kernel: Tensor, height: int, width: int, scale: int) -> KernelField:
    """The same kernel at every LR pixel.

    Args:
        kernel: `(441,)`, `(B,441)` or `(B,21,21)`, at least 0, summing to 1.
        height: LR pixels down.
        width: LR pixels across.
        scale: SR factor.
    """
    flat = kernel.reshape(-1, KERNEL_TAPS) if kernel.ndim != 2 else kernel
    if flat.shape[-1] != KERNEL_TAPS:
        raise ShapeError("kernel", "(441,), (B,441) or (B,21,21)", kernel.shape)
    return KernelField.from_dense(flat[:, :, None, None].expand(-1, -1, height, width), scale)
