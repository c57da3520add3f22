"""Argument types with ranges, and options that several commands share. Standard library only."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..errors import InputError
from ..types import (
    DEFAULT_TRUST,
    MAX_SHARPENING,
    MODALITIES,
    SHARPENING_RADII_PX,
    SVKR_ROUNDS,
)

if TYPE_CHECKING:
    from ..image import TargetSize


class UsageError(InputError):
    """The arguments do not make sense."""


class Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, as an exception; abbreviations are not accepted."""

    def __init__(self, *args: object, **options: object) -> None:
        """Takes what `argparse.ArgumentParser` takes."""
        options.setdefault("allow_abbrev", False)
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Raises `UsageError` instead of printing the usage and leaving."""
        raise UsageError(f"{message} (see `{self.prog} --help`)")


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """An argument type: a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {low} to {high}, got {text!r}"
            )
        return value

    return parse


def number(low: float, high: float, *, above: bool = False) -> Callable[[str], float]:
    """An argument type: a number from `low` to `high`; with `above`, greater than `low`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        # NaN fails both comparisons.
        if not (low <= value <= high) or (above and value == low):
            start = f"above {low:g} and at most" if above else f"from {low:g} to"
            raise argparse.ArgumentTypeError(f"expected a number {start} {high:g}, got {text!r}")
        return value

    return parse


def tile_size(text: str) -> int | None:
    """`auto` is None; else a whole number of at least 16."""
    return None if text == "auto" else whole_number(16, 65536)(text)


def device_name(text: str) -> str:
    """`auto`, `cpu`, `mps`, `cuda` or `cuda:N`."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"expected auto, cpu, cuda, cuda:N or mps, got {text!r}")
    return text


_AS_REPORTED = {"picture": "lr", "blur": "kernel"}
"""What reports call some modalities, and their names."""


def strength(text: str) -> tuple[str, float]:
    """`NAME=VALUE` with a known modality and a value from 0 to 2."""
    name, equals, value = text.partition("=")
    name = _AS_REPORTED.get(name, name)
    if not equals or name not in MODALITIES:
        names = ", ".join((*_AS_REPORTED, *MODALITIES))
        raise argparse.ArgumentTypeError(
            f"expected NAME=VALUE with NAME one of {names}, got {text!r}"
        )
    return name, number(0, 2)(value)


def scale_factor(text: str) -> float:
    """A factor from 1 to 16, as 2, 2x or x2."""
    plain = text.strip().lower().replace("×", "x")
    bare = plain.removeprefix("x") if plain.startswith("x") else plain.removesuffix("x")
    try:
        return number(1, 16)(bare)
    except argparse.ArgumentTypeError as error:
        smaller = "" if not _is_below_one(bare) else "; `--size 0.5x` gives a smaller picture"
        raise argparse.ArgumentTypeError(f"{error}{smaller}") from None


def _is_below_one(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


def target_size(text: str) -> TargetSize:
    """A size such as 4K, 3000, w3000, h2000, 1600x1200, 12MP."""
    from ..image import TargetSize

    try:
        return TargetSize.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def colour_name(text: str) -> str:
    """A colour such as white, black or #rrggbb, as it was written."""
    from ..image import parse_colour

    try:
        parse_colour(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_result_size(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds `--scale`, such as 1.5, or `--size`; `result_size` reads them."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--scale",
        type=scale_factor,
        metavar="N",
        help=f"how many times larger, 1 to 16, such as 1.5 (default {default})",
    )
    size.add_argument(
        "--size",
        type=target_size,
        metavar="SIZE",
        help="size of the result: HD, 2K, 4K, 5K, 8K or 3000 (longer side), 1080p (shorter side), "
        "w3000, h2000, 1600x1200 (in the picture's proportions), 12MP or 1.5x",
    )


def result_size(args: argparse.Namespace) -> TargetSize | None:
    """What `--size` or `--scale` asks for; None without them."""
    from ..image import TargetSize

    if args.size is not None or args.scale is None:
        return args.size
    return TargetSize("factor", args.scale)


def add_scale(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Adds `--scale`."""
    parser.add_argument(
        "--scale", type=whole_number(1, 16), default=4, metavar="N", help=f"{meaning} (default 4)"
    )


def add_common(parser: argparse.ArgumentParser, quiet: bool = True) -> None:
    """Adds `--debug`, which every command has, and `--quiet`, for those that do more than print."""
    if quiet:
        parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Adds `--noise-std`, `--jpeg`, `--sharpening`: what the user knows, not to be measured."""
    parser.add_argument(
        "--noise-std",
        type=number(0, 255),
        metavar="N",
        help="known standard deviation of the noise in 8-bit units, 5 means 5/255 "
        "(default: measured)",
    )
    parser.add_argument(
        "--jpeg",
        type=whole_number(1, 100),
        metavar="Q",
        help="known JPEG quality, 100 for none (default: from the file's tables, else measured)",
    )
    add_sharpening(
        parser,
        "unsharp masking that a camera or an editor did, to be taken back first, 0 for none "
        "(default: measured from x2 on)",
    )


def add_sharpening(parser: argparse.ArgumentParser, words: str) -> None:
    """Adds `--sharpening` with this help, and `--sharpening-radius`."""
    parser.add_argument(
        "--sharpening", type=number(0, MAX_SHARPENING), metavar="AMOUNT", help=words
    )
    parser.add_argument(
        "--sharpening-radius",
        type=number(*SHARPENING_RADII_PX),
        metavar="PX",
        help="how wide it is: std in px of the picture (default: 2.5, a camera's)",
    )


def add_prior(group: argparse._ArgumentGroup) -> None:
    """Adds `--prior`, `--prior-model` and `--trust`: another upscaler's picture."""
    group.add_argument(
        "--prior",
        type=Path,
        metavar="FILE|DIR",
        help="the same picture by any other upscaler, or a folder of them, paired by name; it "
        "sets the scale",
    )
    add_prior_model(group, "--prior")
    group.add_argument(
        "--trust",
        type=number(0, 1),
        metavar="T",
        help=f"how far it is followed: 0 not at all, 1 everywhere, then held to the input "
        f"(default {DEFAULT_TRUST})",
    )


def add_prior_model(
    group: argparse.ArgumentParser | argparse._ArgumentGroup, instead_of: str
) -> None:
    """Adds `--prior-model`."""
    group.add_argument(
        "--prior-model",
        type=Path,
        metavar="FILE",
        help=f"in place of {instead_of}: an upscale model (ESRGAN, SwinIR, ...: what spandrel "
        "reads)",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the commands that run the networks."""
    group = parser.add_argument_group("estimation")
    group.add_argument(
        "--depth", type=Path, metavar="IMG", help="a depth picture, near = bright, of any size"
    )
    group.add_argument(
        "--iterations",
        type=whole_number(1, 16),
        default=SVKR_ROUNDS,
        metavar="T",
        help=f"rounds of kernel refinement (default {SVKR_ROUNDS})",
    )
    group.add_argument(
        "--gamma",
        type=number(0, 1, above=True),
        default=0.9,
        metavar="G",
        help=argparse.SUPPRESS,  # without effect at one round, the default
    )
    add_device_options(parser)


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Adds which weights run, where and how."""
    group = parser.add_argument_group("model and machine")
    group.add_argument(
        "--model",
        default="small",
        metavar="NAME",
        help="weights: small (default), a folder, or owner/name on the hub",
    )
    group.add_argument(
        "--tile",
        type=tile_size,
        default=None,
        metavar="auto|N",
        help="side of a tile in steps of 4 pixels of the result; changes memory, not the picture",
    )
    group.add_argument(
        "--device",
        type=device_name,
        default="auto",
        metavar="NAME",
        help="auto, cpu, cuda, cuda:N or mps (default auto)",
    )
    group.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16", "float16"),
        default="auto",
        help="number format of the networks (default auto)",
    )
    group.add_argument(
        "--progress", action="store_true", help="show progress even if stderr is no terminal"
    )
