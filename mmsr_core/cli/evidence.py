"""Prompts and a second sensor's picture, as the command line gives them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import UsageError, number
from .common import notes_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipeline import MMSREngine


def add_evidence(parser: argparse.ArgumentParser) -> None:
    """Adds `--prompt`, `--prompt-image`, `--prompt-weight`, `--clip`, `--guide`, `--mode`."""
    parser.add_argument(
        "--prompt",
        metavar="TEXT",
        action="append",
        default=[],
        help="what the picture shows; may be repeated",
    )
    parser.add_argument(
        "--prompt-image",
        type=Path,
        metavar="IMG",
        action="append",
        default=[],
        help="a picture that shows the like (needs --clip); may be repeated",
    )
    parser.add_argument(
        "--prompt-weight",
        type=number(0, 1000),
        metavar="W",
        action="append",
        default=[],
        help="weight of each prompt, texts first, then pictures (default: equal)",
    )
    parser.add_argument(
        "--clip",
        metavar="MODEL",
        help="CLIP ViT-B/32, a folder or a name on the hub, instead of the built-in text encoder",
    )
    parser.add_argument(
        "--guide", type=Path, metavar="IMG", help="a registered picture of a second sensor"
    )
    parser.add_argument(
        "--mode",
        choices=("guide", "fuse"),
        default="guide",
        help="guide: restore INPUT with the guide's structure; fuse: one picture of both "
        "(default guide)",
    )


def check_evidence_options(args: argparse.Namespace, inputs: int) -> None:
    """What can be seen to be wrong before anything is loaded.

    Raises:
        UsageError: options that do not go together.
    """
    if args.prompt_image and args.clip is None:
        raise UsageError("--prompt-image needs --clip: the built-in encoder reads text only.")
    given = len(args.prompt) + len(args.prompt_image)
    if args.prompt_weight and len(args.prompt_weight) != given:
        raise UsageError(f"{given} prompts need as many --prompt-weight, or none.")
    if args.mode == "fuse" and args.guide is None:
        raise UsageError("--mode fuse needs --guide.")
    if args.guide is not None and inputs > 1:
        raise UsageError("--guide fits one picture, but there are several inputs.")


def load_prompt(args: argparse.Namespace, pipeline: MMSREngine) -> list[str] | Tensor | None:
    """All prompts, as they are or as one embedding `(1,512)`; None without any.

    Raises:
        InputError, ImageFileError, WeightsError: a prompt that cannot be used.
    """
    said = [bool(text.strip()) for text in args.prompt]  # a blank one is none, and so its weight
    texts = [text for text, kept in zip(args.prompt, said, strict=True) if kept]
    if not texts and not args.prompt_image:
        return None
    given = [*said, *(True for _ in args.prompt_image)]
    weights = [weight for weight, kept in zip(args.prompt_weight, given, strict=False) if kept]
    weights = weights or None
    if args.clip is None:
        return texts if weights is None else pipeline.encode_prompt(texts, weights=weights)
    from ..image import load_image
    from ..prompts import load_clip, mix_prompts

    encoder = load_clip(args.clip, pipeline.device)
    parts = [encoder.encode_texts(text) for text in texts]
    parts += [encoder.encode_images(load_image(path).rgb) for path in args.prompt_image]
    return mix_prompts(parts, weights)


def load_guide(path: Path) -> tuple[Tensor, list[str]]:
    """The second sensor's picture, `(1,3,gh,gw)`, and what is to be known of the file.

    Raises:
        ImageFileError: a file that cannot be read.
    """
    from ..image import load_image

    picture = load_image(path, float_range="stretch")
    return picture.rgb, notes_of(path, picture)
