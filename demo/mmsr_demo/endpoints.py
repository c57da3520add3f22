"""The API: `/restore`, `/estimate`, `/fuse`, `/compare`, `/batch`. Names and order are a contract.

The inputs are components that the page does not show, so that every limit (files, ranges, choices)
is the same as on the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from mmsr_core.errors import InputError
from mmsr_core.types import DEFAULT_DETAIL, DEFAULT_STEPS, ProgressCallback

from .settings import (
    AUTO_SCALE,
    COMPARE_PRESET,
    DEFAULT_PRESET,
    FULL_DENOISE,
    MAX_BLUR_PX,
    MAX_COMPARE_SCALE,
    MAX_DETAIL,
    MAX_NOISE_255,
    MAX_SEED,
    MAX_STEPS,
    MAX_STRENGTH,
    MEASURED_BLUR,
    MEASURED_JPEG,
    MEASURED_NOISE,
    MIN_BLUR_PX,
    PRESETS,
    SYMPTOMS,
    UNKNOWN_SYMPTOM,
    parse_scale,
    parse_size,
)
from .tabs.batch import batch_settings, batch_uploads
from .tabs.controls import known_damage
from .tabs.fuse import fuse_job
from .ui import panels
from .ui.requests import as_path, as_paths, clear_errors, needed, take_number, take_unread
from .ui.session import ENGINE_QUEUE, PageSession
from .work.batch import restore_batch
from .work.compare import compare
from .work.inspection import Inspection
from .work.jobs import BatchResult, CompareJob, Comparison, Made, Restoration, RestoreJob
from .work.models import MAX_PROMPT
from .work.progress_stream import ProgressUpdate

Result = TypeVar("Result", bound=Made)


def build_endpoints(session: PageSession) -> None:
    """Declares the endpoints inside the present Blocks context."""
    _restore(session)
    _estimate(session)
    _fuse(session)
    _compare(session)
    _batch(session)


def _endpoint(
    fn: Callable[..., Any], name: str, description: str, inputs: list[Any], outputs: list[Any]
) -> None:
    gr.Button(visible=False).click(
        fn,
        inputs,
        outputs,
        api_name=name,
        api_description=description,
        concurrency_id=ENGINE_QUEUE,
        concurrency_limit=1,
        show_progress="hidden",
    )


def _answering(
    session: PageSession, fn: Callable[..., Result], present: Callable[[Result], tuple[Any, ...]]
) -> Callable[..., Any]:
    """An endpoint from `fn(*values, callback)`: runs in a thread, reports progress, ends when left.

    It yields once, what `present` makes of the result: as a generator it can be cancelled between
    two progress reports.
    """

    @wraps(fn)
    def run(*values: Any, request: gr.Request | None, progress: Any) -> Iterator[Any]:
        with (
            clear_errors(),
            closing(session.watch(lambda callback: fn(*values, callback), request)) as items,
        ):
            for item in items:
                if isinstance(item, ProgressUpdate):
                    progress(item.share, desc=panels.stage_words(item.stage))
                else:
                    yield present(item.value)

    return run


def _image(label: str) -> Any:
    return take_unread(gr.Image(label=label, type="filepath", image_mode=None, visible=False))


def _scale() -> Any:
    return gr.Textbox(AUTO_SCALE, label="scale: Auto, or 1 to 16", visible=False)


def _size() -> Any:
    return gr.Textbox("", label="size: 4K, 3000, w800, 12MP (in place of scale)", visible=False)


def _symptom(sets: str) -> Any:
    return gr.Radio(
        list(SYMPTOMS), value=UNKNOWN_SYMPTOM, visible=False,
        label=f"symptom: sets {sets} where they are not given",
    )  # fmt: skip


def _preset(value: str = DEFAULT_PRESET) -> Any:
    return gr.Radio(list(PRESETS), value=value, label="preset", visible=False)


def _number(low: float, high: float, value: float, label: str) -> Any:
    return take_number(gr.Slider(low, high, value, label=label, visible=False))


def _whole(low: int, high: int, value: int, label: str) -> Any:
    return take_number(gr.Slider(low, high, value, step=1, precision=0, label=label, visible=False))


def _steps() -> Any:
    return _whole(0, MAX_STEPS, DEFAULT_STEPS, "steps")


def _file(label: str) -> Any:
    return gr.File(label=label, visible=False)


def _json(label: str) -> Any:
    return gr.JSON(label=label, visible=False)


def _restore(session: PageSession) -> None:
    inputs = [
        _image("picture"),
        _scale(),
        _steps(),
        _number(0, MAX_DETAIL, DEFAULT_DETAIL, "detail"),
        take_number(gr.Number(
            0, precision=0, minimum=0, maximum=MAX_SEED, label="seed", visible=False
        )),
        gr.Textbox("", label="prompt", max_length=MAX_PROMPT, visible=False),
        _image("depth"),
        _image("guide"),
        gr.Radio(["guide", "fuse"], value="guide", label="guide_mode", visible=False),
        gr.JSON({}, label="strengths: name to 0..2", visible=False),
        take_unread(gr.File(label="references", file_count="multiple", visible=False)),
        _number(MEASURED_NOISE, MAX_NOISE_255, MEASURED_NOISE, "noise_255 (-1: measured)"),
        _number(0, 100, MEASURED_JPEG, "jpeg_quality (0: measured)"),
        _number(0, MAX_BLUR_PX, MEASURED_BLUR, "blur_px of the result (0: measured)"),
        _number(0, 1, FULL_DENOISE, "denoise (0 keeps the grain)"),
        _size(),
        _symptom("scale, steps, detail and denoise"),
        gr.Radio(
            list(PRESETS), value=None, visible=False,
            label="preset: sets steps and detail where they are not given",
        ),
    ]  # fmt: skip

    def work(*values: Any) -> Restoration:
        picture, scale, steps, detail, seed, prompt, depth, guide, mode, strengths, *more = values
        references, *known, size, symptom, preset, callback = more
        scale, known[3] = _of_symptom(
            symptom, {"scale": scale, "denoise": known[3]}, has_size=bool(size)
        )
        if preset:
            steps, detail = _of_preset(preset, steps, detail)
        else:
            steps, detail = _of_symptom(symptom, {"steps": steps, "detail": detail})
        upload = needed(picture, session.workspace)
        job = RestoreJob(
            picture=Path(upload.path),
            name=upload.name,
            scale=parse_scale(scale),
            size=parse_size(size),
            steps=int(steps),
            detail=float(detail),
            seed=int(seed or 0),
            prompt=prompt or "",
            references=as_paths(references, session.workspace),
            depth=as_path(depth, session.workspace),
            guide=as_path(guide, session.workspace),
            guide_mode=mode,
            strengths=_strengths(strengths),
            **known_damage(*known),
        )
        return session.engine.restore(job, callback)

    def present(made: Restoration) -> tuple[str, dict[str, Any]]:
        return str(made.after), made.report | {"measured": made.inspection.numbers()}

    run = _answering(session, work, present)

    def restore(
        picture: Any, scale: Any, steps: Any, detail: Any, seed: Any, prompt: Any,
        depth: Any = None, guide: Any = None, guide_mode: Any = None, strengths: Any = None,
        references: Any = None, noise_255: Any = None, jpeg_quality: Any = None,
        blur_px: Any = None, denoise: Any = None, size: Any = "",
        symptom: Any = UNKNOWN_SYMPTOM, preset: Any = None,
        request: gr.Request | None = None,
        progress: Any = gr.Progress(),  # noqa: B008 - how gradio finds it.
    ) -> Iterator[Any]:  # fmt: skip
        given = (picture, scale, steps, detail, seed, prompt, depth, guide, guide_mode, strengths)
        known = (noise_255, jpeg_quality, blur_px, denoise)
        more = (references, *known, size, symptom, preset)
        yield from run(*given, *more, request=request, progress=progress)

    text = "Restores one picture. Returns a PNG with the report in its metadata, and the report."
    _endpoint(restore, "restore", text, inputs, [_file("restored"), _json("report")])


def _of_preset(name: str, steps: float, detail: float) -> tuple[float, float]:
    """Steps and detail: those of a preset, one of `PRESETS`, where they were left as they are."""
    if (steps, detail) != (DEFAULT_STEPS, DEFAULT_DETAIL):
        return steps, detail
    return PRESETS[name].steps, PRESETS[name].detail


def _of_symptom(name: str | None, given: dict[str, Any], has_size: bool = False) -> list[Any]:
    """The given values; those that were left as they are come from the symptom.

    Args:
        name: one of `SYMPTOMS`.
        given: values by the names of `Symptom.controls`.
        has_size: a size was given; then the scale stays.
    """
    usual = SYMPTOMS[UNKNOWN_SYMPTOM].controls
    chosen = SYMPTOMS[name or UNKNOWN_SYMPTOM].controls
    return [
        chosen[field] if value == usual[field] and not (field == "scale" and has_size) else value
        for field, value in given.items()
    ]


def _strengths(value: Any) -> dict[str, float]:
    if not value:
        return {}
    if not isinstance(value, dict):
        raise InputError('strengths must be an object such as {"depth": 0.5}.')
    try:
        numbers = {str(name): float(number) for name, number in value.items()}
    except (TypeError, ValueError):
        numbers = {"": math.nan}
    if not all(0 <= number <= MAX_STRENGTH for number in numbers.values()):
        raise InputError(f"strengths must hold numbers from 0 to {MAX_STRENGTH}.")
    return numbers


def _estimate(session: PageSession) -> None:
    def work(picture: Any, scale: Any, callback: ProgressCallback) -> Inspection:
        path = Path(needed(picture, session.workspace).path)
        return session.engine.estimate(path, parse_scale(scale), callback)

    def present(found: Inspection) -> tuple[Any, ...]:
        depth = None if found.depth_file is None else str(found.depth_file)
        return found.numbers(), str(found.draw_map()), depth

    run = _answering(session, work, present)

    def estimate(
        picture: Any, scale: Any, request: gr.Request,
        progress: Any = gr.Progress(),  # noqa: B008 - how gradio finds it.
    ) -> Iterator[Any]:  # fmt: skip
        yield from run(picture, scale, request=request, progress=progress)

    text = "Measures blur, noise, JPEG and depth. Returns numbers and words, kernel map, depth."
    outputs = [_json("measured"), _file("kernel_map"), _file("depth")]
    _endpoint(estimate, "estimate", text, [_image("picture"), _scale()], outputs)


def _fuse(session: PageSession) -> None:
    inputs = [
        _image("first"),
        _image("second"),
        gr.Radio(["fuse", "guide"], value="fuse", label="mode", visible=False),
        _scale(),
        _number(0, MAX_STRENGTH, 1, "strength of the second picture"),
        _steps(),
    ]

    def work(*values: Any) -> Restoration:
        *given, callback = values
        return session.engine.restore(fuse_job(session, *given), callback)

    def present(made: Restoration) -> tuple[str, dict[str, Any]]:
        return str(made.after), made.report

    run = _answering(session, work, present)

    def fuse(
        first: Any, second: Any, mode: Any, scale: Any, strength: Any, steps: Any,
        request: gr.Request,
        progress: Any = gr.Progress(),  # noqa: B008 - how gradio finds it.
    ) -> Iterator[Any]:  # fmt: skip
        given = (first, second, mode, scale, strength, steps)
        yield from run(*given, request=request, progress=progress)

    text = "Restores the first picture with a second sensor's. Returns a PNG and the report."
    _endpoint(fuse, "fuse", text, inputs, [_file("fused"), _json("report")])


def _compare(session: PageSession) -> None:
    inputs = [
        _image("good"),
        _image("damaged"),
        _whole(1, MAX_COMPARE_SCALE, CompareJob.scale, "scale"),
        _number(MIN_BLUR_PX, MAX_BLUR_PX, CompareJob.blur_px, "blur_px (left edge)"),
        _number(MIN_BLUR_PX, MAX_BLUR_PX, CompareJob.blur_end_px, "blur_end_px (right edge)"),
        _number(0, MAX_NOISE_255, CompareJob.noise_255, "noise_255"),
        _whole(1, 100, CompareJob.jpeg_quality, "jpeg_quality"),
        _preset(COMPARE_PRESET),
    ]

    def work(*values: Any) -> Comparison:
        good, damaged, scale, blur, blur_end, noise, quality, preset, callback = values
        how = PRESETS[preset]
        job = CompareJob(
            good=Path(needed(good, session.workspace, "a good picture").path),
            damaged=as_path(damaged, session.workspace),
            scale=int(scale),
            blur_px=float(blur),
            blur_end_px=float(blur_end),
            noise_255=float(noise),
            jpeg_quality=int(quality),
            steps=how.steps,
            detail=how.detail,
        )
        return compare(session.engine, job, callback)

    def present(made: Comparison) -> tuple[Any, ...]:
        table = {"scores": [asdict(score) for score in made.scores], "note": made.note}
        return table, str(made.restored), str(made.bicubic), str(made.damaged)

    run = _answering(session, work, present)

    def compare_(
        good: Any, damaged: Any = None, scale: Any = None, blur_px: Any = None,
        blur_end_px: Any = None, noise_255: Any = None, jpeg_quality: Any = None,
        preset: Any = None, request: gr.Request | None = None,
        progress: Any = gr.Progress(),  # noqa: B008 - how gradio finds it.
    ) -> Iterator[Any]:  # fmt: skip
        given = (good, damaged, scale, blur_px, blur_end_px, noise_255, jpeg_quality, preset)
        yield from run(*given, request=request, progress=progress)

    text = (
        "Damages a good picture (or takes a damaged one), restores it and measures PSNR, SSIM and, "
        "where its parameters are present, LPIPS."
    )
    outputs = [_json("scores"), _file("restored"), _file("bicubic"), _file("damaged")]
    _endpoint(compare_, "compare", text, inputs, outputs)


def _batch(session: PageSession) -> None:
    files = take_unread(gr.File(label="files", file_count="multiple", visible=False))

    def work(*values: Any) -> BatchResult:
        given, preset, scale, size, symptom, callback = values
        preset, scale = _of_symptom(
            symptom, {"preset": preset, "scale": scale}, has_size=bool(size)
        )
        job = batch_settings(preset, scale, size, symptom)
        return restore_batch(session.engine, batch_uploads(session, given), job, callback)

    def present(done: BatchResult) -> tuple[Any, ...]:
        return str(done.archive), [asdict(line) for line in done.lines]

    run = _answering(session, work, present)

    def batch(
        files: Any, preset: Any, scale: Any, size: Any = "", symptom: Any = UNKNOWN_SYMPTOM,
        request: gr.Request | None = None,
        progress: Any = gr.Progress(),  # noqa: B008 - how gradio finds it.
    ) -> Iterator[Any]:  # fmt: skip
        given = (files, preset, scale, size, symptom)
        yield from run(*given, request=request, progress=progress)

    text = "Restores several pictures, or those in ZIP archives. Returns a ZIP and a line for each."
    outputs = [_file("archive"), _json("lines")]
    inputs = [files, _preset(), _scale(), _size(), _symptom("scale, preset and denoise")]
    _endpoint(batch, "batch", text, inputs, outputs)
