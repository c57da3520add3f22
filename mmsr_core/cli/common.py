"""What the commands share: messages, progress, loading of the model and of evidence."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, KernelFileError
from ..types import SHARPENING_RADIUS_PX, Progress, ProgressCallback

if TYPE_CHECKING:
    from torch import Tensor

    from ..degradation import KernelField, Sharpening
    from ..image import LoadedImage
    from ..pipeline import MMSREngine, Overrides


_UNITS = 1000
"""Units of the bar for each picture."""


def one_line(text: object) -> str:
    """A text without line breaks."""
    return " ".join(str(text).split())


def say_error(message: str) -> None:
    """Writes one `mmsr: error:` line to stderr."""
    print(f"mmsr: error: {one_line(message)}", file=sys.stderr, flush=True)


def say_warning(message: str) -> None:
    """Writes one `mmsr: warning:` line to stderr: the run goes on."""
    print(f"mmsr: warning: {one_line(message)}", file=sys.stderr, flush=True)


def quiet_libraries() -> None:
    """Keeps the notices of other libraries off stderr; their errors still come through."""
    for name in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY"):
        os.environ.setdefault(name, "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in ("PIL", "accelerate", "diffusers", "huggingface_hub", "torch", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)


def load_kernel(path: Path, size: tuple[int, int], scale: int) -> KernelField:
    """Reads a kernel file that must fit a picture.

    Args:
        path: The file.
        size: Height and width of the LR picture.
        scale: The factor of this run.

    Raises:
        KernelFileError: The file is unusable or made for another size or scale.
    """
    from ..degradation import KernelField

    if not path.is_file():
        raise KernelFileError(f"The kernel file {path} does not exist.")
    field = KernelField.load(path)
    if field.scale != scale:
        raise KernelFileError(f"{path} is for scale {field.scale}, but --scale is {scale}.")
    if (field.height, field.width) != size:
        raise KernelFileError(
            f"{path} is for a picture of {field.width}x{field.height}, "
            f"but this one has {size[1]}x{size[0]} pixels."
        )
    return field


def load_depth(path: Path, size: tuple[int, int]) -> tuple[Tensor, list[str]]:
    """Reads a depth picture for an LR picture of the given height and width.

    Returns:
        `(1,1,h,w)`, and what is to be known of the file.
    """
    from ..image import load_image

    picture = load_image(path, float_range="stretch")
    from ..depth import depth_from_picture  # Slow to import: only once the file is good.

    return depth_from_picture(picture.rgb, size), notes_of(path, picture)


def notes_of(path: Path, picture: LoadedImage) -> list[str]:
    """What is to be known of a file that a run reads beside its picture."""
    return [f"{path.name}: {note}" for note in picture.notes]


def load_model(args: argparse.Namespace) -> MMSREngine:
    """Loads the pipeline that the options name.

    Raises:
        WeightsError: The weights are missing or damaged.
        InputError: The device is not there.
    """
    from ..pipeline import load_pipeline

    return load_pipeline(args.model, device=args.device, torch_dtype=args.dtype)


class ProgressBar:
    """One bar for all pictures of a run, which tells the time left for all of them."""

    def __init__(self, bar: Any) -> None:
        """Args: what tqdm made for `_UNITS` of each picture; None shows nothing."""
        self._bar = bar

    @contextmanager
    def picture(self, title: str, index: int = 0) -> Iterator[ProgressCallback | None]:
        """The callback of one picture, `index` of which are done."""
        bar = self._bar
        if bar is None:
            yield None
            return
        if not bar.n:
            bar.unpause()  # loading the model is no part of the time for a picture

        def show(event: Progress) -> None:
            bar.set_description(f"{title}: {event.stage}", refresh=False)
            bar.update(_UNITS * index + _UNITS * event.done // event.total - bar.n)

        yield show
        bar.clear()  # what is printed next does not run into it


@contextmanager
def progress_bar(args: argparse.Namespace, pictures: int = 1) -> Iterator[ProgressBar]:
    """A bar on stderr, where that is a terminal or `--progress` was given."""
    if args.quiet or not (args.progress or sys.stderr.isatty()):
        yield ProgressBar(None)
        return
    from tqdm import tqdm

    with tqdm(
        total=_UNITS * pictures,
        bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
        leave=False,
        file=sys.stderr,
        smoothing=0.3 if pictures == 1 else 0,  # of several, the time that they took on average
        delay=1e-3,  # nothing is shown before the first event
    ) as bar:
        yield ProgressBar(bar)


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, as a whole or not at all; what is not finite becomes null."""
    from ..image import atomic_write_text

    atomic_write_text(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    if isinstance(content, float) and content - content != 0:
        return None
    return content


def read_overrides(
    args: argparse.Namespace, image: LoadedImage, kernel: Path | None = None
) -> Overrides:
    """What the options, the picture's own file and the one with its blur say about its damage.

    Args:
        args: the options.
        image: the picture.
        kernel: its kernel file: kernels go with the sharpening that was taken back before them.
    """
    from ..pipeline import Overrides

    noise_std = None if args.noise_std is None else args.noise_std / 255
    known = Overrides(noise_std, args.jpeg, image.jpeg_quality)
    sharpening = known_sharpening(args, kernel)
    if sharpening is None:
        return known
    amount, radius = float(sharpening.amount), float(sharpening.radius_px)
    return replace(known, sharpening=amount, sharpening_radius_px=radius)


def known_sharpening(args: argparse.Namespace, kernel: Path | None) -> Sharpening | None:
    """What `--sharpening` says, else what belongs to a kernel file; None: not known."""
    from ..degradation import Sharpening, read_sharpening

    if args.sharpening is not None:
        radius = args.sharpening_radius
        return Sharpening.of(args.sharpening, SHARPENING_RADIUS_PX if radius is None else radius)
    if args.sharpening_radius is not None:
        raise InputError("--sharpening-radius says how wide --sharpening is: give both.")
    return None if kernel is None else read_sharpening(kernel)
