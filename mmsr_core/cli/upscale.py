"""`mmsr upscale`: restore pictures and say what was wrong with them."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import ImageFileError, MMSRError
from ..types import DEFAULT_PRESET, DEFAULT_TRUST, MAX_BLUR_SIGMA_PX, PRESETS, SVKR_ROUNDS
from . import merge
from .arguments import (
    UsageError,
    add_common,
    add_model_options,
    add_overrides,
    add_prior,
    add_result_size,
    number,
    result_size,
    strength,
    whole_number,
)
from .common import (
    load_depth,
    load_kernel,
    load_model,
    progress_bar,
    read_overrides,
    say_error,
    say_warning,
)
from .evidence import add_evidence, check_evidence_options, load_guide, load_prompt
from .files import (
    Files,
    add_file_options,
    check_report_file,
    place_below,
    plan_files,
    require_distinct,
    save_like,
)
from .maps import check_map_names, write_maps
from .processes import Processes
from .reports import ReportFile

if TYPE_CHECKING:
    from torch import Tensor

    from ..image import LoadedImage
    from ..pipeline import MMSREngine, RestorationOutput
    from ..types import ProgressCallback


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "upscale",
        help="restore pictures",
        description="Measures the damage of each picture, restores it and reports on it.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="picture files or folders")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="a file for one file, else a folder"
    )
    parser.add_argument(
        "--frames",
        action="store_true",
        help="the inputs are the frames of one clip, in the order of their names: they are "
        "measured together and do not flicker",
    )
    add_result_size(parser, "4, or as the prior is")
    parser.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help=f"steps and detail together: faithful invents nothing (default {DEFAULT_PRESET})",
    )
    parser.add_argument(
        "--steps",
        type=whole_number(0, 64),
        metavar="N",
        help="sampling steps; 0 gives the most faithful picture without texture (default: preset)",
    )
    parser.add_argument(
        "--detail",
        type=number(0, 2),
        metavar="A",
        help="0 faithful, 1 as sampled, up to 2 (default: preset)",
    )
    parser.add_argument(
        "--seed", type=whole_number(0, 2**63 - 1), default=0, metavar="N", help="default 0"
    )
    add_evidence(parser)
    prior = parser.add_argument_group("another upscaler as a prior (as in `mmsr merge`)")
    add_prior(prior)
    blur = parser.add_mutually_exclusive_group()
    blur.add_argument(
        "--kernel",
        type=Path,
        metavar="FILE",
        help="a known kernel field (.safetensors), with its sharpening",
    )
    blur.add_argument(
        "--blur-sigma-px",
        type=number(0, MAX_BLUR_SIGMA_PX, above=True),
        metavar="S",
        help="a known blur: standard deviation of a Gaussian in pixels of the result",
    )
    grain = parser.add_mutually_exclusive_group()
    grain.add_argument(
        "--denoise",
        type=number(0, 1),
        default=1.0,
        metavar="A",
        help="how much of the noise is taken away, 0 to 1 (default 1)",
    )
    grain.add_argument(
        "--keep-grain", dest="denoise", action="store_const", const=0.0, help="as --denoise 0"
    )
    add_overrides(parser)
    parser.add_argument(
        "--strength",
        type=strength,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="weight of picture, blur, depth, prompt or guide, 0 to 2; 0 leaves it out; may be "
        "repeated",
    )
    parser.add_argument(
        "--consistency",
        choices=("ibp", "cg", "off"),
        default="ibp",
        help="how the result is made to agree with the input (default ibp)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.json",
        help="write the settings and what was measured; noise_std is in 0..1, noise_levels in "
        "steps of 255 as options take it",
    )
    parser.add_argument(
        "--maps", type=Path, metavar="DIR", help="write pictures of the kernels, depth and weights"
    )
    add_model_options(parser)
    add_file_options(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    if args.prior is not None or args.prior_model is not None:
        return merge.run(_merge_arguments(args))
    if args.trust is not None:
        raise UsageError("--trust needs --prior or --prior-model.")
    chosen = PRESETS[args.preset or DEFAULT_PRESET]
    args.steps = chosen.steps if args.steps is None else args.steps
    args.detail = chosen.detail if args.detail is None else args.detail
    processes = Processes.started()
    files = plan_files(args, [Path(text) for text in args.inputs])
    if args.frames:
        files = _clip_files(args, files, processes)
    inputs, outputs, batch = files.inputs, files.outputs, files.batch
    check_evidence_options(args, len(inputs))
    stems = [
        place_below(t, Path(args.output)).as_posix() if batch else s.stem
        for s, t in zip(inputs, outputs, strict=True)
    ]
    _check_side_outputs(args, inputs, outputs, stems)
    processes.gather([])  # all have listed the same files before the first result is written
    args.device = processes.device(args.device)
    named = [files.name_notes.get(path, "") for path in inputs]
    jobs = processes.share([_Job(*one) for one in zip(inputs, outputs, stems, named, strict=True)])
    started = time.perf_counter()
    results: list[_Result] = []
    report_file = ReportFile(args.report, files)
    for result in _run_clip(args, jobs) if args.frames else _run_jobs(args, jobs, batch):
        results.append(result)
        if processes.count == 1:  # what is finished is kept if the run is interrupted
            report_file.write([result.report for result in results])
    results = processes.gather(results)
    if processes.rank == 0:
        report_file.write([result.report for result in results])
    if processes.rank == 0:
        failed = [result.source for result in results if result.code]
        files.say_end(failed, time.perf_counter() - started, args.quiet)
    codes = {result.code for result in results}
    return 1 if 1 in codes else max(codes, default=0)


_NOT_OF_A_MERGE = {
    **dict.fromkeys(("preset", "steps", "detail", "prompt", "prompt_image", "guide", "kernel")),
    **dict.fromkeys(("blur_sigma_px", "depth", "strength")), "frames": False,
    "seed": 0, "denoise": 1.0, "consistency": "ibp", "iterations": SVKR_ROUNDS,
}  # fmt: skip
"""Options of this command that a merge does not have, and their defaults."""


def _merge_arguments(args: argparse.Namespace) -> argparse.Namespace:
    """The same job as `mmsr merge` has it; it takes no steps.

    Raises:
        UsageError: an option that a merge does not have.
    """
    if len(args.inputs) > 1:
        raise UsageError("With a prior, give one picture or one folder.")
    for name, default in _NOT_OF_A_MERGE.items():
        if getattr(args, name) not in (default, []):
            option = name.replace("_", "-")
            raise UsageError(f"--{option} and a prior cannot be used together.")
    trust = DEFAULT_TRUST if args.trust is None else args.trust
    changed = {"input": Path(args.inputs[0]), "upscaled": args.prior, "trust": trust}
    return argparse.Namespace(**{**vars(args), **changed})


@dataclass(frozen=True)
class _Job:
    """One picture of a run."""

    source: Path
    target: Path
    stem: str
    """How the names of its maps begin, with their place below the folder."""
    name_note: str = ""
    """What is to be said of the name of its result; empty where that is as usual."""


@dataclass(frozen=True)
class _Result:
    """What became of one picture."""

    source: Path
    code: int
    """0 done, 2 bad input, 1 an unexpected failure."""
    report: dict[str, Any]


def _run_jobs(args: argparse.Namespace, jobs: list[_Job], batch: bool) -> Iterator[_Result]:
    """Restores one picture after the other; in a batch a failure ends nothing."""
    pipeline: MMSREngine | None = None
    prompt: list[str] | Tensor | None = None
    with progress_bar(args, len(jobs)) as bar:
        for index, job in enumerate(jobs):
            source = job.source
            title = f"{source.name} ({index + 1}/{len(jobs)})" if len(jobs) > 1 else source.name
            try:
                image, options, notes = _load(args, source, job.target)
            except MMSRError as error:
                if not batch:
                    raise
                yield _failure(source, error)
                continue
            if pipeline is None:  # outside the try: without a model no picture can be made
                pipeline = load_model(args)
                prompt = load_prompt(args, pipeline)
            try:
                with bar.picture(title, index) as progress:
                    made = _restored(pipeline, image, prompt, options, progress)
                yield _finished(args, job, image, *made, notes)
            except Exception as error:
                if not batch or (args.debug and not isinstance(error, MMSRError)):
                    raise
                yield _failure(source, error)


def _restored(
    pipeline: MMSREngine,
    image: LoadedImage,
    prompt: list[str] | Tensor | None,
    options: dict[str, Any],
    progress: ProgressCallback | None,
) -> tuple[RestorationOutput, Tensor | None]:
    """One picture and its alpha."""
    from ..pipeline import enlarge_alpha, share_progress

    alpha, scale, size = image.alpha, options["scale"], options["size"]
    first, second = share_progress(progress, alpha, scale, size)
    output = pipeline(image.visible_rgb, prompt=prompt, progress=first, **options)
    return output, enlarge_alpha(pipeline, alpha, scale, size, options["tile"], second)


def _clip_files(args: argparse.Namespace, files: Files, processes: Processes) -> Files:
    """The frames of a clip in their order; finds out now what does not go together with it.

    Raises:
        UsageError: options that no clip has.
        ImageFileError: the frames differ in size.
    """
    from ..image import read_size

    for option in ("skip_existing", "guide", "depth"):
        if getattr(args, option):
            name = option.replace("_", "-")
            why = ": a frame needs those around it" if option == "skip_existing" else ""
            raise UsageError(f"--{name} and --frames cannot be used together{why}.")
    if processes.count > 1:
        raise UsageError("The frames of a clip need each other: start --frames in one process.")
    pairs = list(zip(files.inputs, files.outputs, strict=True))
    if len(args.inputs) == 1:  # a folder; files keep the order in which they are given
        pairs.sort(key=lambda pair: _counting(pair[0]))
    first = read_size(pairs[0][0])
    for path, _ in pairs[1:]:
        size = read_size(path)
        if size != first:
            raise ImageFileError(
                f"All frames of a clip must have one size: {path} has {size[1]}x{size[0]} pixels, "
                f"but {pairs[0][0]} {first[1]}x{first[0]}."
            )
    return replace(files, inputs=[i for i, _ in pairs], outputs=[o for _, o in pairs])


def _counting(path: Path) -> tuple[str | int, ...]:
    """A key by which frame 10 comes after frame 9: texts and numbers take turns."""
    parts = re.split(r"(\d+)", str(path))
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))


class _Frames:
    """The frames of a clip, each read when it is needed."""

    def __init__(self, args: argparse.Namespace, jobs: list[_Job]) -> None:
        self._args = args
        self._jobs = jobs
        self.waiting: deque[LoadedImage] = deque()
        """Those that have no result yet, in order."""

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Tensor]:
        for job in self._jobs:
            image, _, _ = _load(self._args, job.source, job.target)
            self.waiting.append(image)
            yield image.visible_rgb


def _run_clip(args: argparse.Namespace, jobs: list[_Job]) -> Iterator[_Result]:
    """Restores the frames of a clip; what fails ends the run, as the frames need each other."""
    from ..pipeline import enlarge_alpha

    _, options, _ = _load(args, jobs[0].source, jobs[0].target)
    for name in ("guide", "guide_mode", "inverse_depth"):
        del options[name]
    pipeline = load_model(args)
    prompt = load_prompt(args, pipeline)
    frames = _Frames(args, jobs)
    with progress_bar(args) as bar, bar.picture(f"{len(jobs)} frames") as progress:
        results = pipeline.restore_clip(frames, prompt=prompt, progress=progress, **options)
        for job, output in zip(jobs, results, strict=True):
            image, size = frames.waiting.popleft(), options["size"]
            alpha = enlarge_alpha(pipeline, image.alpha, options["scale"], size, args.tile)
            yield _finished(args, job, image, output, alpha)


def _finished(
    args: argparse.Namespace,
    job: _Job,
    image: LoadedImage,
    output: RestorationOutput,
    alpha: Tensor | None,
    beside: Sequence[str] = (),
) -> _Result:
    """Saves one result and says what was measured, and what is to be known of what was read."""
    from ..pipeline.second_sensor import OFF_ITS_PLACE

    source, target = job.source, job.target
    named = [job.name_note] if job.name_note else []
    notes = [*named, *image.notes, *beside]
    notes += _save(args, target, job.stem, image, alpha, output)
    unsure = [note for note in output.report.notes if note.startswith(OFF_ITS_PLACE)]
    for note in unsure:
        say_warning(f"{args.guide}: {note}")
    if not args.quiet:
        print(f"{source} -> {target}")
        for line in (*notes, *output.report.summary().splitlines()):
            if line not in unsure:
                print(f"  {line.strip()}", flush=True)
    report = output.report.to_dict()
    report["notes"] = [*notes, *report["notes"]]
    return _Result(source, 0, {"input": str(source), "output": str(target)} | report)


def _failure(source: Path, error: Exception) -> _Result:
    known = isinstance(error, MMSRError)
    text = str(error) if known else f"unexpected {type(error).__name__}: {error}"
    say_error(text if str(source) in text else f"{source}: {text}")
    return _Result(source, 2 if known else 1, {"input": str(source), "error": text})


def _check_side_outputs(
    args: argparse.Namespace, inputs: list[Path], outputs: list[Path], stems: list[str]
) -> None:
    """Everything about `--report` and `--maps` that can go wrong before the long run."""
    from ..image import check_can_make_folder

    read = [path for path in (args.kernel, args.depth, args.guide) if path is not None]
    read += args.prompt_image
    require_distinct(read, outputs, "an input of this run")
    folders = [target.parent for target in outputs]
    if args.maps is not None:
        check_can_make_folder(args.maps)
        folders.append(args.maps)
    if args.report is not None:
        check_report_file(args.report, folders)
        require_distinct([*inputs, *read, *outputs], [args.report], "another file of this run")
    if args.maps is not None:
        report = [] if args.report is None else [args.report]
        check_map_names(args.maps, args.steps, stems, [*inputs, *read, *outputs, *report])
    if args.depth is not None and len(inputs) > 1:
        raise UsageError("--depth fits one picture, but there are several inputs.")


def _load(
    args: argparse.Namespace, source: Path, target: Path
) -> tuple[LoadedImage, dict[str, Any], list[str]]:
    """Reads one picture and what belongs to it; nothing here takes long.

    Returns:
        The picture, the pipeline's options for it, and what is to be known of the files beside it.
    """
    from ..image import TargetSize, check_can_hold, check_output_size, load_image, read_size

    wanted = result_size(args) or TargetSize("factor", 4)
    header = read_size(source)
    check_output_size(header, wanted.scale(header))
    image = load_image(source)
    scale, size = wanted.scale(image.size), wanted.of(image.size)
    check_can_hold(target, size)
    kernel = None if args.kernel is None else load_kernel(args.kernel, image.size, scale)
    depth, guide, notes = None, None, []
    if args.depth is not None:
        depth, notes = load_depth(args.depth, image.size)
    if args.guide is not None:
        guide, more = load_guide(args.guide)
        notes += more
    names = (
        "steps", "detail", "seed", "iterations", "gamma", "consistency", "tile",
        "blur_sigma_px", "denoise",
    )  # fmt: skip
    options = {
        **{name: getattr(args, name) for name in names},
        "scale": scale,
        "size": size,
        "overrides": read_overrides(args, image, args.kernel),
        "kernel": kernel,
        "inverse_depth": depth,
        "strengths": dict(args.strength),
        "guide": guide,
        "guide_mode": args.mode,
    }
    return image, options, notes


def _save(
    args: argparse.Namespace,
    target: Path,
    stem: str,
    image: LoadedImage,
    alpha: Tensor | None,
    output: RestorationOutput,
) -> list[str]:
    """Writes one result, as its input is, and its maps; see `save_like`."""
    notes = save_like(args, target, output.images, image, _metadata(args, output), alpha)
    if args.maps is not None:
        write_maps(args.maps, stem, image.visible_rgb, output)
    return notes


def _metadata(args: argparse.Namespace, output: RestorationOutput) -> dict[str, str]:
    names = ("steps", "detail", "seed", "consistency", "iterations", "gamma", "model")
    settings = {"factor": round(output.report.factor, 4), "preset": output.report.preset}
    settings |= {name: getattr(args, name) for name in names}
    if args.prompt:
        settings["prompt"] = args.prompt
    if args.guide is not None:
        settings["mode"] = args.mode
    return {"Software": f"mmsr {__version__}", "mmsr": json.dumps(settings)}
