"""The blur of a picture, place by place: colours for its width, ellipses for its shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from ..errors import InputError, ShapeError
from ..image import luminance
from .colours import colour_scale, heat, to_picture, to_tensor

if TYPE_CHECKING:
    from ..degradation import KernelField

_WANTED_SIDE = 768
_LARGEST_SIDE = 2048
_LEAST_HIGH_PX = 1.0  # So that what is hardly blurred does not look like a wide blur.
_FINER = 3  # Ellipses are drawn this much larger and then reduced, for smooth lines.


def kernel_map(
    field: KernelField,
    image: Tensor | None = None,
    *,
    cell_px: int = 48,
    high_px: float | None = None,
) -> Tensor:
    """Shows a kernel field.

    The colour at each place is the width of its kernel, the geometric mean of the standard
    deviations along the two axes in px of the result (as in the report); the picture shows through
    as brightness. The first colour is 0. Each ellipse has the direction and the proportions of the
    kernel under it, all enlarged by the same factor.

    Args:
        field: The kernel field of one picture (batch 1).
        image: `(1,3,H,W)` or `(3,H,W)` float in 0..1, of any size; None leaves plain colours.
        cell_px: Distance of the ellipses in px of the map, at least 8.
        high_px: Width of the last colour; None takes the largest that occurs, 1 at least.

    Returns:
        `(3,H',W')` float32 in 0..1: the map, longer side 768 to 2048, and its colour bar.

    Raises:
        InputError: The field holds more than one picture, or a number is out of range.
        ShapeError: `image` has the wrong shape.
    """
    if field.batch != 1:
        raise InputError(f"kernel_map shows one picture, but the field holds {field.batch}.")
    if cell_px < 8:
        raise InputError(f"cell_px must be at least 8, but is {cell_px}.")
    moments = field.moments()
    sigma, angle = moments.blur_sigma_px[0].float().cpu(), moments.angle_rad[0].float().cpu()
    blur = sigma.prod(dim=0).sqrt()
    high = max(float(blur.max()), _LEAST_HIGH_PX) if high_px is None else high_px
    if not high > 0:
        raise InputError(f"high_px must be above 0, but is {high:g}.")
    height, width = _map_size(field.height, field.width)
    colours = functional.interpolate(
        heat(blur, 0.0, high)[None], size=(height, width), mode="bilinear", align_corners=False
    )[0]
    if image is not None:
        colours = colours * (0.3 + 0.7 * _brightness(image, (height, width)))
    canvas = _with_ellipses(colours, sigma, angle, cell_px)
    bar = colour_scale(height, 0.0, high, "width of the kernels, px of the result")
    return torch.cat([canvas, bar], dim=2)


def _map_size(height: int, width: int) -> tuple[int, int]:
    longer = max(height, width)
    factor = max(1.0, _WANTED_SIDE / longer)
    factor = min(factor, _LARGEST_SIDE / longer)
    return max(round(height * factor), 1), max(round(width * factor), 1)


def _brightness(image: Tensor, size: tuple[int, int]) -> Tensor:
    """`(1,H,W)` in 0..1: what can be seen of the picture under the colours."""
    batched = image if image.dim() == 4 else image[None]
    if batched.dim() != 4 or batched.shape[0] != 1 or batched.shape[1] != 3:
        raise ShapeError("image", "(1,3,H,W) or (3,H,W)", tuple(image.shape))
    grey = luminance(batched.detach().float().cpu())
    shrinks = size[0] < grey.shape[2] or size[1] < grey.shape[3]
    grey = functional.interpolate(
        grey, size=size, mode="bicubic", align_corners=False, antialias=shrinks
    )
    return grey.clamp(0, 1)[0]


def _with_ellipses(canvas: Tensor, sigma: Tensor, angle: Tensor, cell_px: int) -> Tensor:
    """Draws the blur ellipses on a grid over `(3,H,W)`."""
    _, height, width = canvas.shape
    rows, columns = sigma.shape[-2:]
    enlarged = 0.46 * cell_px / max(float(sigma.max()), 1e-3)
    mask = Image.new("L", (width * _FINER, height * _FINER), 0)
    shadow = Image.new("L", mask.size, 0)
    for y in _centres(height, cell_px):
        for x in _centres(width, cell_px):
            lr_pixel = (int(y * rows / height), int(x * columns / width))
            major, minor = (float(value) * enlarged for value in sigma[:, lr_pixel[0], lr_pixel[1]])
            points = _ellipse(x, y, major, minor, float(angle[lr_pixel]))
            ImageDraw.Draw(shadow).line(points, fill=255, width=4 * _FINER, joint="curve")
            ImageDraw.Draw(mask).line(points, fill=255, width=round(1.6 * _FINER), joint="curve")
    picture = to_picture(canvas)
    for layer, colour, strength in ((shadow, (0, 0, 0), 0.45), (mask, (255, 255, 255), 0.95)):
        small = layer.resize((width, height), Image.Resampling.BOX)
        picture.paste(colour, (0, 0), small.point([round(v * strength) for v in range(256)]))
    return to_tensor(picture)


def _centres(length: int, cell_px: int) -> list[float]:
    count = max(length // cell_px, 1)
    return [(i + 0.5) * length / count for i in range(count)]


def _ellipse(
    x: float, y: float, major: float, minor: float, angle: float
) -> list[tuple[float, float]]:
    """A closed outline; `angle` turns the major axis from x (right) towards y (down)."""
    cos, sin = math.cos(angle), math.sin(angle)
    points: list[tuple[float, float]] = []
    for step in range(41):
        turn = 2 * math.pi * step / 40
        u, v = major * math.cos(turn), minor * math.sin(turn)
        points.append(((x + cos * u - sin * v) * _FINER, (y + sin * u + cos * v) * _FINER))
    return points
