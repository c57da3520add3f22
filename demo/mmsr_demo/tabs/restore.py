"""The first tab: drop a picture, press Restore."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from mmsr_core.image import read_size

from ..ui import messages as words
from ..ui import panels
from ..ui.part_frame import DRAW_PART, part_note
from ..ui.requests import as_upload, explain, worded
from ..ui.run_events import (
    QUIET,
    RunParts,
    Task,
    Updates,
    run_buttons,
    run_status,
    wire_run,
    without_refusal,
)
from ..ui.session import PageSession
from ..ui.viewer import before_after
from ..work.history import Past
from ..work.jobs import Restoration
from ..work.parts import MARGIN, part_around
from ..work.run_time import restoring
from ..work.saving import BACKGROUNDS, PLAIN_KIND
from .controls import (
    advanced_controls,
    background_control,
    format_control,
    numbers_of,
    picture_control,
    preset_of,
    read_job,
    read_size_controls,
    size_controls,
    style_control,
    symptom_control,
    wire_format,
    wire_symptom,
)
from .history import FILES, build_history, restored_caption, wire_history, words_of_past

EXAMPLES = Path(__file__).parents[1] / "examples"
EXAMPLE_FILES = ("out_of_focus.png", "shaken.png", "soft_and_compressed.png")
MIDDLE = (0.5, 0.5)
"""Where the part to try lies unless another place is chosen."""


@dataclass(frozen=True)
class RestoreTab:
    """What other tabs need of this one."""

    result: gr.State
    """The last `Restoration` of this session, or None."""
    ran: tuple[Any, ...]
    """The events after which `result` is new."""


def build_restore(session: PageSession, tabs: gr.Tabs) -> RestoreTab:
    """Builds the tab inside the present Blocks context; `tabs` lets it lead to the next one."""
    result = gr.State(None, time_to_live=3600)
    used = gr.State(None, time_to_live=3600)  # The values of the controls it was made with.
    place = gr.State(None)  # Of the part to try, as shares of the picture; None is the middle.
    owned = gr.State(False)  # Whether what is shown was made of the user's picture.
    awaited = gr.State("")  # The example that was pressed: its run begins at once.
    with gr.Row(equal_height=False, elem_classes="mm-columns"):
        with gr.Column(scale=5, min_width=320, elem_classes="mm-side"):
            picture = picture_control(
                "Your picture", "restore-picture", height=230,
                sources=("upload", "webcam", "clipboard"), buttons=("fullscreen",),
            )  # fmt: skip
            plan = gr.HTML(elem_classes="mm-plan")
            # Size and button before what may be left alone: seen without scrolling in a low window.
            sizes = size_controls()
            start, attempt, stop = run_buttons("Restore", "restore", "Try on a part")
            note = gr.HTML(elem_id="restore-part")
            symptom = symptom_control()
            preset = style_control("restore")
            with gr.Accordion("Advanced", open=False, elem_id="restore-advanced"):
                advanced = advanced_controls(session.engine.abilities)
        with gr.Column(scale=7, min_width=320, elem_classes="mm-main"):
            status, queue = run_status("restore")
            hint = gr.HTML(
                panels.notice(
                    "An example. Drag the handle, or use the arrow keys; yours appears here."
                )
            )
            slider = gr.HTML(_first_sight(session), elem_id="restore-slider")
            with gr.Row(elem_classes="mm-actions"):
                download = gr.DownloadButton(
                    "Download", variant="primary", visible=False, elem_id="restore-download"
                )
                kind = format_control("restore")
                background = background_control("restore", label=False)
                more = gr.Button(
                    "What was wrong?", visible=False, size="md", elem_id="restore-more"
                )
            report = gr.HTML(elem_id="restore-report")
            history = build_history("restore")
            gr.HTML('<p class="mm-small">No picture at hand? Try one of these:</p>')
            example = gr.Dataset(
                components=[gr.Image(render=False, type="filepath")],
                samples=[[str(EXAMPLES / name)] for name in EXAMPLE_FILES],
                label="Examples",
                show_label=False,
                type="index",
                elem_id="restore-examples",
            )

    shapes = (sizes["scale"], sizes["size"], advanced["steps"])
    inputs = {
        "picture": picture, "symptom": symptom, "preset": preset, **sizes, **advanced,
    }  # fmt: skip
    cleared = dict.fromkeys(
        (hint, slider, download, kind, background, more), gr.update(visible=False)
    )

    def prepare(values: Updates) -> Task[Restoration]:
        given = {name: values[component] for name, component in inputs.items()}
        job = read_job(session, given)
        # Now, while what is shown still stands.
        session.engine.plan(session.engine.size_of(job.picture), job.scale, job.size)
        settings = {name: value for name, value in given.items() if name not in FILES}
        return Task(
            lambda callback: session.engine.restore(job, callback),
            at_end=lambda: {used: settings},
        )

    def look(made: Restoration) -> Updates:
        seen = made.inspection
        return {
            owned: True,
            slider: gr.update(value=before_after(made.before, made.after, made.size), visible=True),
            report: panels.findings(seen.headline(), seen.sentences(), " ".join(seen.notes)),
        }

    def show(made: Restoration) -> Updates:
        return look(made) | {
            result: made,
            hint: gr.update(visible=False),
            kind: gr.update(visible=True, value=PLAIN_KIND),
            background: gr.update(visible=False, value=BACKGROUNDS[0]),
            download: gr.update(value=str(made.after), visible=True),
            more: gr.update(visible=True),
        }

    def show_again(past: Past) -> Updates:
        said = {hint: gr.update(value=words_of_past(past), visible=True)}
        if not past.is_there or not isinstance(past.made, Restoration):
            return said
        return show(past.made) | said | {used: dict(past.settings)}

    def prepare_part(values: Updates) -> Task[Restoration]:
        job = read_job(session, {name: values[component] for name, component in inputs.items()})
        session.engine.plan(session.engine.size_of(job.picture), job.scale, job.size)
        part_job = replace(job, place=values[place] or MIDDLE)
        return Task(lambda callback: session.engine.restore(part_job, callback))

    def show_part(made: Restoration) -> Updates:
        return look(made) | {hint: gr.update(value=panels.notice(trial_words(made)), visible=True)}

    def describe(values: Updates) -> Updates:
        chosen = (picture, place, *shapes)
        value, where, scale, size, steps = (values[component] for component in chosen)
        gone = without_refusal(status, values[status])
        try:
            upload = as_upload(value, session.workspace)
            if upload is None:
                return {plan: "", note: ""} | gone
            found = session.engine.plan(
                session.engine.size_of(Path(upload.path)), *read_size_controls(scale, size)
            )
        except Exception as error:  # noqa: BLE001 - shown in place, in words.
            return {plan: panels.notice(explain(error), "bad"), note: ""} | gone
        run = restoring(found, int(steps))
        seconds = words.time_words(session.engine.seconds_for(run))
        part = part_around(found.work, where or MIDDLE)
        return {
            plan: panels.notice(found.words(f"{seconds} on this computer")),
            note: part_note(part, where is None),
        } | gone

    def choose(value: Any, event: gr.SelectData) -> tuple[float, float] | None:
        upload = as_upload(value, session.workspace)
        if upload is None or not isinstance(event.index, (list, tuple)):
            return None
        height, width = session.engine.size_of(Path(upload.path))
        x, y = event.index[:2]
        return min(1.0, max(0.0, x / width)), min(1.0, max(0.0, y / height))

    def pressed(index: int) -> tuple[str, str]:
        copy = session.example_copy(EXAMPLES / EXAMPLE_FILES[index])
        return copy, copy

    chosen = example.click(worded(pressed), example, [picture, awaited], **QUIET)
    shown = [owned, hint, slider, download, kind, background, more, report]
    ran = wire_run(
        session, RunParts(start, stop, status, queue, (attempt,)), [start.click, chosen.then],
        set(inputs.values()), [result, used, plan, *shown], prepare, show,
        begun={report: ""} | cleared, refused={plan: ""},
    )  # fmt: skip
    wire_run(
        session, RunParts(attempt, stop, status, queue, (start,)), [attempt.click],
        {*inputs.values(), place}, [plan, *shown], prepare_part, show_part,
        begun={report: ""} | cleared, refused={plan: ""},
    )  # fmt: skip
    again = wire_history(
        session, history, inputs, (result, used), ran, [result, used, *shown], show_again,
        restored_caption,
    )  # fmt: skip
    about = {"inputs": {picture, place, status, *shapes}, "outputs": [plan, note, status]}
    for event in (
        picture.change(lambda: None, outputs=place, **QUIET).then(describe, **about, **QUIET),
        picture.select(worded(choose), picture, place, **QUIET).then(describe, **about, **QUIET),
        gr.on([component.change for component in shapes], describe, **about, **QUIET),
    ):
        event.then(None, note, js=DRAW_PART, **QUIET)
    picture.change(_mark_old, [picture, owned, awaited], hint, **QUIET)
    wire_format(result, kind, background, [download, hint])
    more.click(lambda: gr.Tabs(selected="inspect"), outputs=tabs, **QUIET)
    preset.input(numbers_of, preset, [advanced["steps"], advanced["detail"]], **QUIET)
    wire_symptom(symptom, inputs)
    gr.on(
        [advanced["steps"].input, advanced["detail"].input],
        preset_of, [advanced["steps"], advanced["detail"]], preset, **QUIET,
    )  # fmt: skip
    return RestoreTab(result, (*ran, again))


def _first_sight(session: PageSession) -> str:
    """The viewer with the example that ships restored."""
    before, after = (
        Path(session.example_copy(EXAMPLES / f"first_{name}.jpg", keep=True))
        for name in ("before", "after")
    )
    return before_after(before, after, read_size(after))


def trial_words(made: Restoration) -> str:
    """What is shown of a trial run."""
    if made.part is None or made.part.is_all:
        return "This is all of your picture, since it is small."
    height, width = made.part.size
    of = " of the reduced picture" if made.plan.is_reduced else ""
    return (
        f"Only a part is shown: {width}×{height} px{of}. Noise, compression and blur were measured "
        f"on it and {MARGIN} px around it, so the whole picture may come out a little different. "
        "Press Restore for all of it."
    )


def _mark_old(value: Any, owned: bool, awaited: str) -> Any:
    """Says that what is shown belongs to another picture, unless its own run begins at once."""
    if value is None or not owned or value.path == awaited:
        return gr.update()
    text = "This is still the result of the picture before. Press Restore for the new one."
    return gr.update(value=panels.notice(text), visible=True)
