"""A contact sheet of merged crops.

`python -m benchmarks.figures.priors --priors FOLDER -o FILE.jpg [--protocol p2n]`

Columns: input (enlarged without interpolation), our faithful picture, the other upscaler's, both
merged at the default trust, the truth. The folder holds the other upscaler's pictures of the
protocol's inputs, by name (`benchmarks.inputs.make_upscaled`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.image import load_image, make_folder
from mmsr_core.image.atomic import atomic_write_bytes
from mmsr_core.metrics import psnr, round_to_uint8
from mmsr_core.pipeline import MMSREngine, combine_prior, load_pipeline
from training.command import COUNT, Parser, run_main

from ..arguments import QualityOptions
from ..inputs import sources
from ..inputs.samples import Inputs
from ..quality.options import find_places
from .crops import busiest, encode, sheet

HEADINGS = ("input", "faithful", "other upscaler", "merged", "truth")


def row_of(
    pipe: MMSREngine, inputs: Inputs, path: Path, priors: Path, side: int
) -> tuple[list[Tensor], list[str]]:
    """Five crops `(1,3,side,side)` of one picture, and what stands below them."""
    scale = inputs.scale
    hr = sources.read_hr(path, scale)
    lr = inputs.sample(hr, path.stem).lr
    faithful = pipe(lr, scale=scale, steps=0)
    prior = load_image(priors / f"{path.stem}.png").rgb
    merged = combine_prior(lr, faithful.estimate, faithful.images, prior)
    top, left = busiest(hr, side, scale)
    shown = F.interpolate(lr, scale_factor=float(scale), mode="nearest")
    made = [round_to_uint8(picture) for picture in (faithful.images, prior, merged.images)]
    crops = [p[..., top : top + side, left : left + side] for p in (shown, *made, hr)]
    return crops, [path.stem, *(f"{float(psnr(p, hr, crop=scale)):.2f} dB" for p in made), ""]


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--data", type=Path, help="full-size pictures")
    parser.add_argument("--priors", type=Path, required=True)
    parser.add_argument("--protocol", default="p2n")
    parser.add_argument("--model", default="small")
    parser.add_argument("--side", type=COUNT, default=144, help="of a crop, px")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.jpg")
    args = parser.parse_args()
    places = find_places(QualityOptions(protocols=(args.protocol,), data=args.data), 4)
    pictures = [p for p in sources.list_pictures(places.data) if _has(args.priors, p)]
    pipe = load_pipeline(args.model)
    inputs = Inputs(args.protocol, places, 4)
    with torch.no_grad():
        rows = [row_of(pipe, inputs, path, args.priors, args.side) for path in pictures]
    make_folder(args.out.parent)
    atomic_write_bytes(args.out, encode(sheet(rows, args.side, HEADINGS)))


def _has(folder: Path, picture: Path) -> bool:
    return (folder / f"{picture.stem}.png").is_file()


if __name__ == "__main__":
    sys.exit(run_main(main))
