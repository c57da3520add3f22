"""What the values of the shared inputs mean to the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from ..mmsr_core.types import PRESETS
from .convert import depth_from_image
from .inputs import CUSTOM, MAX_SEED, POLARITIES, SEED_MODES

if TYPE_CHECKING:
    from ..mmsr_core.pipeline import Overrides

CELL_PX = 4
"""Pixels of the result a side of the pipeline's grid cells, in which it counts tiles."""


def preset_numbers(preset: str, steps: int, detail: float) -> tuple[int, float]:
    """Steps and detail that a preset stands for; those given with "custom"."""
    if preset == CUSTOM:
        return steps, detail
    return PRESETS[preset].steps, PRESETS[preset].detail


def overrides(noise: float, jpeg_quality: int, sharpening: float) -> Overrides:
    """What the user knows; below 0 for noise and sharpening, 0 for the quality mean measured."""
    from ..mmsr_core.pipeline import Overrides

    return Overrides(
        noise_std=None if noise < 0 else noise / 255,
        jpeg_quality=None if jpeg_quality == 0 else jpeg_quality,
        sharpening=None if sharpening < 0 else sharpening,
    )


def connected_depth(depth: Tensor | None, size: tuple[int, int], polarity: str) -> Tensor | None:
    """Inverse depth `(B,1,h,w)` from the depth input, None where nothing is connected."""
    if depth is None:
        return None
    return depth_from_image(depth, size, near_is_dark=polarity == POLARITIES[1])


def item_seed(seed: int, index: int, mode: str) -> int:
    """The seed of picture `index` of a batch."""
    return seed if mode == SEED_MODES[1] else (seed + index) % (MAX_SEED + 1)


def scale_and_size(
    scale: int, size: str, picture: tuple[int, int]
) -> tuple[int, tuple[int, int] | None]:
    """The whole factor to restore at, and the (height, width) of the result, None for its own.

    Args:
        scale: what is used where `size` is empty.
        size: see `target_size_input`.
        picture: (height, width).
    """
    if not size.strip():
        return scale, None
    from ..mmsr_core.image import TargetSize

    target = TargetSize.parse(size)
    return target.scale(picture), target.of(picture)


def tile_cells(tile_px: int) -> int | None:
    """What the pipeline wants of a tile in pixels of the result: grid cells, None for automatic."""
    return None if tile_px == 0 else -(-tile_px // CELL_PX)
