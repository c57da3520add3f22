"""`mmsr merge`: take in another upscaler's picture, as far as the input supports it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ImageFileError, MMSRError
from ..types import DEFAULT_TRUST
from .arguments import (
    UsageError,
    add_common,
    add_device_options,
    add_overrides,
    number,
)
from .common import (
    collect_inputs,
    load_model,
    plan_outputs,
    progress_bar,
    read_overrides,
    require_distinct,
    save_like,
    say_error,
)

if TYPE_CHECKING:
    from ..image import LoadedImage
    from ..pipeline import MMSREngine, PriorResult


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "merge",
        help="make another upscaler's picture faithful",
        description="Restores INPUT faithfully and takes in UPSCALED, the same picture by any "
        "other upscaler or diffusion model: registered, without its colour cast, and the less the "
        "more it contradicts. Of two folders, files of the same name belong together.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("input", type=Path, metavar="INPUT", help="a picture file or a folder")
    parser.add_argument(
        "upscaled", type=Path, metavar="UPSCALED", help="the upscaled file, or a folder of them"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="a file for one file, else a folder"
    )
    parser.add_argument(
        "--trust",
        type=number(0, 1),
        default=DEFAULT_TRUST,
        metavar="T",
        help="how far UPSCALED is followed: 0 not at all, 1 wherever the input allows it "
        f"(default {DEFAULT_TRUST})",
    )
    parser.add_argument(
        "--maps", type=Path, metavar="DIR", help="write where UPSCALED was followed, white is most"
    )
    add_overrides(parser)
    add_device_options(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from ..image import make_folder

    inputs, batch = collect_inputs([args.input])
    priors = [_prior_of(path, args.upscaled, batch) for path in inputs]
    outputs = plan_outputs(inputs, Path(args.output), batch, args.output.endswith(("/", os.sep)))
    require_distinct(priors, outputs, "an input of this run")
    if args.maps is not None:
        make_folder(args.maps)
        maps = [_map_path(args.maps, target) for target in outputs]
        require_distinct([*inputs, *priors, *outputs], maps, "another file of this run")
    pipeline: MMSREngine | None = None
    failed = 0
    for source, prior, target in zip(inputs, priors, outputs, strict=True):
        try:
            image, other = _load(source, prior)
            pipeline = pipeline or load_model(args)
            result = _merge(args, pipeline, source.name, image, other)
            _save(args, target, image, result)
        except MMSRError as error:
            if not batch:
                raise
            say_error(f"{source}: {error}")
            failed += 1
            continue
        if not args.quiet:
            print(f"{source} + {prior} -> {target}")
            for line in result.summary().splitlines():
                print(f"  {line}", flush=True)
    if failed:
        say_error(f"{failed} of {len(inputs)} pictures failed")
    return 2 if failed else 0


def _prior_of(source: Path, upscaled: Path, batch: bool) -> Path:
    """The file that belongs to an input."""
    if not upscaled.exists():
        raise ImageFileError(f"{upscaled} does not exist.")
    if not upscaled.is_dir():
        if batch:
            raise UsageError(f"{source.parent} is a folder, so {upscaled} must be one too.")
        return upscaled
    found = sorted(p for p in upscaled.iterdir() if p.stem == source.stem and p.is_file())
    if len(found) != 1:
        many = "no file" if not found else f"{len(found)} files"
        raise ImageFileError(f"{upscaled} holds {many} named {source.stem}; expected one.")
    return found[0]


def _load(source: Path, prior: Path) -> tuple[LoadedImage, LoadedImage]:
    from ..image import load_image

    return load_image(source), load_image(prior)


def _merge(
    args: argparse.Namespace,
    pipeline: MMSREngine,
    title: str,
    image: LoadedImage,
    prior: LoadedImage,
) -> PriorResult:
    with progress_bar(args, title) as progress:
        return pipeline.merge_prior(
            image.visible_rgb,
            prior.visible_rgb,
            trust=args.trust,
            overrides=read_overrides(args, image),
            tile=args.tile,
            progress=progress,
        )


def _save(args: argparse.Namespace, target: Path, image: LoadedImage, result: PriorResult) -> None:
    from ..image import save_image

    save_like(target, result.images, image)
    if args.maps is not None:
        save_image(_map_path(args.maps, target), result.weight_map.expand(-1, 3, -1, -1))


def _map_path(folder: Path, target: Path) -> Path:
    return folder / f"{target.stem}_prior_weight.png"
