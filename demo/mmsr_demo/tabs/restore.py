"""The first tab: drop a picture, press Restore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from mmsr_core.image import read_size

from ..settings import DEFAULT_PRESET, PRESETS, parse_scale, parse_size
from ..ui import messages as words
from ..ui import panels
from ..ui.requests import as_upload, explain, take_unread
from ..ui.run_events import QUIET, RunParts, Task, Updates, run_buttons, run_status, wire_run
from ..ui.session import PageSession
from ..ui.viewer import before_after
from ..work.jobs import Restoration
from ..work.saving import KINDS, converted
from .controls import (
    advanced_controls,
    numbers_of,
    preset_of,
    read_job,
    size_controls,
    symptom_control,
    wire_symptom,
)

EXAMPLES = Path(__file__).parents[1] / "examples"
EXAMPLE_FILES = ("out_of_focus.png", "shaken.png", "soft_and_compressed.png")
_PRESET_HELP = "Faithful invents nothing. Crisp adds the most texture. Balanced is between them."


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
    with gr.Row(equal_height=False, elem_classes="mm-columns"):
        with gr.Column(scale=5, min_width=320, elem_classes="mm-side"):
            picture = take_unread(
                gr.Image(
                    label="Your picture",
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "webcam", "clipboard"],
                    height=230,
                    elem_id="restore-picture",
                    buttons=["fullscreen"],
                    placeholder="Drop a picture here\nor tap to choose one",
                )
            )
            plan = gr.HTML(elem_classes="mm-plan")
            symptom = symptom_control()
            preset = gr.Radio(
                list(PRESETS),
                value=DEFAULT_PRESET,
                label="Style",
                info=_PRESET_HELP,
                elem_id="restore-preset",
                elem_classes="mm-segments",
            )
            sizes = size_controls()
            start, stop = run_buttons("Restore", "restore")
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
                kind = gr.Dropdown(
                    list(KINDS), value="PNG", show_label=False, label="File format",
                    visible=False, min_width=110, scale=0, elem_id="restore-format",
                )  # fmt: skip
                more = gr.Button(
                    "What was wrong?", visible=False, size="md", elem_id="restore-more"
                )
            report = gr.HTML(elem_id="restore-report")
            gr.HTML('<p class="mm-small">No picture at hand? Try one of these:</p>')
            example = gr.Dataset(
                components=[gr.Image(render=False, type="filepath")],
                samples=[[str(EXAMPLES / name)] for name in EXAMPLE_FILES],
                label="Examples",
                show_label=False,
                type="index",
                elem_id="restore-examples",
            )

    inputs = {"picture": picture, "preset": preset, **sizes, **advanced}
    cleared = dict.fromkeys((hint, slider, download, kind, more), gr.update(visible=False))

    def prepare(values: Updates) -> Task[Restoration]:
        job = read_job(session, {name: values[component] for name, component in inputs.items()})
        return Task(lambda callback: session.engine.restore(job, callback))

    def show(made: Restoration) -> Updates:
        seen = made.inspection
        return {
            result: made,
            hint: gr.update(visible=False),
            kind: gr.update(visible=True, value="PNG"),
            slider: gr.update(
                value=before_after(made.before, made.after, made.plan.result), visible=True
            ),
            download: gr.update(value=str(made.after), visible=True),
            more: gr.update(visible=True),
            report: panels.findings(
                seen.headline(), seen.sentences(), " ".join(made.report["notes"])
            ),
        }

    def show_plan(values: Updates) -> str:
        chosen = (picture, sizes["scale"], sizes["size"], advanced["steps"])
        value, scale, size, steps = (values[component] for component in chosen)
        try:
            upload = as_upload(value, session.workspace)
            if upload is None:
                return ""
            plan = session.engine.plan(
                session.engine.size_of(Path(upload.path)), parse_scale(scale), parse_size(size)
            )
        except Exception as error:  # noqa: BLE001 - shown in place, in words.
            return panels.notice(explain(error), "bad")
        seconds = words.time_words(session.engine.seconds_for(plan, int(steps)))
        return panels.notice(plan.words(f"{seconds} on this computer"))

    chosen = example.click(
        lambda index: session.example_copy(EXAMPLES / EXAMPLE_FILES[index]),
        example,
        picture,
        **QUIET,
    )
    ran = wire_run(
        session, RunParts(start, stop, status, queue), [start.click, chosen.then],
        set(inputs.values()), [result, hint, slider, download, kind, more, report], prepare, show,
        begun={report: ""} | cleared,
    )  # fmt: skip
    shapes = (sizes["scale"], sizes["size"], advanced["steps"])
    gr.on(
        [picture.change, *(component.change for component in shapes)],
        show_plan, inputs={picture, *shapes}, outputs=plan, **QUIET,
    )  # fmt: skip
    picture.change(_mark_old, [picture, result], hint, **QUIET)
    kind.input(
        lambda made, name: gr.update(value=str(converted(made, name))),
        [result, kind], download, **QUIET,
    )  # fmt: skip
    more.click(lambda: gr.Tabs(selected="inspect"), outputs=tabs, **QUIET)
    preset.input(numbers_of, preset, [advanced["steps"], advanced["detail"]], **QUIET)
    wire_symptom(symptom, inputs)
    gr.on(
        [advanced["steps"].input, advanced["detail"].input],
        preset_of, [advanced["steps"], advanced["detail"]], preset, **QUIET,
    )  # fmt: skip
    return RestoreTab(result, tuple(ran))


def _first_sight(session: PageSession) -> str:
    """The viewer with the example that ships restored."""
    before, after = (
        Path(session.example_copy(EXAMPLES / f"first_{name}.jpg", keep=True))
        for name in ("before", "after")
    )
    return before_after(before, after, read_size(after))


def _mark_old(value: Any, made: Restoration | None) -> Any:
    """Says that what is shown belongs to another picture."""
    if value is None or made is None:
        return gr.update()
    text = "This is still the result of the picture before. Press Restore for the new one."
    return gr.update(value=panels.notice(text), visible=True)
