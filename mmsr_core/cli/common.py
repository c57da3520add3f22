"""What the commands share: inputs and outputs, messages, progress, loading of the model."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ImageFileError, KernelFileError
from ..types import Progress, ProgressCallback
from .arguments import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from ..degradation import KernelField
    from ..image import LoadedImage
    from ..pipeline import MMSREngine, Overrides


def one_line(text: object) -> str:
    """A text without line breaks."""
    return " ".join(str(text).split())


def say_error(message: str) -> None:
    """Writes one `mmsr: error:` line to stderr."""
    print(f"mmsr: error: {one_line(message)}", file=sys.stderr, flush=True)


def quiet_libraries() -> None:
    """Keeps the notices of other libraries off stderr; their errors still come through."""
    for name in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY"):
        os.environ.setdefault(name, "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in ("PIL", "accelerate", "diffusers", "huggingface_hub", "torch", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)


def collect_inputs(paths: Sequence[Path]) -> tuple[list[Path], bool]:
    """Lists the picture files: files as given, folders as the pictures in them, sorted.

    Hidden files of a folder are left out: `._a.jpg` is what macOS keeps beside `a.jpg`.

    Args:
        paths: Files and folders.

    Returns:
        The files, and whether this is a batch (several inputs, or a folder).

    Raises:
        ImageFileError: There is nothing to do: a single file is missing, or a folder is missing
            or has no pictures. Missing files of a batch are left to fail one by one.
    """
    from ..image import INPUT_SUFFIXES

    batch = len(paths) > 1 or paths[0].is_dir()
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            names = sorted(path.iterdir())
        except OSError as error:
            raise ImageFileError(f"The folder {path} cannot be read: {error.strerror}.") from error
        shown = [p for p in names if not p.name.startswith(".")]
        found = [p for p in shown if p.suffix.lower() in INPUT_SUFFIXES and p.is_file()]
        if not found and len(paths) == 1:
            raise ImageFileError(f"The folder {path} has no picture files in it.")
        files += found or [path]  # in a batch an empty folder fails by itself, the rest goes on
    if not any(path.exists() for path in files):
        raise ImageFileError(f"{files[0]} does not exist.")
    return files, batch


def plan_outputs(inputs: Sequence[Path], out: Path, batch: bool, ends_open: bool) -> list[Path]:
    """Names the result of each input, and finds out now whether it can be written.

    Args:
        inputs: The picture files.
        out: What the user gave: a file for one input, else a folder, which is created.
        batch: Whether a folder is wanted.
        ends_open: `out` was written with a separator at its end, so it means a folder.

    Returns:
        One file for each input.

    Raises:
        UsageError: Two results would have the same name, or one would replace an input.
        ImageFileError: The place cannot be written.
    """
    from ..image import (
        OUTPUT_SUFFIXES,
        check_output_suffix,
        check_writable_folder,
        make_folder,
    )

    if not batch and not ends_open and not out.is_dir():
        check_output_suffix(out)
        outputs = [out]
    else:
        if batch and out.suffix.lower() in OUTPUT_SUFFIXES and not out.is_dir():
            raise UsageError(
                f"Several pictures need a folder, but {out} looks like a picture file."
            )
        # Many file systems, under Linux too, do not tell A.png from a.png.
        stems = Counter(path.stem.casefold() for path in inputs)
        outputs = [
            out / f"{path.stem if stems[path.stem.casefold()] == 1 else path.name}.png"
            for path in inputs
        ]
    seen: dict[str, Path] = {}
    for source, target in zip(inputs, outputs, strict=True):
        other = seen.setdefault(str(target).casefold(), source)
        if other is not source:
            raise UsageError(f"{other} and {source} would both be written to {target}.")
    require_distinct(inputs, outputs, "the input")
    if outputs == [out]:
        check_writable_folder(out.parent)
    else:
        make_folder(out)
    return outputs


def require_distinct(sources: Sequence[Path], targets: Sequence[Path], what: str) -> None:
    """Refuses to write over a file that is read.

    Raises:
        UsageError: A target is one of the sources.
    """
    read = {os.path.realpath(path): path for path in sources}
    for target in targets:
        if os.path.realpath(target) in read:
            raise UsageError(f"The output {target} is {what} itself; choose another place.")


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


def load_depth(path: Path, size: tuple[int, int]) -> Tensor:
    """Reads a depth picture for an LR picture of the given height and width: `(1,1,h,w)`."""
    from ..image import load_image

    picture = load_image(path, float_range="stretch")
    from ..depth import depth_from_picture  # Slow to import: only once the file is good.

    return depth_from_picture(picture.rgb, size)


def load_model(args: argparse.Namespace) -> MMSREngine:
    """Loads the pipeline that the options name.

    Raises:
        WeightsError: The weights are missing or damaged.
        InputError: The device is not there.
    """
    from ..pipeline import load_pipeline

    return load_pipeline(args.model, device=args.device, torch_dtype=args.dtype)


@contextmanager
def progress_bar(args: argparse.Namespace, title: str) -> Iterator[ProgressCallback | None]:
    """A bar on stderr, where that is a terminal or `--progress` was given."""
    if args.quiet or not (args.progress or sys.stderr.isatty()):
        yield None
        return
    from tqdm import tqdm

    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with tqdm(total=1, desc=title, bar_format=form, leave=False, file=sys.stderr) as bar:

        def show(event: Progress) -> None:
            bar.total = event.total
            bar.set_description(f"{title}: {event.stage}", refresh=False)
            bar.update(event.done - bar.n)

        yield show


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


def read_overrides(args: argparse.Namespace, image: LoadedImage) -> Overrides:
    """What `--noise-std`, `--jpeg` and the picture's own file say about its damage."""
    from ..pipeline import Overrides

    noise_std = None if args.noise_std is None else args.noise_std / 255
    return Overrides(noise_std, args.jpeg, image.jpeg_quality)


def save_like(
    target: Path, images: Tensor, image: LoadedImage, metadata: dict[str, str] | None = None
) -> None:
    """Writes a result with the alpha, colour profile and depth of its input.

    Args:
        target: The file.
        images: `(1,3,H,W)`, 0..1.
        image: The input.
        metadata: Texts for the file.
    """
    from ..image import resize_alpha, save_image

    height, width = images.shape[-2:]
    alpha = None if image.alpha is None else resize_alpha(image.alpha, (height, width))
    deep = image.bit_depth > 8 and target.suffix.lower() == ".png"
    save_image(
        target,
        images,
        alpha,
        metadata=metadata,
        icc_profile=image.icc_profile,
        bit_depth=16 if deep else 8,
    )
