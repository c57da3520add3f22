"""Bicubic resizing of pictures and of their alpha."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ..errors import InputError, ShapeError


def resize_bicubic(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes a picture; antialiased where it shrinks.

    Pixel `i` stays centred on `s*i + (s-1)/2`, the geometry of the whole library.

    Args:
        image: `(B,C,h,w)` float in 0..1.
        size: The new height and width, in this order.

    Returns:
        `(B,C,*size)` of the same dtype, clamped to 0..1.

    Raises:
        ShapeError: `image` is not `(B,C,h,w)`.
        InputError: `size` is not two positive numbers.
    """
    if image.dim() != 4:
        raise ShapeError("image", "(B,C,h,w)", tuple(image.shape))
    height, width = size
    if height < 1 or width < 1:
        raise InputError(f"size must be two positive numbers (height, width), but is {size}.")
    if tuple(image.shape[-2:]) == (height, width):
        return image.clamp(0, 1)
    shrinks = height < image.shape[-2] or width < image.shape[-1]
    resized = functional.interpolate(
        image, size=(height, width), mode="bicubic", align_corners=False, antialias=shrinks
    )
    return resized.clamp(0, 1)


def resize_alpha(alpha: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes an alpha channel `(B,1,h,w)` in 0..1; fully opaque stays exactly 1.

    Args:
        alpha: `(B,1,h,w)` float in 0..1.
        size: The new height and width, in this order.

    Returns:
        `(B,1,*size)` in 0..1.

    Raises:
        ShapeError: `alpha` is not `(B,1,h,w)`.
    """
    if alpha.dim() != 4 or alpha.shape[1] != 1:
        raise ShapeError("alpha", "(B,1,h,w)", tuple(alpha.shape))
    resized = resize_bicubic(alpha, size)
    # Interpolation weights sum to 1 only up to rounding: snap what is 0 or 1 within 1e-6.
    resized = resized.masked_fill(resized > 1 - 1e-6, 1.0)
    return resized.masked_fill(resized < 1e-6, 0.0)
