"""Conversions between ComfyUI's tensors and the core's. No host import, no device choice.

ComfyUI: IMAGE `(B,H,W,C)`, C = 1..4, any float type, 0..1; MASK `(B,H,W)` or `(H,W)`.
Core: pictures `(B,3,H,W)` float32, 0..1; maps and masks `(B,1,h,w)`.
Every message names the node's input, what it got and what it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import torch
import torch.nn.functional as F
from torch import Tensor

from ..mmsr_core.errors import InputError


@dataclass(frozen=True)
class Picture:
    """An IMAGE split into colour `(B,3,H,W)` and, where it had one, alpha `(B,1,H,W)`."""

    rgb: Tensor
    alpha: Tensor | None

    @property
    def batch(self) -> int:
        """Number of pictures."""
        return self.rgb.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.rgb.shape[-2], self.rgb.shape[-1]


def split_image(image: Tensor, name: str = "image") -> Picture:
    """Split an IMAGE into colour and alpha, as float32 on the CPU, clamped to 0..1.

    Grey pictures become RGB; two channels are read as grey and alpha. The visible colour is spread
    under transparent pixels.
    """
    if not isinstance(image, Tensor):
        raise InputError(
            f"{name}: expected an IMAGE, got {type(image).__name__}. Connect an image output."
        )
    if image.ndim == 3:
        image = image.unsqueeze(0)
    if image.ndim != 4 or min(image.shape) < 1 or image.shape[-1] > 4:
        raise InputError(
            f"{name}: expected an IMAGE of shape (batch, height, width, 1..4 channels), "
            f"got {tuple(image.shape)}. Check the node that made it."
        )
    planes = image.detach().movedim(-1, 1).to(device="cpu", dtype=torch.float32)
    if not torch.isfinite(planes).all():
        raise InputError(
            f"{name}: the picture holds values that are not numbers (NaN or infinity). "
            "Check the node that made it."
        )
    planes = planes.clamp(0.0, 1.0)
    channels = planes.shape[1]
    alpha = planes[:, -1:].contiguous() if channels in (2, 4) else None
    colour = planes[:, :3] if channels >= 3 else planes[:, :1].expand(-1, 3, -1, -1)
    if alpha is not None:
        from ..mmsr_core.image import spread_colour

        colour = spread_colour(colour, alpha)
    return Picture(colour.contiguous(), alpha)


def join_image(rgb: Tensor, alpha: Tensor | None = None) -> Tensor:
    """Make an IMAGE from colour `(B,3,H,W)` and an alpha of any size, which is resized to fit."""
    planes = rgb.detach().to(device="cpu", dtype=torch.float32).clamp(0.0, 1.0)
    if alpha is not None:
        from ..mmsr_core.image import resize_alpha

        fitted = resize_alpha(alpha, (rgb.shape[-2], rgb.shape[-1]))
        planes = torch.cat((planes, fitted.to(planes)), dim=1)
    return planes.movedim(1, -1).contiguous()


def fit_map(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample a map `(B,1,H,W)` to `size` without aliasing; stays within its own range."""
    if tuple(values.shape[-2:]) == tuple(size):
        return values
    return F.interpolate(
        values, size=size, mode="bilinear", align_corners=False, antialias=True
    ).clamp(0.0, 1.0)


def depth_from_image(
    image: Tensor, size: tuple[int, int], name: str = "depth", near_is_dark: bool = False
) -> Tensor:
    """Read any depth node's IMAGE as inverse depth `(B,1,h,w)` in 0..1, near = 1.

    The range of each picture is stretched; a flat one says nothing and becomes 0.5 everywhere.
    """
    from ..mmsr_core.depth import depth_from_picture

    return depth_from_picture(split_image(image, name).rgb, size, invert=near_is_dark)


def image_from_map(values: Tensor) -> Tensor:
    """Show a map `(B,1,H,W)` as a grey IMAGE."""
    return join_image(values.expand(-1, 3, -1, -1))


def mask_to_map(mask: Tensor, size: tuple[int, int], name: str = "mask") -> Tensor:
    """Read a MASK of any size as `(B,1,h,w)` in 0..1."""
    if not isinstance(mask, Tensor):
        raise InputError(
            f"{name}: expected a MASK, got {type(mask).__name__}. Connect a mask output."
        )
    planes = mask.detach().to(device="cpu", dtype=torch.float32)
    if planes.ndim == 2:
        planes = planes.unsqueeze(0)
    if planes.ndim == 4 and planes.shape[1] == 1:
        planes = planes.squeeze(1)
    if planes.ndim != 3 or min(planes.shape) < 1:
        raise InputError(
            f"{name}: expected a MASK of shape (batch, height, width), got {tuple(mask.shape)}. "
            "Check the node that made it."
        )
    if not torch.isfinite(planes).all():
        raise InputError(f"{name}: the mask holds values that are not numbers (NaN or infinity).")
    return fit_map(planes.clamp(0.0, 1.0).unsqueeze(1), size)


@overload
def pick(values: Tensor, index: int, batch: int, name: str) -> Tensor: ...
@overload
def pick(values: None, index: int, batch: int, name: str) -> None: ...
@overload
def pick(values: Tensor | None, index: int, batch: int, name: str) -> Tensor | None: ...
def pick(values: Tensor | None, index: int, batch: int, name: str) -> Tensor | None:
    """Item `index` of a batch, keeping the batch axis; one item serves the whole batch."""
    if values is None:
        return None
    if values.shape[0] not in (1, batch):
        raise InputError(
            f"{name}: has {values.shape[0]} items, but the image batch has {batch}. "
            f"Give one item for all, or exactly {batch}."
        )
    at = 0 if values.shape[0] == 1 else index
    return values[at : at + 1]


def with_transparency(picture: Picture, mask: Tensor | None, name: str = "alpha") -> Picture:
    """The picture with the transparency that Load Image has split off as a MASK, white is nothing.

    An open input changes nothing. The visible colour is spread under transparent pixels.
    """
    if mask is None:
        return picture
    clear = mask_to_map(mask, picture.size, name)
    alpha = 1 - torch.cat([pick(clear, i, picture.batch, name) for i in range(picture.batch)])
    from ..mmsr_core.image import spread_colour

    return Picture(spread_colour(picture.rgb, alpha).contiguous(), alpha)


def transparency_mask(alpha: Tensor | None, batch: int, size: tuple[int, int]) -> Tensor:
    """An alpha of this size as a MASK `(B,*size)`: black where it is opaque."""
    return torch.zeros(batch, *size) if alpha is None else 1 - alpha[:, 0]


def is_black(mask: Tensor) -> bool:
    """Whether a MASK is black everywhere, as Load Image's is for a picture without transparency."""
    return not bool(mask.gt(0).any())
