"""The API: `/restore`, `/estimate`, `/merge`, `/fuse`, `/compare`, `/batch`.

Names and order are a contract.

The inputs are components that the page does not show, so that every limit (files, ranges, choices)
is the same as on the page. What a preset or a symptom may set is empty unless it is given: a value
that is given counts, also where it is the usual one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from mmsr_core.errors import InputError
from mmsr_core.types import (
    DEFAULT_DETAIL,
    DEFAULT_STEPS,
    DEFAULT_TRUST,
    MAX_SHARPENING,
    ProgressCallback,
)

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
    MEASURED_SHARPENING,
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
from .tabs.merge import merge_job
from .ui import panels
from .ui.requests import as_path, as_paths, clear_errors, needed, take_number, take_unread
from .ui.session import ENGINE_QUEUE, PageSession
from .work.batch import restore_batch
from .work.compare import compare
from .work.inspection import Inspection
from .work.jobs import BatchResult, CompareJob, Comparison, Made, Merged, Restoration, RestoreJob
from .work.merging import merge
from .work.models import MAX_PROMPT
from .work.progress_stream import ProgressUpdate
from .work.saving import KINDS, PLAIN_KIND, converted, converted_notes, noted

Result = TypeVar("Result", bound=Made)
EXAMPLE_PICTURE = "photo.png"
"""The caller's file in the code to be pasted."""


def build_endpoints(session: PageSession) -> None:
    """Declares the endpoints inside the present Blocks context."""
    _restore(session)
    _estimate(session)
    _merge(session)
    _fuse(session)
    _compare(session)
    _batch(session)


def _endpoint(
    fn: Callable[..., Any], name: str, description: str, inputs: list[Any], outputs: list[Any]
) -> None:
    for component in inputs:
        if not _is_file(component):
            _exemplify(component, component.value)
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


def _is_file(component: Any) -> bool:
    return isinstance(component, (gr.Image, gr.File))


def _exemplify(component: Any, example: Any) -> Any:
    """The component with an example of its value, for what "Use via API" shows to be pasted."""
    component.example_payload = component.example_inputs = lambda: example
    return component


def _example_file(name: str) -> dict[str, Any]:
    """A file of the caller: `handle_file("name")` in Python."""
    return {"path": name, "url": name, "orig_name": name, "meta": {"_type": "gradio.FileData"}}


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


def _image(label: str, example: str | None = None) -> Any:
    """A picture; `example` names the one in the code to be pasted, None leaves it out."""
    made = take_unread(gr.Image(label=label, type="filepath", image_mode=None, visible=False))
    return _exemplify(made, None if example is None else _example_file(example))


def _images(label: str, example: str | None = None) -> Any:
    """As `_image`, for several files."""
    made = take_unread(gr.File(label=label, file_count="multiple", visible=False))
    return _exemplify(made, None if example is None else [_example_file(example)])


def _scale() -> Any:
    return gr.Textbox(AUTO_SCALE, label="scale: Auto, or 1 to 16", visible=False)


def _open_scale() -> Any:
    return gr.Textbox(
        "", label=f"scale: Auto, or 1 to 16 (empty: {AUTO_SCALE}, or the symptom's)", visible=False
    )


def _size() -> Any:
    return gr.Textbox("", label="size: 4K, 3000, w800, 12MP (in place of scale)", visible=False)


def _symptom(sets: str) -> Any:
    return gr.Radio(
        list(SYMPTOMS), value=UNKNOWN_SYMPTOM, visible=False,
        label=f"symptom: sets {sets} where they are not given",
    )  # fmt: skip


def _format() -> Any:
    return gr.Radio(
        list(KINDS), value=PLAIN_KIND, label="format: of the result's file", visible=False
    )


def _background() -> Any:
    return gr.Textbox(
        "", label="background: behind transparent places in a JPEG, a name or #rrggbb (empty: "
        "white)", max_length=40, visible=False,
    )  # fmt: skip


def _number(low: float, high: float, value: float, label: str) -> Any:
    return take_number(gr.Slider(low, high, value, label=label, visible=False))


def _whole(low: int, high: int, value: int, label: str) -> Any:
    return take_number(gr.Slider(low, high, value, step=1, precision=0, label=label, visible=False))


def _open_number(low: float, high: float, label: str, digits: int | None = None) -> Any:
    return take_number(
        gr.Number(None, minimum=low, maximum=high, precision=digits, label=label, visible=False)
    )


def _steps() -> Any:
    return _whole(0, MAX_STEPS, DEFAULT_STEPS, "steps")


def _file(label: str) -> Any:
    return gr.File(label=label, visible=False)


def _json(label: str) -> Any:
    return gr.JSON(label=label, visible=False)


def _restore(session: PageSession) -> None:
    inputs = [
        _image("picture", EXAMPLE_PICTURE),
        _open_scale(),
        _open_number(
            0, MAX_STEPS, f"steps (empty: {DEFAULT_STEPS}, the preset's or the symptom's)", 0
        ),
        _open_number(
            0, MAX_DETAIL, f"detail (empty: {DEFAULT_DETAIL}, the preset's or the symptom's)"
        ),
        take_number(gr.Number(
            0, precision=0, minimum=0, maximum=MAX_SEED, label="seed", visible=False
        )),
        gr.Textbox("", label="prompt", max_length=MAX_PROMPT, visible=False),
        _image("depth"),
        _image("guide"),
        gr.Radio(["guide", "fuse"], value="guide", label="guide_mode", visible=False),
        gr.JSON({}, label="strengths: name to 0..2", visible=False),
        _images("references"),
        _number(MEASURED_NOISE, MAX_NOISE_255, MEASURED_NOISE, "noise_255 (-1: measured)"),
        _number(0, 100, MEASURED_JPEG, "jpeg_quality (0: measured)"),
        _number(0, MAX_BLUR_PX, MEASURED_BLUR, "blur_px of the result (0: measured)"),
        _open_number(
            0, 1, f"denoise (0 keeps the grain; empty: {FULL_DENOISE}, or the symptom's)"
        ),
        _size(),
        _symptom("scale, steps, detail and denoise"),
        gr.Radio(
            list(PRESETS), value=None, visible=False,
            label="preset: sets steps and detail where they are not given",
        ),
        _format(),
        _background(),
        # Last, so that calls by position stay as they are.
        _number(
            MEASURED_SHARPENING, MAX_SHARPENING, MEASURED_SHARPENING, "sharpening (-1: measured)"
        ),
    ]  # fmt: skip

    def work(*values: Any) -> Restoration:
        picture, scale, steps, detail, seed, prompt, depth, guide, mode, strengths, *more = values
        references, *known, size, symptom, preset, kind, background, sharpening, callback = more
        chosen = _chosen(
            symptom,
            preset,
            {"scale": scale, "steps": steps, "detail": detail, "denoise": known[3]},
            has_size=bool(size),
        )
        known[3] = chosen["denoise"]
        upload = needed(picture, session.workspace)
        job = RestoreJob(
            picture=Path(upload.path),
            name=upload.name,
            scale=parse_scale(chosen["scale"]),
            size=parse_size(size),
            steps=int(chosen["steps"]),
            detail=float(chosen["detail"]),
            seed=int(seed or 0),
            prompt=prompt or "",
            references=as_paths(references, session.workspace),
            depth=as_path(depth, session.workspace),
            guide=as_path(guide, session.workspace),
            guide_mode=mode,
            strengths=_strengths(strengths),
            **known_damage(*known, sharpening=sharpening),
        )
        return _in_format(session.engine.restore(job, callback), kind, background)

    def present(made: Restoration) -> tuple[str, dict[str, Any]]:
        return str(made.after), made.report | {"measured": made.inspection.numbers()}

    run = _answering(session, work, present)

    def restore(
        picture: Any, scale: Any = "", steps: Any = None, detail: Any = None, seed: Any = 0,
        prompt: Any = "", depth: Any = None, guide: Any = None, guide_mode: Any = None,
        strengths: Any = None, references: Any = None, noise_255: Any = None,
        jpeg_quality: Any = None, blur_px: Any = None, denoise: Any = None, size: Any = "",
        symptom: Any = UNKNOWN_SYMPTOM, preset: Any = None, format: Any = PLAIN_KIND,
        background: Any = "", sharpening: Any = None, request: gr.Request | None = None,
        progress: Any = gr.Progress(),  # noqa: B008 - how gradio finds it.
    ) -> Iterator[Any]:  # fmt: skip
        given = (picture, scale, steps, detail, seed, prompt, depth, guide, guide_mode, strengths)
        known = (noise_255, jpeg_quality, blur_px, denoise)
        more = (references, *known, size, symptom, preset, format, background, sharpening)
        yield from run(*given, *more, request=request, progress=progress)

    text = (
        "Restores one picture. Returns the file (a PNG has the report in its metadata) and the "
        "report."
    )
    _endpoint(restore, "restore", text, inputs, [_file("restored"), _json("report")])


def _in_format(made: Restoration, kind: str, background: str) -> Restoration:
    """The result with its file in another format, one of `KINDS`, and what is to be known of it."""
    after = converted(made, kind, background)
    return replace(noted(made, converted_notes(made, kind, background)), after=after)


def _chosen(
    symptom: str | None, preset: str | None, given: dict[str, Any], has_size: bool
) -> dict[str, Any]:
    """The given values; those that are None or empty come from the preset, or the symptom.

    Args:
        symptom: one of `SYMPTOMS`, or None.
        preset: one of `PRESETS`, or None: it sets steps and detail.
        given: values by the names of `Symptom.controls`.
        has_size: a size is given; then the symptom sets no scale.
    """
    usual = dict(SYMPTOMS[symptom or UNKNOWN_SYMPTOM].controls)
    if preset:
        usual["steps"], usual["detail"] = PRESETS[preset].steps, PRESETS[preset].detail
    if has_size:
        usual["scale"] = AUTO_SCALE
    return {
        name: usual[name] if value is None or value == "" else value
        for name, value in given.items()
    }


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
    _endpoint(estimate, "estimate", text, [_image("picture", EXAMPLE_PICTURE), _scale()], outputs)


def _merge(session: PageSession) -> None:
    inputs = [
        _image("picture", EXAMPLE_PICTURE),
        _image("prior: another upscaler's picture of it", "upscaled.png"),
        _number(0, 1, DEFAULT_TRUST, "trust"),
        gr.Textbox(
            AUTO_SCALE, label="scale: Auto (the prior's), or 1 to 16", visible=False
        ),
        _size(),
        _number(MEASURED_NOISE, MAX_NOISE_255, MEASURED_NOISE, "noise_255 (-1: measured)"),
        _number(0, 100, MEASURED_JPEG, "jpeg_quality (0: measured)"),
        _number(
            MEASURED_SHARPENING, MAX_SHARPENING, MEASURED_SHARPENING, "sharpening (-1: measured)"
        ),
        _format(),
        _background(),
    ]  # fmt: skip
    names = ("picture", "prior", "trust", "scale", "size", "noise", "jpeg", "sharpening")

    def work(*values: Any) -> Merged:
        *given, kind, background, callback = values
        job = merge_job(session, dict(zip(names, given, strict=True)))
        made = merge(session.engine, job, callback)
        after = converted(made, kind, background)
        notes = [*converted_notes(made, kind, background), *made.report["notes"]]
        return replace(made, after=after, report=made.report | {"notes": notes})

    def present(made: Merged) -> tuple[str, dict[str, Any]]:
        return str(made.after), made.report

    run = _answering(session, work, present)

    def merge_(
        picture: Any, prior: Any, trust: Any = None, scale: Any = AUTO_SCALE, size: Any = "",
        noise_255: Any = None, jpeg_quality: Any = None, sharpening: Any = None,
        format: Any = PLAIN_KIND, background: Any = "", request: gr.Request | None = None,
        progress: Any = gr.Progress(),  # noqa: B008 - how gradio finds it.
    ) -> Iterator[Any]:  # fmt: skip
        given = (picture, prior, trust, scale, size, noise_255, jpeg_quality, sharpening)
        yield from run(*given, format, background, request=request, progress=progress)

    text = (
        "Makes another upscaler's picture (the prior) faithful to the picture that it was made of. "
        "Returns the file and the report."
    )
    _endpoint(merge_, "merge", text, inputs, [_file("merged"), _json("report")])


def _fuse(session: PageSession) -> None:
    inputs = [
        _image("first", EXAMPLE_PICTURE),
        _image("second", "infrared.png"),
        gr.Radio(["fuse", "guide"], value="fuse", label="mode", visible=False),
        _scale(),
        _number(0, MAX_STRENGTH, 1, "strength of the second picture"),
        _steps(),
        _format(),
        _background(),
    ]

    def work(*values: Any) -> Restoration:
        *given, kind, background, callback = values
        made = session.engine.restore(fuse_job(session, *given), callback)
        return _in_format(made, kind, background)

    def present(made: Restoration) -> tuple[str, dict[str, Any]]:
        return str(made.after), made.report

    run = _answering(session, work, present)

    def fuse(
        first: Any, second: Any, mode: Any, scale: Any, strength: Any, steps: Any,
        format: Any = PLAIN_KIND, background: Any = "", request: gr.Request | None = None,
        progress: Any = gr.Progress(),  # noqa: B008 - how gradio finds it.
    ) -> Iterator[Any]:  # fmt: skip
        given = (first, second, mode, scale, strength, steps, format, background)
        yield from run(*given, request=request, progress=progress)

    text = "Restores the first picture with a second sensor's. Returns the file and the report."
    _endpoint(fuse, "fuse", text, inputs, [_file("fused"), _json("report")])


def _compare(session: PageSession) -> None:
    inputs = [
        _image("good", EXAMPLE_PICTURE),
        _image("damaged"),
        _whole(1, MAX_COMPARE_SCALE, CompareJob.scale, "scale"),
        _number(MIN_BLUR_PX, MAX_BLUR_PX, CompareJob.blur_px, "blur_px (left edge)"),
        _number(MIN_BLUR_PX, MAX_BLUR_PX, CompareJob.blur_end_px, "blur_end_px (right edge)"),
        _number(0, MAX_NOISE_255, CompareJob.noise_255, "noise_255"),
        _whole(1, 100, CompareJob.jpeg_quality, "jpeg_quality"),
        gr.Radio(list(PRESETS), value=COMPARE_PRESET, label="preset", visible=False),
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
    files = _images("files", EXAMPLE_PICTURE)

    def work(*values: Any) -> BatchResult:
        given, preset, scale, size, symptom, kind, background, callback = values
        chosen = _chosen(symptom, None, {"preset": preset, "scale": scale}, has_size=bool(size))
        job = batch_settings(chosen["preset"], chosen["scale"], size, symptom)
        uploads = batch_uploads(session, given)
        return restore_batch(
            session.engine, uploads, job, callback, kind=kind, background=background
        )

    def present(done: BatchResult) -> tuple[Any, ...]:
        return str(done.archive), [asdict(line) for line in done.lines]

    run = _answering(session, work, present)

    def batch(
        files: Any, preset: Any = None, scale: Any = "", size: Any = "",
        symptom: Any = UNKNOWN_SYMPTOM, format: Any = PLAIN_KIND, background: Any = "",
        request: gr.Request | None = None,
        progress: Any = gr.Progress(),  # noqa: B008 - how gradio finds it.
    ) -> Iterator[Any]:  # fmt: skip
        given = (files, preset, scale, size, symptom, format, background)
        yield from run(*given, request=request, progress=progress)

    text = "Restores several pictures, or those in ZIP archives. Returns a ZIP and a line for each."
    outputs = [_file("archive"), _json("lines")]
    preset = gr.Radio(
        list(PRESETS), value=None, visible=False,
        label=f"preset (empty: {DEFAULT_PRESET}, or the symptom's)",
    )  # fmt: skip
    inputs = [
        files, preset, _open_scale(), _size(), _symptom("scale, preset and denoise"), _format(),
        _background(),
    ]  # fmt: skip
    _endpoint(batch, "batch", text, inputs, outputs)
