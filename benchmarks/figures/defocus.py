"""Crops of rendered scenes through a thin lens: what depth changes in the picture and the kernels.

`python -m benchmarks.figures.defocus --run runs/bench/defocus -o docs/defocus.jpg`

Columns: the picture of the lens (enlarged without interpolation), restored without depth and with
the exact depth (steps 0), the truth, and the width of the blur: measured without depth, measured
with the exact depth, and that of the lens. Needs a run of `python -m benchmarks defocus`, whose
scenes are taken; every third is shown. The file stays below 200 KB.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.degradation import KernelField
from mmsr_core.image import make_folder
from mmsr_core.image.atomic import atomic_write_bytes
from mmsr_core.metrics import psnr, round_to_uint8
from mmsr_core.pipeline import MMSREngine, load_pipeline
from mmsr_core.visualize.colours import heat
from training.command import COUNT, Parser, run_main

from ..arguments import DefocusOptions
from ..defocus import make_case, make_scenes, widths
from ..inputs.lens_scenes import LensScene
from .crops import encode, sheet

HEADINGS = (
    "through the lens", "without depth", "exact depth", "truth",
    "blur, without depth", "blur, exact depth", "blur of the lens",
)  # fmt: skip
LIMIT_BYTES = 200_000
_EVERY = 3
_WIDTH_PX = (1.0, 2.7)
"""Of the first and the last colour: std of the blur with the area of the pixel, scale 4."""


def coloured(field: KernelField) -> Tensor:
    """Colours of the blur's width at HR size, `(1,3,H,W)`: dark is narrow."""
    colours = heat(widths(field), *_WIDTH_PX)[None].float().clamp(0, 1)
    return F.interpolate(colours, scale_factor=float(field.scale), mode="nearest")


def most_varied(truth: Tensor, radius_px: Tensor, side: int, step: int) -> tuple[int, int]:
    """Top and left, multiples of `step`, of the crop whose blur varies most and that has detail.

    Args:
        truth: `(1,3,H,W)`.
        radius_px: `(1,1,H,W)`, of the circle of confusion.
        side: of the crop.
        step: between places that are tried.
    """

    def spread(plane: Tensor) -> Tensor:
        mean, square = (F.avg_pool2d(p, side, stride=step) for p in (plane, plane.square()))
        return (square - mean.square()).clamp_min(0).sqrt()

    worth = spread(radius_px.double()) * spread(truth.double().mean(1, keepdim=True))
    flat = int(worth.flatten().argmax())
    return flat // worth.shape[-1] * step, flat % worth.shape[-1] * step


def row_of(
    pipe: MMSREngine, scene: LensScene, options: DefocusOptions, side: int, scale: int = 4
) -> tuple[list[Tensor], list[str]]:
    """Seven crops `(1,3,side,side)` of one scene, and what stands below them."""
    case = make_case(scene, scale, options)
    found = [
        pipe.estimate_degradation(case.lr, scale, use_depth=False),
        pipe.estimate_degradation(case.lr, scale, case.depth),
    ]
    restored = [
        round_to_uint8(pipe.sample(pipe.fuse_modalities(case.lr, e), steps=0, seed=0).images.cpu())
        for e in found
    ]
    shown = [F.interpolate(case.lr, scale_factor=float(scale), mode="nearest"), *restored]
    fields = [*(e.kernel_field for e in found), case.discs]
    shown += [case.truth, *(coloured(field) for field in fields)]
    top, left = most_varied(case.truth, scene.radius_px(), side, scale)
    notes = [scene.name, *(f"{float(psnr(p, case.truth, crop=4)):.2f} dB" for p in restored)]
    low, high = _WIDTH_PX
    notes += ["", "", "", f"{low:g} to {high:g} px"]
    return [p[..., top : top + side, left : left + side] for p in shown], notes


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="--out of the benchmark")
    parser.add_argument("--pictures", type=Path, help="as in the benchmark")
    parser.add_argument("--model", default="small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--count", type=COUNT, default=4, help="scenes")
    parser.add_argument("--side", type=COUNT, default=160, help="of a crop, px")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.jpg")
    args = parser.parse_args()
    limit = 1 + _EVERY * (args.count - 1)
    options = DefocusOptions(out=args.run, pictures=args.pictures, limit=limit)
    pipe = load_pipeline(args.model, device=args.device)
    with torch.no_grad():
        scenes = make_scenes(options)[::_EVERY]
        rows = [row_of(pipe, scene, options, args.side) for scene in scenes]
    make_folder(args.out.parent)
    atomic_write_bytes(args.out, encode(sheet(rows, args.side, HEADINGS), LIMIT_BYTES))


if __name__ == "__main__":
    sys.exit(run_main(main))
