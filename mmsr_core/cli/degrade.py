"""`mmsr degrade`: make a damaged small picture from a good one, to test with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .arguments import add_common, add_scale, add_sharpening, number, whole_number
from .common import known_sharpening, load_kernel
from .files import add_background, background_notes, bit_notes, require_distinct

if TYPE_CHECKING:
    from torch import Tensor


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "degrade",
        help="make a damaged small picture from a good one",
        description="Blurs, shrinks, adds noise, sharpens and compresses, in this order. The "
        "picture is cropped at the right and bottom to a multiple of the scale.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("input", type=Path, metavar="HR", help="a picture file")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="LR", help="the file to write"
    )
    add_scale(parser, "how many times smaller, 1 to 16")
    blur = parser.add_mutually_exclusive_group()
    blur.add_argument(
        "--kernel", type=Path, metavar="FILE", help="kernel field, one kernel per LR pixel"
    )
    blur.add_argument(
        "--blur-sigma-px",
        type=number(0, 4.5, above=True),  # wider ones do not fit the 21x21 window
        metavar="S",
        help="standard deviation of a round Gaussian in HR pixels, up to 4.5; "
        "with neither this nor --kernel the picture is shrunk bicubically",
    )
    parser.add_argument(
        "--noise-std",
        type=number(0, 255),
        default=0.0,
        metavar="N",
        help="standard deviation of the noise in 8-bit units: 5 means 5/255 (default 0)",
    )
    parser.add_argument(
        "--jpeg",
        type=whole_number(1, 100),
        metavar="Q",
        help="JPEG quality, 1 to 100 (default none)",
    )
    add_sharpening(
        parser,
        "unsharp masking as by a camera, 0 to 3 (default: as the kernel file says, else none)",
    )
    parser.add_argument(
        "--seed", type=whole_number(0, 2**63 - 1), default=0, metavar="N", help="default 0"
    )
    add_background(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    import torch

    from ..degradation import add_damage
    from ..image import (
        can_be_deep,
        check_can_hold,
        check_output_suffix,
        check_writable_folder,
        load_image,
        resize_alpha,
        save_image,
    )

    check_output_suffix(args.output)
    read = [path for path in (args.input, args.kernel) if path is not None]
    require_distinct(read, [args.output], "an input of this run")
    check_writable_folder(args.output.parent)
    image = load_image(args.input)
    height, width = (side // args.scale for side in image.size)
    if height < 1 or width < 1:
        raise InputError(
            f"{args.input} has {image.size[1]}x{image.size[0]} pixels, "
            f"too few for --scale {args.scale}."
        )
    check_can_hold(args.output, (height, width))
    rows, columns = slice(height * args.scale), slice(width * args.scale)
    hr = image.rgb[..., rows, columns]
    with torch.inference_mode():
        blurred = _shrink(args, hr, (height, width))
        sharpening = known_sharpening(args, args.kernel)
        lr = add_damage(blurred, args.noise_std / 255, args.jpeg, args.seed, sharpening)
        alpha = image.alpha
        if alpha is not None:
            alpha = resize_alpha(alpha[..., rows, columns], (height, width))
    save_image(
        args.output,
        lr,
        alpha,
        icc_profile=image.icc_profile,
        bit_depth=16 if image.bit_depth > 8 and can_be_deep(args.output) else 8,
        background=args.background,
        grey=image.grey,
    )
    if not args.quiet:
        print(f"{args.input} -> {args.output} ({width}x{height})")
        lost = (*bit_notes(args.output, image), *background_notes(args, args.output, image))
        for note in (*image.notes, *lost):
            print(f"  {note}")
        if tuple(hr.shape[-2:]) != image.size:
            print(f"  cropped to {hr.shape[-1]}x{hr.shape[-2]}, a multiple of {args.scale}")
    return 0


def _shrink(args: argparse.Namespace, hr: Tensor, size: tuple[int, int]) -> Tensor:
    """`(1,3,H,W)` to `(1,3,*size)` by the blur that was asked for."""
    from ..degradation import constant_kernel_field, degrade_canvas, isotropic_gaussian
    from ..image import resize_bicubic

    if args.kernel is not None:
        field = load_kernel(args.kernel, size, args.scale)
    elif args.blur_sigma_px is not None:
        kernel = isotropic_gaussian(args.blur_sigma_px, args.scale)
        field = constant_kernel_field(kernel, *size, args.scale)
    else:
        return resize_bicubic(hr, size)
    return degrade_canvas(hr, field)
