"""`mmsr estimate`: measure the damage of a picture and stop there."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from .. import __version__
from .arguments import add_common, add_model_options, add_overrides, add_scale
from .common import (
    load_depth,
    load_model,
    progress_bar,
    read_overrides,
    write_json,
)
from .files import require_distinct


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "estimate",
        help="measure blur, noise and JPEG quality",
        description="Writes kernel_field.safetensors, kernel_map.png, depth.png and estimate.json.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("input", type=Path, metavar="INPUT", help="a picture file")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="a folder, created if need be",
    )
    add_scale(parser, "factor that the kernels are meant for, 1 to 16")
    add_overrides(parser)
    add_model_options(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from ..image import (
        check_can_make_folder,
        check_output_size,
        load_image,
        make_folder,
        read_size,
        save_image,
    )
    from ..pipeline.results import (
        blur_range_px,
        expected_errors,
        mean_sharpening,
        mean_sharpening_radius,
        measured_lines,
        sharpness_of,
        with_levels,
    )
    from ..visualize import depth_map, kernel_map

    check_output_size(read_size(args.input), args.scale)
    image = load_image(args.input)
    given_depth, beside = None, []
    if args.depth is not None:
        given_depth, beside = load_depth(args.depth, image.size)
    check_can_make_folder(args.output)
    names = ("kernel_field.safetensors", "kernel_map.png", "depth.png", "estimate.json")
    field_file, map_file, depth_file, json_file = (args.output / name for name in names)
    read = [path for path in (args.input, args.depth) if path is not None]
    require_distinct(read, [field_file, map_file, depth_file, json_file], "an input of this run")
    pipeline = load_model(args)
    started = time.perf_counter()
    with progress_bar(args) as bar, bar.picture(args.input.name) as progress:
        estimate = pipeline.refine_kernel(
            image.visible_rgb,
            args.scale,
            given_depth,
            overrides=read_overrides(args, image),
            iterations=args.iterations,
            gamma=args.gamma,
            fixed_depth=given_depth is not None,
            tile=args.tile,
            progress=progress,
        )
    seconds = time.perf_counter() - started
    blur = blur_range_px(estimate.kernel_field)
    make_folder(args.output)
    estimate.kernel_field.save(field_file, estimate.sharpening)
    save_image(map_file, kernel_map(estimate.kernel_field, image.visible_rgb)[None])
    if estimate.inverse_depth is not None:
        save_image(depth_file, depth_map(estimate.inverse_depth)[None], bit_depth=16)
    content = {
        "input": str(args.input),
        "input_size": [image.size[1], image.size[0]],
        "scale": args.scale,
        "sharpness": sharpness_of(estimate, args.scale).to_dict(),
        "blur_sigma_px": blur,
        "noise_std": float(estimate.given_noise_std[0]),
        "jpeg_quality": float(estimate.jpeg_quality[0]),
        "errors": expected_errors(estimate),
        "sharpening": mean_sharpening(estimate),
        "sharpening_radius_px": mean_sharpening_radius(estimate),
        "notes": [*image.notes, *beside, *estimate.notes],
        "iterations": args.iterations,
        "gamma": args.gamma,
        "model": str(args.model),
        "seconds": round(seconds, 3),
        "version": __version__,
    }
    write_json(json_file, with_levels(content))
    if not args.quiet:
        print(f"{args.input} -> {args.output}")
        for line in (*measured_lines(estimate, args.scale), *content["notes"]):
            print(f"  {line}")
        print(f"  {seconds:.1f} s", flush=True)
    return 0
