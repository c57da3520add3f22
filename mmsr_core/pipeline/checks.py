"""Checks of what the caller gives, before any work. Every message names the argument."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import index
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..degradation import KernelField, check_scale
from ..errors import InputError, ShapeError

if TYPE_CHECKING:
    from .outputs import DegradationEstimate

MAX_STEPS = 64
CONSISTENCY_METHODS = ("ibp", "cg", "off")


def check_tensor(name: str, value: object) -> None:
    """A torch tensor, not an array or a picture of another library."""
    if not isinstance(value, Tensor):
        raise InputError(f"{name} must be a torch tensor, but is a {type(value).__name__}.")


def check_picture(name: str, image: Tensor) -> Tensor:
    """A `(B,3,h,w)` picture without NaN, as float32, clamped to 0..1."""
    check_tensor(name, image)
    if not image.is_floating_point():
        raise InputError(f"{name} must hold floats in 0..1, but is {image.dtype}; divide by 255.")
    if image.ndim != 4 or image.shape[1] != 3 or 0 in image.shape:
        raise ShapeError(name, "(B,3,h,w) with at least one pixel", tuple(image.shape))
    image = image.float()
    if not torch.isfinite(image).all():
        raise InputError(f"{name} holds NaN or infinite values; pixels must be numbers in 0..1.")
    return image.clamp(0, 1)


def check_depth(inverse_depth: Tensor | None, lr: Tensor) -> Tensor | None:
    """A `(B,1,h,w)` map of the picture's size, or a batch of one for all pictures."""
    if inverse_depth is None:
        return None
    check_tensor("inverse_depth", inverse_depth)
    expected = (lr.shape[0], 1, *lr.shape[-2:])
    if inverse_depth.ndim != 4 or inverse_depth.shape[1:] != expected[1:]:
        raise ShapeError("inverse_depth", str(expected), tuple(inverse_depth.shape))
    if inverse_depth.shape[0] not in (1, lr.shape[0]):
        raise ShapeError("inverse_depth", str(expected), tuple(inverse_depth.shape))
    if not torch.isfinite(inverse_depth).all():
        raise InputError("inverse_depth holds NaN or infinite values; it must be in 0..1.")
    return inverse_depth.to(lr).clamp(0, 1).expand(lr.shape[0], -1, -1, -1)


def check_kernel(field: KernelField | None, lr: Tensor, scale: int) -> KernelField | None:
    """A kernel field for this picture's size and scale."""
    if field is None:
        return None
    if not isinstance(field, KernelField):
        kind = type(field).__name__
        raise InputError(f"kernel must be a KernelField, but is a {kind}; see KernelField.load.")
    if field.scale != scale:
        raise InputError(f"The kernel field is for scale {field.scale}, but the scale is {scale}.")
    if (field.height, field.width) != tuple(lr.shape[-2:]):
        raise InputError(
            f"The kernel field has {field.width}x{field.height} sites, "
            f"but the picture has {lr.shape[-1]}x{lr.shape[-2]} pixels; they must be equal."
        )
    if field.batch not in (1, lr.shape[0]):
        raise InputError(f"The kernel field holds {field.batch} pictures, not {lr.shape[0]}.")
    return field


def check_damage(estimate: DegradationEstimate, lr: Tensor) -> None:
    """Noise and JPEG quality of an estimate: one for each picture, or one for all."""
    for name in ("noise_std", "jpeg_quality"):
        value = getattr(estimate, name)
        if value.ndim != 1 or value.shape[0] not in (1, lr.shape[0]):
            raise ShapeError(f"{name} of the estimate", f"({lr.shape[0]},)", tuple(value.shape))


def check_number(name: str, value: float, low: float, high: float, whole: bool = False) -> None:
    """A number in `low..high`, whole if asked for."""
    kind = "whole number" if whole else "number"
    fits = hasattr(value, "__index__") if whole else isinstance(value, (int, float))
    if isinstance(value, bool) or not (fits or hasattr(value, "__index__")):
        raise InputError(f"{name} must be a {kind} from {low:g} to {high:g}, but is {value!r}.")
    if not math.isfinite(value) or not low <= value <= high:
        raise InputError(f"{name} must be a {kind} from {low:g} to {high:g}, but is {value!r}.")


def check_svkr(iterations: int, gamma: float) -> None:
    """SVKR's T and gamma."""
    check_number("iterations", iterations, 1, 16, whole=True)
    check_number("gamma", gamma, 0, 1)


def check_tile(tile: int | None) -> None:
    """None, or at least 16 grid cells (64 output pixels)."""
    if tile is not None:
        check_number("tile", tile, 16, 1 << 20, whole=True)


def check_sampling(steps: int, detail: float, consistency: str, tile: int | None) -> None:
    """The sampler's numbers."""
    check_number("steps", steps, 0, MAX_STEPS, whole=True)
    check_number("detail", detail, 0, 2)
    check_tile(tile)
    if consistency not in CONSISTENCY_METHODS:
        raise InputError(f"consistency must be one of {CONSISTENCY_METHODS}, not {consistency!r}.")


def check_seeds(seed: int | Sequence[int], batch: int) -> list[int]:
    """One seed per picture: a single seed counts up over the batch."""
    top = 2**64
    try:
        given = [index(s) for s in seed] if isinstance(seed, Iterable) else [index(seed)]
    except TypeError:
        raise InputError(f"seed must be a whole number or a list of them, not {seed!r}.") from None
    if any(not 0 <= s < top for s in given):
        raise InputError(f"seed must be a whole number from 0 to 2^64 - 1, but is {seed!r}.")
    counted = not isinstance(seed, Iterable)
    seeds = [(given[0] + i) % top for i in range(batch)] if counted else given
    if len(seeds) != batch:
        raise InputError(f"{batch} pictures need as many seeds, but {len(seeds)} were given.")
    return seeds


def check_modalities(
    strengths: dict[str, float], masks: dict[str, Tensor], known: Sequence[str], lr: Tensor
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Strengths (1 where not given) and masks for known modalities."""
    for name in (*strengths, *masks):
        if name not in known:
            raise InputError(f"Unknown modality {name!r}; this model has {', '.join(known)}.")
    full = dict.fromkeys(known, 1.0)
    for name, value in strengths.items():
        check_number(f"strength of {name}", value, 0, 2)
        full[name] = float(value)
    placed = {}
    for name, mask in masks.items():
        check_tensor(f"mask of {name}", mask)
        fits = mask.ndim == 4 and mask.shape[0] in (1, lr.shape[0]) and mask.shape[1] == 1
        if not fits or mask.shape[-2:] != lr.shape[-2:]:
            expected = f"({lr.shape[0]},1,{lr.shape[-2]},{lr.shape[-1]})"
            raise ShapeError(f"mask of {name}", expected, tuple(mask.shape))
        if mask.isnan().any():
            raise InputError(f"mask of {name} holds NaN; it must be in 0..1.")
        placed[name] = mask.to(lr).clamp(0, 1).expand(lr.shape[0], -1, -1, -1)
    return full, placed


__all__ = [
    "check_damage", "check_depth", "check_kernel", "check_modalities", "check_number",
    "check_picture", "check_sampling", "check_scale", "check_seeds", "check_svkr", "check_tensor",
    "check_tile",
]  # fmt: skip
