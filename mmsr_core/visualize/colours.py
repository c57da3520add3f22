"""Perceptually even colour maps and the scale that explains them."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..errors import InputError, ShapeError

ColourMap = Literal["viridis", "plasma", "grey"]
# 17 equally spaced stops of the public-domain (CC0) maps by Smith, van der Walt and Firing.
COLOUR_MAPS: dict[str, str] = {
    "viridis": "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c "
    "1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725",
    "plasma": "0d0887 310597 4c02a1 6600a7 7e03a8 9511a1 aa2395 bc3587 cc4778 "
    "da5a6a e66c5c f0804e f89540 fdac33 fdc527 f8df25 f0f921",
    "grey": "000000 ffffff",
}
"""Name to equally spaced colours, interpolated linearly."""


def colourise(values: Tensor, colour_map: ColourMap = "viridis") -> Tensor:
    """Maps numbers to colours.

    Args:
        values: Any shape `(...)`, float; clamped to 0..1.
        colour_map: One of `COLOUR_MAPS`.

    Returns:
        `(3,...)` float32 in 0..1.

    Raises:
        InputError: The colour map is unknown, or a value is not finite.
    """
    if colour_map not in COLOUR_MAPS:
        raise InputError(f"colour_map must be one of {', '.join(COLOUR_MAPS)}, not {colour_map!r}.")
    if not bool(torch.isfinite(values).all()):
        raise InputError("values must be finite, but hold NaN or infinity.")
    stops = [list(bytes.fromhex(stop)) for stop in COLOUR_MAPS[colour_map].split()]
    table = torch.tensor(stops, dtype=torch.float32, device=values.device) / 255
    position = values.float().clamp(0, 1) * (len(stops) - 1)
    below = position.floor().clamp(max=len(stops) - 2).long()
    weight = (position - below).unsqueeze(-1)
    return torch.lerp(table[below], table[below + 1], weight).movedim(-1, 0)


def heat(values: Tensor, low: float, high: float, colour_map: ColourMap = "viridis") -> Tensor:
    """A map of numbers in colours.

    Args:
        values: `(H,W)` float.
        low: Value of the first colour.
        high: Value of the last colour; above `low`.
        colour_map: One of `COLOUR_MAPS`.

    Returns:
        `(3,H,W)` float32 in 0..1.

    Raises:
        ShapeError: `values` is not `(H,W)`.
        InputError: `high` is not above `low`, or a value is not finite.
    """
    if values.dim() != 2:
        raise ShapeError("values", "(H,W)", tuple(values.shape))
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        raise InputError(f"high must be above low, but low={low} and high={high}.")
    return colourise((values.float() - low) / (high - low), colour_map)


def colour_scale(
    height: int, low: float, high: float, title: str, colour_map: ColourMap = "viridis"
) -> Tensor:
    """A vertical colour bar with numbers, to be put beside a map.

    Args:
        height: Height in pixels.
        low: Value at the bottom.
        high: Value at the top.
        title: A few words, drawn upwards along the bar.
        colour_map: One of `COLOUR_MAPS`.

    Returns:
        `(3,height,W)` float32 in 0..1, W about 80.
    """
    font = label_font()
    margin, bar, gap = 10, 16, 8
    decimals = 0 if high - low >= 20 else 1 if high - low >= 1 else 2
    inner = max(height - 2 * margin, 1)
    ticks = max(2, min(6, inner // 40 + 1)) if inner >= 30 else 1
    fractions = [i / (ticks - 1) for i in range(ticks)] if ticks > 1 else [1.0]
    labels = [f"{low + (high - low) * fraction:.{decimals}f}" for fraction in fractions]
    label_width = max(int(font.getlength(label)) for label in labels)
    title_height = 16
    width = gap + bar + 5 + label_width + 4 + title_height + 4
    canvas = Image.new("RGB", (width, height), (24, 24, 24))
    ramp = torch.linspace(1, 0, inner)[:, None].expand(inner, bar)
    canvas.paste(to_picture(colourise(ramp, colour_map)), (gap, margin))
    draw = ImageDraw.Draw(canvas)
    for fraction, label in zip(fractions, labels, strict=True):
        y = margin + round((1 - fraction) * (inner - 1))
        draw.line([(gap + bar, y), (gap + bar + 3, y)], fill=(230, 230, 230))
        draw_text(draw, (gap + bar + 6, y), label, font, "lm")
    if font.getbbox(title)[2] <= height:
        strip = Image.new("RGB", (height, title_height), (24, 24, 24))
        middle = (height // 2, title_height // 2)
        draw_text(ImageDraw.Draw(strip), middle, title, font, "mm")
        canvas.paste(strip.rotate(90, expand=True), (width - title_height - 2, 0))
    return to_tensor(canvas)


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def label_font() -> Font:
    """Pillow's own font, so that nothing has to be installed; before Pillow 10.1 a bitmap font."""
    try:
        return ImageFont.load_default(size=12)
    except TypeError:
        return ImageFont.load_default()


def draw_text(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, font: Font, anchor: str
) -> None:
    """Write a label in light grey.

    Args:
        draw: where.
        at: the point (x, y) that the anchor names.
        text: the label.
        font: see `label_font`.
        anchor: "lm" (left, middle) or "mm" (middle, middle).
    """
    colour = (230, 230, 230)
    if isinstance(font, ImageFont.FreeTypeFont):
        draw.text(at, text, fill=colour, font=font, anchor=anchor)
        return
    left, top, right, bottom = font.getbbox(text)  # bitmap fonts know no anchors
    x = at[0] - ((right - left) // 2 if anchor[0] == "m" else 0)
    draw.text((x, at[1] - (bottom - top) // 2), text, fill=colour, font=font)


def to_picture(image: Tensor) -> Image.Image:
    """`(3,H,W)` in 0..1 to a Pillow picture."""
    array = (image.detach().float().cpu().clamp(0, 1) * 255).round().byte()
    return Image.fromarray(array.permute(1, 2, 0).contiguous().numpy())


def to_tensor(picture: Image.Image) -> Tensor:
    """A Pillow RGB picture to `(3,H,W)` float32 in 0..1."""
    array = np.asarray(picture.convert("RGB")).astype(np.float32) / 255
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()
