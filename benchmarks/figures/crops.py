"""A contact sheet of restored crops.

`python -m benchmarks.figures.crops --data FOLDER -o FILE.jpg`

Columns: input (enlarged without interpolation), bicubic, ours at steps 0 and 4, the truth, and the
measured kernels. Inputs are p2's unless another protocol is named; where `MMSR_SHARED` names the
benchmark data, its ready inputs are used. The file stays below 600 KB.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.errors import InputError
from mmsr_core.image import make_folder
from mmsr_core.image.atomic import atomic_write_bytes
from mmsr_core.metrics import psnr, round_to_uint8
from mmsr_core.pipeline import MMSREngine, load_pipeline
from mmsr_core.visualize import kernel_map
from training.command import COUNT, Parser, run_main

from ..arguments import QualityOptions
from ..inputs import sources
from ..inputs.samples import Inputs
from ..quality.bicubic import bicubic_results
from ..quality.options import find_places

HEADINGS = ("input", "bicubic", "steps 0", "steps 4", "truth", "measured kernels")
GAP, BAND = 4, 16
LIMIT_BYTES = 600_000


def busiest(hr: Tensor, side: int, scale: int) -> tuple[int, int]:
    """Top and left of the crop with the most detail, multiples of `scale`."""
    luma = hr.mean(1, keepdim=True)
    steep = (luma[..., 1:, 1:] - luma[..., :-1, 1:]).abs() + (
        luma[..., 1:, 1:] - luma[..., 1:, :-1]
    ).abs()
    energy = F.avg_pool2d(steep, side - 1, stride=scale)
    flat = int(energy.flatten().argmax())
    return flat // energy.shape[-1] * scale, flat % energy.shape[-1] * scale


def row_of(
    pipe: MMSREngine, inputs: Inputs, path: Path, side: int
) -> tuple[list[Tensor], list[str]]:
    """Six crops `(1,3,side,side)` of one picture, and what stands below them."""
    scale = inputs.scale
    hr = sources.read_hr(path, scale)
    lr = inputs.sample(hr, path.stem).lr
    estimate = pipe.refine_kernel(lr, scale)
    conditioning = pipe.fuse_modalities(lr, estimate)
    means, flows = (
        round_to_uint8(pipe.sample(conditioning, steps=n, seed=0).images) for n in (0, 4)
    )
    bicubic = bicubic_results(lr, scale)["bicubic"]
    top, left = busiest(hr, side, scale)

    def crop(picture: Tensor) -> Tensor:
        return picture[..., top : top + side, left : left + side]

    shown = F.interpolate(lr, scale_factor=float(scale), mode="nearest")
    kernels = kernel_map(estimate.kernel_field, lr)[None].float().clamp(0, 1)
    kernels = F.interpolate(kernels, size=(side, side), mode="area")
    notes = [path.stem]
    notes += [f"{float(psnr(p, hr, crop=scale)):.2f} dB" for p in (bicubic, means, flows)]
    return [*(crop(p) for p in (shown, bicubic, means, flows, hr)), kernels], [*notes, "", "whole"]


def sheet(
    rows: list[tuple[list[Tensor], list[str]]], side: int, headings: Sequence[str] = HEADINGS
) -> Image.Image:
    """The rows below each other, with headings."""
    width = len(headings) * (side + GAP) - GAP
    height = BAND + len(rows) * (side + BAND + GAP) - GAP
    picture = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default()
    for column, heading in enumerate(headings):
        pen.text((column * (side + GAP) + 2, 2), heading, fill="black", font=font)
    for row, (crops, notes) in enumerate(rows):
        top = BAND + row * (side + BAND + GAP)
        for column, (crop, note) in enumerate(zip(crops, notes, strict=True)):
            array = crop[0].mul(255).round().byte().permute(1, 2, 0).numpy()
            picture.paste(Image.fromarray(array), (column * (side + GAP), top))
            pen.text((column * (side + GAP) + 2, top + side + 1), note, fill="black", font=font)
    return picture


def encode(picture: Image.Image, limit: int = LIMIT_BYTES) -> bytes:
    """JPEG of the best quality that stays below `limit` bytes."""
    for quality in (92, 88, 84, 80, 75, 70, 60, 50, 40):
        stream = io.BytesIO()
        picture.save(stream, format="JPEG", quality=quality, subsampling=0)
        if stream.tell() < limit:
            return stream.getvalue()
    raise InputError(f"The sheet does not fit into {limit} bytes: give fewer or smaller crops.")


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--data", type=Path, help="full-size pictures")
    parser.add_argument("--protocol", default="p2")
    parser.add_argument("--model", default="small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--count", type=COUNT, default=10, help="pictures, spread over the folder")
    parser.add_argument("--side", type=COUNT, default=128, help="of a crop, px")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.jpg")
    args = parser.parse_args()
    places = find_places(QualityOptions(protocols=(args.protocol,), data=args.data), 4)
    pictures = sources.list_pictures(places.data)
    count = min(args.count, len(pictures))
    chosen = [pictures[i * len(pictures) // count] for i in range(count)]
    pipe = load_pipeline(args.model, device=args.device)
    inputs = Inputs(args.protocol, places, 4)
    with torch.no_grad():
        rows = [row_of(pipe, inputs, path, args.side) for path in chosen]
    make_folder(args.out.parent)
    atomic_write_bytes(args.out, encode(sheet(rows, args.side)))


if __name__ == "__main__":
    sys.exit(run_main(main))
