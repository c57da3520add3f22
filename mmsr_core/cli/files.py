"""Which pictures a command reads, and where and how its results are written."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ImageFileError
from .arguments import UsageError, colour_name, whole_number
from .common import say_error

if TYPE_CHECKING:
    from torch import Tensor

    from ..image import LoadedImage

FORMATS = ("png", "jpg", "webp", "tiff", "avif", "jxl")
_RAW = (
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf "
    ".rw2 .rwl .sr2 .srf .srw .x3f"
)
_OTHERS = (
    ".ai .avifs .bpg .cur .dcm .dds .dib .djvu .emf .eps .exr .fit .fits .hdr .heics .heifs "
    ".icns .ico .jpf .jpm .jpx .jxr .kra .pcx .pdf .pfm .pic .pict .ps .psb .psd .qoi .sgi .svg "
    ".svgz .tga .wdp .wmf .xbm .xcf .xpm"
)
_UNREAD = frozenset((".heic", ".heif", ".hif", ".jxl", *_RAW.split(), *_OTHERS.split()))
"""Endings of pictures that are not read: they are named, never passed over in silence."""


def _format_name(text: str) -> str:
    """An argument type: a format by any of its usual names."""
    name = text.lower().removeprefix(".")
    return {"jpeg": "jpg", "tif": "tiff"}.get(name, name)


def _name_part(text: str) -> str:
    """An argument type: what may be in the middle of a file's name."""
    if any(c in text for c in '/\\:*?"<>|') or any(ord(c) < 32 for c in text):
        raise argparse.ArgumentTypeError(f"expected a part of a file name, got {text!r}")
    return text


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what is read, and where and how results are written."""
    group = parser.add_argument_group("files")
    group.add_argument(
        "--format",
        type=_format_name,
        choices=FORMATS,
        help="format of results in a folder (default png)",
    )
    group.add_argument(
        "--quality",
        type=whole_number(1, 100),
        metavar="Q",
        help="quality of JPEG, AVIF, or lossy WebP and JPEG XL results (default 95, 90, lossless)",
    )
    add_background(group)
    group.add_argument(
        "--suffix",
        type=_name_part,
        default="",
        metavar="TEXT",
        help="goes to the end of the names in a folder",
    )
    group.add_argument(
        "--recursive", action="store_true", help="read subfolders, too, and keep their structure"
    )
    group.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave out what has a result already, whatever its settings",
    )
    group.add_argument(
        "--strip", action="store_true", help="write no EXIF data and no settings (privacy)"
    )


def add_background(group: argparse._ActionsContainer) -> None:
    """Adds `--background`."""
    group.add_argument(
        "--background",
        type=colour_name,
        metavar="COLOUR",
        help="lay transparent places on this colour: white, black, #rrggbb (default: kept; white "
        "in JPEG, which cannot keep them)",
    )


@dataclass(frozen=True)
class Files:
    """The pictures of a run and their results, in the same order."""

    inputs: list[Path]
    outputs: list[Path]
    batch: bool
    """Several inputs, or a folder."""
    skipped: tuple[tuple[Path, Path], ...] = ()
    """Pictures that have a result already, and their results."""
    unread: tuple[Path, ...] = ()
    """Pictures in the folders whose format is not read."""
    name_notes: dict[Path, str] = field(default_factory=dict)
    """What is to be said of the name of a result that is not as usual, by its picture."""

    def summary(self, failed: Sequence[Path], seconds: float) -> str:
        """One line at the end of a run; empty where the pictures have been told one by one.

        Args:
            failed: the pictures without a result.
            seconds: the time of the run.
        """
        done = len(self.inputs) - len(failed)
        if not (self.skipped or self.unread or failed or (self.batch and done)):
            return ""
        total = len(self.inputs) + len(self.skipped)
        parts = [f"{len(failed)} of {total} pictures failed"] if failed else []
        parts += [f"{done} done"]
        parts += [f"{len(self.skipped)} had a result already"] if self.skipped else []
        text = f"{', '.join(parts)}, in {seconds:.0f} s"
        text += f"; failed: {', '.join(str(path) for path in failed)}" if failed else ""
        return f"{text}; {_unread_words(self.unread)}" if self.unread else text

    def say_end(self, failed: Sequence[Path], seconds: float, quiet: bool) -> None:
        """Says `summary`, as an error where a picture failed, which `quiet` does not silence."""
        text = self.summary(failed, seconds)
        if failed:
            say_error(text)
        elif text and not quiet:
            print(text, flush=True)


def _unread_words(unread: Sequence[Path]) -> str:
    """Names pictures that are not read, and what to install for them."""
    from ..image.plugins import BY_SUFFIX

    names = ", ".join(path.name for path in unread)
    plugins = {BY_SUFFIX.get(path.suffix.lower()) for path in unread} - {None}
    remedies = "".join(sorted(f". {plugin.remedy}" for plugin in plugins if plugin))
    return f"not read, as their format is not known here: {names}{remedies}"


def plan_files(args: argparse.Namespace, paths: Sequence[Path]) -> Files:
    """The inputs and where each result goes; finds out now whether it can be written.

    Args:
        args: with the options of `add_file_options`, and `output`.
        paths: files and folders.

    Raises:
        UsageError: see `plan_outputs`, or results would lie among the pictures of a folder without
            a suffix to tell them apart.
        ImageFileError: see `collect_inputs`, `plan_outputs`.
    """
    out, ends_open = Path(args.output), args.output.endswith(("/", os.sep))
    found = collect_inputs(paths, args.recursive)
    inputs, batch = _without_results(found.inputs, paths, out, args.suffix), found.batch
    folders = [path for path in paths if path.is_dir()] if args.recursive else []
    roots = {p: root for p in inputs for root in folders if root in p.parents}
    ending = f"{args.suffix}.{args.format or 'png'}"
    outputs = plan_outputs(inputs, out, batch, ends_open, ending, roots)
    if outputs == [out] and (args.format or args.suffix):
        raise UsageError(f"--format and --suffix are for folders, but {out} is the name of a file.")
    pairs = list(zip(inputs, outputs, strict=True))
    there = [args.skip_existing and o.is_file() and o.stat().st_size > 0 for _, o in pairs]
    skipped = tuple(pair for pair, skip in zip(pairs, there, strict=True) if skip)
    kept = [pair for pair, skip in zip(pairs, there, strict=True) if not skip]
    notes = _name_notes(pairs, args.suffix) if outputs != [out] else {}
    return Files([i for i, _ in kept], [o for _, o in kept], batch, skipped, found.unread, notes)


def _name_notes(pairs: Sequence[tuple[Path, Path]], suffix: str) -> dict[Path, str]:
    """Which pictures share a name, so that their results have the endings in theirs."""
    notes: dict[Path, str] = {}
    for source, target in pairs:
        if target.stem == f"{source.stem}{suffix}":
            continue
        others = [
            other.name
            for other, its in pairs
            if other is not source
            and its.parent == target.parent
            and other.stem.casefold() == source.stem.casefold()
        ]
        usual = f"{source.stem}{suffix}{target.suffix}"
        notes[source] = (
            f"Named {target.name}: {usual} could be that of {', '.join(others)} as well."
        )
    return notes


def _without_results(
    inputs: list[Path], paths: Sequence[Path], out: Path, suffix: str
) -> list[Path]:
    """Leaves out the results of an earlier run: a folder must not eat its own."""
    folders = [path for path in paths if path.is_dir()]
    if not folders or not out.is_dir():
        return inputs
    if not any(os.path.samefile(folder, out) for folder in folders):
        place, asked = out.resolve(), set(paths)
        return [p for p in inputs if p in asked or place not in p.resolve().parents]
    if not suffix:
        raise UsageError(
            f"The results would lie among the pictures of {out}; give another folder, or --suffix."
        )
    names = {(path.parent, path.stem) for path in inputs}
    return [
        path
        for path in inputs
        if not (
            path.stem.endswith(suffix) and (path.parent, path.stem.removesuffix(suffix)) in names
        )
    ]


@dataclass(frozen=True)
class _Found:
    inputs: list[Path]
    batch: bool
    unread: tuple[Path, ...]


def collect_inputs(paths: Sequence[Path], recursive: bool = False) -> _Found:
    """Lists the picture files: files as given, folders as the pictures in them, sorted.

    Hidden files of a folder are left out: `._a.jpg` is what macOS keeps beside `a.jpg`.

    Args:
        paths: files and folders.
        recursive: read subfolders, too.

    Returns:
        The files, whether this is a batch (several inputs, or a folder), and the pictures in the
        folders that are not read.

    Raises:
        ImageFileError: there is nothing to do: a single file is missing, or a folder is missing
            or has no pictures. Missing files of a batch are left to fail one by one.
    """
    from ..image import INPUT_SUFFIXES

    batch = len(paths) > 1 or paths[0].is_dir()
    files: list[Path] = []
    unread: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            names = sorted(path.rglob("*") if recursive else path.iterdir())
        except OSError as error:
            raise ImageFileError(f"The folder {path} cannot be read: {error.strerror}.") from error
        shown = [
            p for p in names if not any(part.startswith(".") for part in p.relative_to(path).parts)
        ]
        pictures = [p for p in shown if p.is_file()]
        found = [p for p in pictures if p.suffix.lower() in INPUT_SUFFIXES]
        unread += [p for p in pictures if p.suffix.lower() in _UNREAD - INPUT_SUFFIXES]
        if not found and len(paths) == 1:
            raise ImageFileError(_nothing_to_read(path, recursive, unread))
        files += found or [path]  # in a batch an empty folder fails by itself, the rest goes on
    if not any(path.exists() for path in files):
        raise ImageFileError(f"{files[0]} does not exist.")
    return _Found(files, batch, tuple(unread))


def _nothing_to_read(folder: Path, recursive: bool, unread: Sequence[Path]) -> str:
    """Why nothing in a folder is read, and what to do."""
    from ..image import INPUT_SUFFIXES

    text = f"The folder {folder} has no picture files in it"
    if unread:
        text += f" that can be read; {_unread_words(unread)}"
    below = () if recursive else (p.relative_to(folder) for p in folder.rglob("*"))
    if any(
        p.suffix.lower() in INPUT_SUFFIXES and not any(part.startswith(".") for part in p.parts)
        for p in below
    ):
        text += "; its subfolders have: add --recursive"
    return f"{text}."


def plan_outputs(
    inputs: Sequence[Path],
    out: Path,
    batch: bool,
    ends_open: bool,
    ending: str = ".png",
    roots: dict[Path, Path] | None = None,
) -> list[Path]:
    """Names the result of each input, and finds out now whether it can be written.

    Args:
        inputs: The picture files.
        out: What the user gave: a file for one input, else a folder, which is made when something
            is saved in it.
        batch: Whether a folder is wanted.
        ends_open: `out` was written with a separator at its end, so it means a folder.
        ending: of the names in a folder.
        roots: the folders below which the results of some inputs keep their places.

    Returns:
        One file for each input.

    Raises:
        UsageError: Two results would have the same name, or one would replace an input.
        ImageFileError: The place cannot be written.
    """
    from ..image import (
        OUTPUT_SUFFIXES,
        check_can_make_folder,
        check_output_suffix,
        check_writable_folder,
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
        roots = roots or {}
        places = [p.parent.relative_to(roots[p]) if p in roots else Path() for p in inputs]
        stems = Counter(
            str(place / path.stem).casefold() for path, place in zip(inputs, places, strict=True)
        )
        outputs = [
            out / place / f"{path.stem if alone else path.name.replace('.', '_')}{ending}"
            for path, place in zip(inputs, places, strict=True)
            for alone in [stems[str(place / path.stem).casefold()] == 1]
        ]
    seen: dict[str, Path] = {}
    for source, target in zip(inputs, outputs, strict=True):
        other = seen.setdefault(str(target).casefold(), source)
        if other is not source:
            raise UsageError(
                f"{other} and {source} would both be written to {target}; rename one of them."
            )
    require_distinct(inputs, outputs, "the input")
    if outputs == [out]:
        check_writable_folder(out.parent)
    else:
        for folder in dict.fromkeys(target.parent for target in outputs) or [out]:
            check_can_make_folder(folder)
    return outputs


def place_below(target: Path, out: Path) -> Path:
    """A result's place below the folder of results, without its ending: where its maps lie, too."""
    return target.relative_to(out).with_suffix("") if out in target.parents else Path(target.stem)


def check_report_file(report: Path, folders: Sequence[Path]) -> None:
    """Finds out now whether a report can be written.

    Args:
        report: the file.
        folders: of the results, which may not be there yet, as those above them.

    Raises:
        ImageFileError: it is a folder, or its folder is missing or cannot be written.
    """
    from ..image import check_can_make_folder, check_writable_folder

    if report.is_dir():
        raise ImageFileError(f"Cannot write {report}: it is a folder; give a file name.")
    place = Path(os.path.realpath(report.parent))
    made = [Path(os.path.realpath(folder)) for folder in folders]
    if any(place == folder or place in folder.parents for folder in made):
        check_can_make_folder(report.parent)
    else:
        check_writable_folder(report.parent)


def require_distinct(sources: Sequence[Path], targets: Sequence[Path], what: str) -> None:
    """Refuses to write over a file that is read.

    Raises:
        UsageError: A target is one of the sources.
    """
    read = {os.path.realpath(path): path for path in sources}
    for target in targets:
        if os.path.realpath(target) in read:
            raise UsageError(f"The output {target} is {what} itself; choose another place.")


def save_like(
    args: argparse.Namespace,
    target: Path,
    images: Tensor,
    image: LoadedImage,
    metadata: dict[str, str] | None = None,
    alpha: Tensor | None = None,
) -> list[str]:
    """Writes a result as its input is: alpha, profile, bits, grey, EXIF data, dpi and texts.

    Args:
        args: with the options of `add_file_options`.
        target: The file.
        images: `(1,3,H,W)`, 0..1.
        image: The input.
        metadata: Texts for the file.
        alpha: `(1,1,H,W)`, 0..1: of the result.

    Returns:
        What is to be known of the file: where transparency or bits were lost.
    """
    from ..image import can_be_deep, make_folder, save_image

    texts = image.texts if target.suffix.lower() == ".png" else {}
    make_folder(target.parent)
    save_image(
        target,
        images,
        alpha,
        metadata=None if args.strip else texts | (metadata or {}),
        icc_profile=image.icc_profile,
        bit_depth=16 if image.bit_depth > 8 and can_be_deep(target) else 8,
        quality=args.quality,
        exif=None if args.strip else image.exif,
        dpi=image.dpi,
        background=args.background,
        grey=image.grey,
    )
    return [*bit_notes(target, image), *background_notes(args, target, image)]


def bit_notes(target: Path, image: LoadedImage) -> list[str]:
    """What is to be said where a picture of more than 8 bits per channel is written with 8."""
    from ..image import can_be_deep

    if image.bit_depth <= 8 or can_be_deep(target):
        return []
    return [
        f"Written with 8 bits per channel, as {target.suffix} holds no more; .png and .tif keep 16."
    ]


def background_notes(args: argparse.Namespace, target: Path, image: LoadedImage) -> list[str]:
    """What is to be said where transparent places of a picture are laid on a colour."""
    from ..image import ground_of, ground_words

    ground = ground_of(target, image.alpha, args.background)
    if ground is None:
        return []
    hint = "" if args.background else " --background COLOUR takes another colour."
    return [ground_words(target, ground) + hint]
