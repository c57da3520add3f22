"""`mmsr merge`: take in another upscaler's picture, as far as the input supports it."""

from __future__ import annotations

import argparse
import os
import time
import unicodedata
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ImageFileError, MMSRError
from ..types import DEFAULT_TRUST
from .arguments import (
    UsageError,
    add_common,
    add_device_options,
    add_overrides,
    add_prior_model,
    add_result_size,
    number,
    result_size,
)
from .common import (
    ProgressBar,
    load_model,
    notes_of,
    progress_bar,
    read_overrides,
    say_error,
    say_warning,
)
from .files import (
    add_file_options,
    check_report_file,
    place_below,
    plan_files,
    require_distinct,
    save_like,
)
from .reports import ReportFile

if TYPE_CHECKING:
    from ..pipeline import MMSREngine, PriorModel, PriorResult


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "merge",
        help="make another upscaler's picture faithful",
        description="Restores INPUT faithfully and takes in UPSCALED, the same picture by any "
        "other upscaler or diffusion model: registered, without its colour cast, and the less the "
        "more it contradicts. Of two folders, a.png belongs to a.jpg, else to a name that goes on "
        "from it, such as a_4x.png.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("input", type=Path, metavar="INPUT", help="a picture file or a folder")
    parser.add_argument(
        "upscaled",
        type=Path,
        nargs="?",
        metavar="UPSCALED",
        help="the upscaled file (the prior), or a folder of them",
    )
    add_prior_model(parser, "UPSCALED")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="a file for one file, else a folder"
    )
    parser.add_argument(
        "--trust",
        type=number(0, 1),
        default=DEFAULT_TRUST,
        metavar="T",
        help="how far UPSCALED is followed: 0 not at all, 1 everywhere, then held to the "
        f"input (default {DEFAULT_TRUST})",
    )
    add_result_size(parser, "the whole factor nearest to UPSCALED's")
    parser.add_argument(
        "--maps", type=Path, metavar="DIR", help="write where UPSCALED was followed, white is most"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.json",
        help="write what was found; difference is in 0..1, difference_levels in steps of 255",
    )
    add_overrides(parser)
    add_device_options(parser)
    add_file_options(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    if (args.upscaled is None) == (args.prior_model is None):
        raise UsageError("Give either an upscaled picture or --prior-model.")
    if args.prior_model is not None:
        from ..pipeline.prior_model import check_prior_file

        check_prior_file(args.prior_model)
    files = plan_files(args, [args.input])
    inputs, outputs, batch = files.inputs, files.outputs, files.batch
    priors = _find_priors(args, inputs, batch, bool(files.skipped))
    _check_side_outputs(args, inputs, [p for p in priors if isinstance(p, Path)], outputs)
    started = time.perf_counter()
    report_file = ReportFile(args.report, files)
    reports: list[dict[str, Any]] = []
    with progress_bar(args, len(inputs)) as bar:
        merger = _Merger(args, bar)
        for index, (source, prior, target) in enumerate(zip(inputs, priors, outputs, strict=True)):
            paths = {"input": str(source)}
            try:
                if isinstance(prior, ImageFileError):
                    raise prior
                paths["prior"] = str(prior)
                result, notes = merger.merge(source, prior, target, index)
            except MMSRError as error:
                if not batch:
                    raise
                say_error(f"{source}: {error}")
                reports.append(paths | {"error": str(error)})
                continue
            if source in files.name_notes:
                notes = [files.name_notes[source], *notes]
            merged = result.to_dict()
            reports.append(
                paths | {"output": str(target)} | merged | {"notes": [*notes, *merged["notes"]]}
            )
            if not args.quiet:
                print(f"{source} + {prior} -> {target}")
                told = result.summary().splitlines()
                for line in (*notes, *(line for line in told if line != merger.complaint)):
                    print(f"  {line}", flush=True)
    report_file.write(reports)
    failed = [Path(report["input"]) for report in reports if "error" in report]
    files.say_end(failed, time.perf_counter() - started, args.quiet)
    return 2 if failed else 0


def _find_priors(
    args: argparse.Namespace, inputs: list[Path], batch: bool, skipped: bool
) -> list[Path | ImageFileError]:
    """The file that belongs to each input; of a batch, what is wrong where there is none.

    Raises:
        UsageError: one upscaled file is given for a folder.
        ImageFileError: there is no upscaled file at all, or none for a single input.
    """
    if args.prior_model is not None:
        return [args.prior_model] * len(inputs)
    upscaled: Path = args.upscaled
    if not upscaled.exists():
        raise ImageFileError(f"{upscaled} does not exist.")
    if not upscaled.is_dir():
        if batch:
            raise UsageError(f"{args.input} is a folder, so {upscaled} must be one too.")
        return [upscaled] * len(inputs)
    root = args.input if args.input.is_dir() else args.input.parent
    found = [_prior_of(path, upscaled / path.parent.relative_to(root)) for path in inputs]
    shared = {p for p, count in Counter(found).items() if count > 1 and isinstance(p, Path)}
    found = [
        _several(path, [prior]) if prior in shared and prior.name != path.name else prior
        for path, prior in zip(inputs, found, strict=True)
    ]
    missing = [prior for prior in found if isinstance(prior, ImageFileError)]
    if missing and (not batch or (len(missing) == len(found) and not skipped)):
        raise missing[0]
    return found


def _prior_of(source: Path, folder: Path) -> Path | ImageFileError:
    """The picture of a folder that has an input's name, or else one that goes on from it.

    To `a.jpg` belongs, in this order: `a.jpg`; `a_jpg.png` and `a.jpg.png`, as results of `a.jpg`
    beside `a.png` are named; `a.png`; `a_4x.png` and other names that go on, unless they go on from
    a longer name that is beside the input. Capital letters do not count.
    """
    from ..image import INPUT_SUFFIXES

    def stems(place: Path) -> dict[Path, str]:
        beside = sorted(place.iterdir()) if place.is_dir() else []
        pictures = (p for p in beside if p.is_file() and p.suffix.lower() in INPUT_SUFFIXES)
        return {p: _plain(p.stem) for p in pictures if not _same_file(p, source)}

    name, stem = _plain(source.name), _plain(source.stem)
    longer = {own for own in stems(source.parent).values() if _goes_on(own, stem)}
    there = stems(folder)
    ranks = (
        [p for p in there if _plain(p.name) == name],
        [p for p, own in there.items() if own in (name, name.replace(".", "_"))],
        [p for p, own in there.items() if own == stem],
        [
            p
            for p, own in there.items()
            if _goes_on(own, stem) and not any(own == n or _goes_on(own, n) for n in longer)
        ],
    )
    found = next((rank for rank in ranks if rank), [])
    if len(found) == 1:
        return found[0]
    if found:
        return _several(source, found)
    return ImageFileError(
        f"{folder} holds no other picture for {source.name}: expected {source.stem} with any "
        "ending, or a name that goes on from it and from no other picture's."
    )


def _several(source: Path, found: list[Path]) -> ImageFileError:
    names = ", ".join(p.name for p in found[:3])
    return ImageFileError(
        f"It is not clear which picture of {found[0].parent} belongs to {source.name}: {names}. "
        f"Name it {source.name}, or {source.name.replace('.', '_')}.png."
    )


def _plain(name: str) -> str:
    """A name as most file systems compare it: composed letters, no capitals."""
    return unicodedata.normalize("NFC", name).casefold()


def _same_file(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _goes_on(name: str, start: str) -> bool:
    """Whether a name is another one and more, with a mark between: `a_4x` of `a`, not `ab`."""
    return name.startswith(start) and len(name) > len(start) and not name[len(start)].isalnum()


def _check_side_outputs(
    args: argparse.Namespace, inputs: list[Path], priors: list[Path], outputs: list[Path]
) -> None:
    """Everything about the files to be written that can go wrong before the long run."""
    from ..image import check_can_make_folder

    require_distinct(priors, outputs, "an input of this run")
    taken = [*inputs, *priors, *outputs]
    folders = [target.parent for target in outputs]
    folders += [] if args.maps is None else [args.maps]
    if args.report is not None:
        check_report_file(args.report, folders)
        require_distinct(taken, [args.report], "another file of this run")
    if args.maps is not None:
        check_can_make_folder(args.maps)
        maps = [_map_path(args, target) for target in outputs]
        require_distinct(taken, maps, "another file of this run")


class _Merger:
    """Merges one picture after the other; the models are loaded when the first is read."""

    def __init__(self, args: argparse.Namespace, bar: ProgressBar) -> None:
        self._args = args
        self._bar = bar
        self._pipeline: MMSREngine | None = None
        self._upscale: PriorModel | None = None
        self.complaint = ""
        """What was said of the last picture's prior as a warning; the result has it as a note."""

    def merge(
        self, source: Path, prior: Path, target: Path, index: int
    ) -> tuple[PriorResult, list[str]]:
        """Reads, merges and writes one picture; also what is to be known of the two files.

        A prior that seems to show something else is named before the run.
        """
        from ..image import check_can_hold, load_image, make_folder, save_image
        from ..pipeline import enlarge_alpha, share_progress
        from ..pipeline.prior import prior_scale
        from ..pipeline.prior_match import complaint_of_prior

        args = self._args
        image = load_image(source)
        notes = image.notes
        lr = image.visible_rgb
        height, width = image.size
        wanted = result_size(args)
        size = None if wanted is None else wanted.of(image.size)
        scale = None if wanted is None else wanted.scale(image.size)

        def check(nearest: int) -> None:
            made = size or (height * nearest, width * nearest)
            check_can_hold(target, made)

        if args.prior_model is None:
            other = load_image(prior)
            suggested = other.visible_rgb
            notes = [*notes, *notes_of(prior, other)]
            check(prior_scale(lr, suggested))
            self.complaint = complaint_of_prior(lr, suggested)
            if self.complaint:
                say_warning(f"{prior}: {self.complaint}")
        else:
            upscale = self._prior_model()
            check(upscale.scale)
            suggested = upscale(lr.to(self._engine().device)).cpu()
        pipeline = self._engine()
        nearest = prior_scale(lr, suggested) if scale is None else scale
        made = size or (height * nearest, width * nearest)
        with self._bar.picture(source.name, index) as progress:
            first, second = share_progress(progress, image.alpha, nearest, made)
            result = pipeline.merge_prior(
                lr,
                suggested,
                scale=scale,
                size=size,
                trust=args.trust,
                overrides=read_overrides(args, image),
                tile=args.tile,
                progress=first,
            )
            alpha = enlarge_alpha(pipeline, image.alpha, result.scale, made, args.tile, second)
        notes = [*notes, *save_like(args, target, result.images, image, alpha=alpha)]
        if args.maps is not None:
            weight = result.weight_map.expand(-1, 3, -1, -1)
            path = _map_path(args, target)
            make_folder(path.parent)
            save_image(path, weight)
        return result, notes

    def _engine(self) -> MMSREngine:
        if self._pipeline is None:
            self._pipeline = load_model(self._args)
        return self._pipeline

    def _prior_model(self) -> PriorModel:
        from ..pipeline import load_prior_model

        if self._upscale is None:
            self._upscale = load_prior_model(self._args.prior_model, self._engine().device)
        return self._upscale


def _map_path(args: argparse.Namespace, target: Path) -> Path:
    place = place_below(target, Path(args.output))
    return args.maps / place.with_name(f"{place.name}_prior_weight.png")
