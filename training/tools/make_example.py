"""Make the example picture of the README: a rendered street, out of focus nearby, slightly noisy.

`python -m training.tools.make_example --out assets`
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch.nn import functional as F

from mmsr_core.degradation import add_gaussian_noise, degrade, gaussian_kernels, sigma_range_px
from mmsr_core.depth import normalise_depth
from mmsr_core.image import save_image

from ..scenes.render import render_scene

SEED, SCALE, HEIGHT, WIDTH = 205, 4, 480, 640


def main() -> None:
    """Write `example_hr.png` and `example_lr.png`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    scene = render_scene(SEED, 2 * HEIGHT, 2 * WIDTH, None, "street")
    hr = F.interpolate(
        torch.from_numpy(scene.image)[None], size=(HEIGHT, WIDTH), mode="bicubic", antialias=True
    ).clamp(0, 1)
    inverse = torch.from_numpy(scene.inverse_depth)[None, None]
    near = F.interpolate(inverse, size=(HEIGHT // SCALE, WIDTH // SCALE), mode="area")
    low, high = sigma_range_px(SCALE)
    sigma = low + (high - low) * (1 - normalise_depth(near))[:, 0]  # the far end is soft
    lr = degrade(hr, gaussian_kernels(sigma, sigma, torch.zeros_like(sigma), SCALE), SCALE)
    lr = add_gaussian_noise(lr, 2 / 255, torch.Generator().manual_seed(0)).clamp(0, 1)
    save_image(Path(args.out) / "example_hr.png", hr)
    save_image(Path(args.out) / "example_lr.png", lr)


if __name__ == "__main__":
    main()
