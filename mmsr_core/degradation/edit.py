"""Editing a kernel field: widen or narrow the blur, pull it towards one kernel, paint by mask."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..types import MAX_BLUR_SIGMA_PX
from .field import KernelField
from .kernels import (
    KERNEL_RADIUS,
    KERNEL_SIZE,
    KERNEL_TAPS,
    centre_shift_px,
    gaussian_kernels,
)

MAX_BLUR_SCALE = 4.0
_DENSE_LR_PIXELS = 1 << 18  # as float16: 230 MB


@dataclass(frozen=True)
class KernelEdit:
    """What to do to every kernel, in this order."""

    blur_scale: float = 1.0
    """Factor of the blur's width, 0..4; 0 leaves no blur, 1 leaves it as it is."""
    blend: float = 0.0
    """0..1: share of the constant kernel; 1 replaces the measured blur."""
    blur_sigma_px: float = 2.0
    """Standard deviation of the constant kernel along `angle_rad`, HR px, above 0, up to 4.5."""
    ratio: float = 1.0
    """Its width across the angle, as a share of that along it: 0.1..1."""
    angle_rad: float = 0.0
    """Direction of its longer axis, from x towards y (downwards)."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        bounds = {
            "blur_scale": (0.0, MAX_BLUR_SCALE),
            "blend": (0.0, 1.0),
            "blur_sigma_px": (1e-3, MAX_BLUR_SIGMA_PX),
            "ratio": (0.1, 1.0),
            "angle_rad": (-math.inf, math.inf),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not math.isfinite(value) or not low <= value <= high:
                raise InputError(f"{name} must be a number from {low:g} to {high:g}, not {value}.")

    @property
    def changes_nothing(self) -> bool:
        """Whether every kernel would stay as it is."""
        return self.blur_scale == 1 and self.blend == 0


def edit_field(field: KernelField, edit: KernelEdit, mask: Tensor | None = None) -> KernelField:
    """Edit the kernels of a field, everywhere or where a mask is white.

    The kernels are worked on window by window. The result is stored densely in float16, and a
    field of more than 260 000 LR pixels in its own basis again (then kernels the basis cannot hold,
    such as a single pixel, become their nearest neighbours in it).

    Args:
        field: kernels of any storage.
        edit: what to do.
        mask: `(B|1,1,h,w)`, 0..1: how much of the edit acts at each LR pixel; None is everywhere.

    Returns:
        A new field; non-negative kernels that sum to 1.

    Raises:
        ShapeError: the mask does not fit the field.
    """
    if mask is not None:
        fits = mask.ndim == 4 and mask.shape[0] in (1, field.batch) and mask.shape[1] == 1
        if not fits or tuple(mask.shape[-2:]) != (field.height, field.width):
            expected = f"({field.batch},1,{field.height},{field.width})"
            raise ShapeError("mask", expected, tuple(mask.shape))
    if edit.changes_nothing:
        return field
    device = field.data.device
    one = torch.full((1, 1, 1), edit.blur_sigma_px, device=device)
    turn = torch.full_like(one, edit.angle_rad)
    constant = gaussian_kernels(one, one * edit.ratio, turn, field.scale)
    keep = field.basis is not None and field.height * field.width > _DENSE_LR_PIXELS
    rows_of_data = field.data.shape[1] if keep else KERNEL_TAPS
    out = torch.empty(
        (field.batch, rows_of_data, field.height, field.width),
        dtype=field.data.dtype if keep else torch.float16,
        device=device,
    )
    for rows, cols, old in field.windows():
        new = torch.lerp(scale_kernels(old, edit.blur_scale, field.scale), constant, edit.blend)
        if mask is not None:
            new = torch.lerp(old, new, mask[..., rows, cols].to(old).clamp(0, 1))
        if keep and field.basis is not None:
            out[..., rows, cols] = field.basis.encode(new)
        else:
            out[..., rows, cols] = new.to(out.dtype)
    return KernelField(out, field.scale, field.basis if keep else None, checked=True)


def scale_kernels(kernels: Tensor, factor: float, scale: int) -> Tensor:
    """Make every kernel `factor` times as wide about its LR pixel's centre.

    Each tap's weight is moved to `factor` times its offset and spread by Keys' cubic
    (a = -1/2, widened with the factor), which keeps moments up to the second: the standard
    deviation is multiplied by `factor` as long as the kernel fits the window and is wider than a
    pixel. The cubic's small negative lobes are cut.

    Args:
        kernels: `(B,441,h,w)`.
        factor: 0..4.
        scale: SR factor (even scales have their centre between pixels).

    Returns:
        `(B,441,h,w)`, non-negative, summing to 1.
    """
    if factor == 1:
        return kernels
    b, _, h, w = kernels.shape
    line = torch.arange(-KERNEL_RADIUS, KERNEL_RADIUS + 1, dtype=torch.float32)
    line = (line - centre_shift_px(scale)).to(kernels.device)
    spread = max(factor, 1.0)
    move = _keys_cubic((line[:, None] - factor * line[None, :]) / spread).to(kernels)
    square = kernels.reshape(b, KERNEL_SIZE, KERNEL_SIZE, h * w)
    moved = torch.einsum("yi,xj,bijn->byxn", move, move, square).clamp_min_(0)
    flat = moved.reshape(b, KERNEL_TAPS, h, w)
    return flat / flat.sum(1, keepdim=True).clamp_min(1e-8)


def _keys_cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -1/2 (IEEE Trans. ASSP 29, 1981, eq. 15)."""
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, 0.0))
