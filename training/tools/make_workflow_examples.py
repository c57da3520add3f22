"""Make the pictures that the ComfyUI workflows load: a visible/infrared pair and three frames.

All are rendered, so that they can be shipped:
`python -m training.tools.make_workflow_examples --out assets`
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.degradation import add_damage, blur_field, degrade_canvas, layout_map
from mmsr_core.image import load_image, save_image

from ..command import Parser, run_main
from ..scenes.render import render_scene
from ..scenes.textures import FloatArray

SEED, SCALE, HEIGHT, WIDTH = 44, 4, 480, 640
FRAMES, FRAME_SHIFT_PX = 3, 10


def render_pair(seed: int, height: int, width: int) -> tuple[FloatArray, FloatArray]:
    """A street at night, `(3,H,W)`, and what a heat camera would see of it, `(1,H,W)`, 0..1.

    Every shape has a temperature of its own, which the visible picture says nothing about.
    """
    scene = render_scene(seed, height, width, None, "street")
    day, shapes = scene.image, scene.shape_index
    warmth = np.random.default_rng(seed).beta(0.6, 1.4, int(shapes.max()) + 1).astype(np.float32)
    heat = np.where(shapes >= 0, warmth[shapes], 0.0)
    heat = 0.15 + 0.7 * heat - 0.1 * np.clip(np.minimum(scene.depth_m, 80) / 80, 0, 1)
    infrared = np.clip(heat + 0.08 * (day.mean(0) - day.mean()), 0, 1).astype(np.float32)[None]
    night = np.clip(0.7 * day**1.3 * np.array([0.8, 0.9, 1.1])[:, None, None], 0, 1)
    return night.astype(np.float32), infrared


def render_fine_pair(seed: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """`render_pair` at twice the size, reduced: visible `(1,3,H,W)` and heat `(1,1,H,W)`, 0..1."""
    visible, heat = (
        F.interpolate(
            torch.from_numpy(large)[None], size=(height, width), mode="bicubic", antialias=True
        ).clamp(0, 1)
        for large in render_pair(seed, 2 * height, 2 * width)
    )
    return visible, heat


def _small(hr: Tensor, low_px: float, high_px: float, noise: float, seed: int) -> Tensor:
    size = (hr.shape[-2] // SCALE, hr.shape[-1] // SCALE)
    sigma = low_px + (high_px - low_px) * layout_map("left to right", *size)
    lr = degrade_canvas(hr, blur_field(sigma, SCALE))
    return add_damage(lr, noise / 255, seed=seed)


def main() -> None:
    """Write the pictures."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", required=True)
    out = Path(parser.parse_args().out)
    night, infrared = render_fine_pair(SEED, HEIGHT, WIDTH)
    for name, picture, noise in (("visible", night, 4.0), ("infrared", infrared, 2.0)):
        hr = picture.expand(-1, 3, -1, -1)
        save_image(out / f"example_{name}.png", _small(hr, 1.2, 1.8, noise, seed=1))
    scene = load_image(out / "example_hr.png").rgb
    for index in range(FRAMES):
        left = 160 + index * FRAME_SHIFT_PX
        frame = _small(scene[..., 120:360, left : left + 320], 1.0, 2.2, 2.0, seed=index)
        save_image(out / f"example_frame_{index + 1}.png", frame)


if __name__ == "__main__":
    sys.exit(run_main(main))
