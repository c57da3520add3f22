"""Make the example picture of the README: a still life through a real lens, slightly noisy.

`python -m training.tools.make_example --out assets` (some ten minutes on two cores)
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.degradation import add_gaussian_noise
from mmsr_core.image import save_image

from ..command import COUNT, Parser, run_main
from ..scenes.render import RenderedScene
from ..scenes.still_life import render_still_life

SCALE, HEIGHT, WIDTH = 4, 480, 640
APERTURE_M, FOCUS_M = 0.015, 1.02
"""The bowl is sharp; wall and cloth have a blur of up to about 2.5 px of the large picture."""


def main() -> None:
    """Write `example_hr.png` and `example_lr.png`."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--samples", type=COUNT, default=160, help="rays a pixel")
    args = parser.parse_args()
    rows, columns = 2 * HEIGHT, 2 * WIDTH
    sharp = render_still_life(rows, columns, samples=args.samples)
    save_image(Path(args.out) / "example_hr.png", reduced(sharp, HEIGHT, WIDTH))
    seen = render_still_life(
        rows, columns, samples=args.samples, aperture_m=APERTURE_M, focus_m=FOCUS_M
    )
    small = reduced(seen, HEIGHT // SCALE, WIDTH // SCALE)
    noisy = add_gaussian_noise(small, 2 / 255, torch.Generator().manual_seed(0))
    save_image(Path(args.out) / "example_lr.png", noisy.clamp(0, 1))


def reduced(scene: RenderedScene, height: int, width: int) -> Tensor:
    """The picture of a scene, `(1,3,height,width)`."""
    whole = torch.from_numpy(scene.image)[None]
    return F.interpolate(whole, size=(height, width), mode="bicubic", antialias=True).clamp(0, 1)


if __name__ == "__main__":
    sys.exit(run_main(main))
