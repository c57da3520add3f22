"""Make the pictures of the ComfyUI help pages from the example pictures and the shipped weights.

`python -m training.tools.make_help_pictures --out web/docs/img`
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from mmsr_core.degradation import (
    KernelEdit,
    KernelField,
    add_damage,
    blur_field,
    degrade_canvas,
    edit_field,
    layout_map,
)
from mmsr_core.image import load_image, resize_bicubic
from mmsr_core.pipeline import MeasuredGuide, load_pipeline
from mmsr_core.visualize import kernel_map
from mmsr_core.visualize.colours import heat, label_font, to_picture

from ..command import Parser, run_main

ASSETS = Path("assets")
HEIGHT, GAP, QUALITY = 180, 4, 78
ROUNDS = 2
"""Of refinement: the default of the node that refines."""


def _tile(image: Tensor | Image.Image, caption: str) -> Image.Image:
    """One picture of a strip, with a caption on it."""
    if isinstance(image, Image.Image):
        picture = image
    else:
        picture = to_picture(image.reshape(-1, *image.shape[-2:]))
    width = round(picture.width * HEIGHT / picture.height)
    picture = picture.convert("RGB").resize((width, HEIGHT), Image.Resampling.BICUBIC)
    ImageDraw.Draw(picture).text(
        (6, HEIGHT - 6), caption, fill="white", font=label_font(), anchor="ls",
        stroke_width=2, stroke_fill="black",
    )  # fmt: skip
    return picture


def _save(out: Path, name: str, *tiles: Image.Image) -> None:
    width = sum(tile.width for tile in tiles) + GAP * (len(tiles) - 1)
    strip = Image.new("RGB", (width, HEIGHT), (24, 24, 24))
    left = 0
    for tile in tiles:
        strip.paste(tile, (left, 0))
        left += tile.width + GAP
    strip.save(out / f"{name}.webp", quality=QUALITY, method=6)


def _map(field: KernelField, image: Tensor) -> Tensor:
    drawn = kernel_map(field, image)
    return drawn[..., : round(drawn.shape[-2] * image.shape[-1] / image.shape[-2])]


def _kernels(field: KernelField, count: int = 6) -> Tensor:
    """A few kernels of a field, side by side: `(3,21,21*count)`."""
    row = field.height // 2
    cols = [round((i + 0.5) * field.width / count) for i in range(count)]
    parts = [field.dense(slice(row, row + 1), slice(c, c + 1)).reshape(21, 21) for c in cols]
    return torch.cat([heat(part, 0.0, float(part.max())) for part in parts], dim=2)


def main() -> None:
    """Write one strip per node."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", required=True)
    out = Path(parser.parse_args().out)
    out.mkdir(parents=True, exist_ok=True)
    hr, lr = (load_image(ASSETS / f"example_{name}.png").rgb for name in ("hr", "lr"))
    seen, heat_seen = (
        load_image(ASSETS / f"example_{name}.png").rgb for name in ("visible", "infrared")
    )
    after = load_image(ASSETS / "after.png").rgb
    before = _tile(resize_bicubic(lr, (480, 640)), "input")
    pipe = load_pipeline("small", device="cpu", torch_dtype="float32")
    depth = pipe.estimate_depth(lr)
    estimate = pipe.estimate_degradation(lr, 4, depth)
    field = estimate.kernel_field
    blur = _tile(_map(field, lr), "measured blur")
    deep = _tile(depth.expand(-1, 3, -1, -1), "depth")
    _save(out, "upscale", before, _tile(after, "restored"))
    _save(out, "load_model", before, blur, deep, _tile(after, "restored"))
    _save(out, "estimate", before, blur)
    _save(out, "depth", before, deep)
    _save(out, "fusion", before, blur, deep)
    mask = torch.zeros(1, 1, field.height, field.width)
    mask[..., field.width // 2 :] = 1
    edited = edit_field(field, KernelEdit(blur_scale=1.6), mask)
    _save(out, "edit", blur, _tile(_map(edited, lr), "right half: 1.6 times as wide"))
    _save(out, "kernels", _tile(_kernels(field), "kernels of a field"))
    words = _tile(resize_bicubic(lr, (480, 640)), '"apples", "a table"')
    _save(out, "prompt", words)
    _save(out, "sensors", _tile(seen, "visible"), _tile(heat_seen, "infrared"))
    true_field = blur_field(0.9 + 1.7 * layout_map("left to right", 120, 160), 4)
    small = add_damage(degrade_canvas(hr, true_field), 4 / 255, 70)
    _save(
        out, "degrade", _tile(hr, "sharp"), _tile(small, "degraded"),
        _tile(_map(true_field, small), "true blur"),
    )  # fmt: skip
    again = degrade_canvas(after, field).clamp(0, 1)
    difference = (0.5 + 8 * (lr - again)).clamp(0, 1)
    _save(
        out, "faithfulness", before, _tile(again, "result, degraded again"),
        _tile(difference, "difference x 8"),
    )  # fmt: skip
    crop = lr[..., 20:84, 40:120].contiguous()
    small_estimate = pipe.estimate_degradation(crop, 4, pipe.estimate_depth(crop))
    conditioning = pipe.fuse_modalities(crop, small_estimate)
    smooth = pipe.sample(conditioning, steps=0)
    drawn = pipe.sample(conditioning, steps=4)
    _save(out, "sampler", _tile(smooth.images, "steps 0"), _tile(drawn.images, "steps 4"))
    weight = drawn.weight_maps["kernel"][0, 0]
    weight = (weight - weight.min()) / (weight.max() - weight.min()).clamp_min(1e-6)
    _save(out, "weights", _tile(drawn.images, "result"), _tile(weight.expand(3, -1, -1), "weight"))
    refined = pipe.refine_kernel(crop, 4, iterations=ROUNDS)
    _save(
        out, "refine", _tile(_map(small_estimate.kernel_field, crop), "one measurement"),
        _tile(_map(refined.kernel_field, crop), f"after {ROUNDS} rounds"),
    )  # fmt: skip
    # Stands for a drawing: the sharp picture in other colours, with detail from elsewhere.
    guess = (0.85 * hr.flip(1) + 0.2 * hr.roll(24, -1) - 0.03).clamp(0, 1)
    prior = (1.1 * after - torch.tensor([0.1, 0.0, -0.06]).view(1, 3, 1, 1)).clamp(0, 1)
    merged = pipe.merge_prior(lr, prior)
    _save(
        out, "merge", _tile(prior, "off in colour"), _tile(merged.images, "merged"),
        _tile(merged.weight_map.expand(-1, 3, -1, -1), "weight"),
    )  # fmt: skip
    held = MeasuredGuide(lr, estimate).solve(guess, 14.6)
    _save(out, "guide", before, _tile(guess, "a model's guess"), _tile(held, "held to the input"))


if __name__ == "__main__":
    sys.exit(run_main(main))
