"""The fourth tab: two sensors in, one picture out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from mmsr_core.types import DEFAULT_DETAIL, DEFAULT_STEPS

from ..settings import AUTO_SCALE, MAX_STEPS, MAX_STRENGTH, SCALES, parse_scale
from ..ui import panels
from ..ui.requests import needed, take_number
from ..ui.run_events import QUIET, RunParts, Task, Updates, run_buttons, run_status, wire_run
from ..ui.session import PageSession
from ..ui.viewer import before_after
from ..work.jobs import Restoration, RestoreJob
from ..work.saving import BACKGROUNDS, PLAIN_KIND
from .controls import background_control, format_control, picture_control, wire_format
from .restore import EXAMPLES

FUSE_EXAMPLE = ("shaken.png", "second_sensor.png")
MODES = (("Guide: sharpen the first with the second", "guide"), ("Fuse: show both", "fuse"))


def build_fuse(session: PageSession) -> None:
    """Builds the tab inside the present Blocks context."""
    result = gr.State(None, time_to_live=3600)
    if not session.engine.abilities.guide:
        gr.HTML(
            panels.notice("The loaded weights have no fusion network, so nothing can be fused.")
        )
    with gr.Row(equal_height=False, elem_classes="mm-columns"):
        with gr.Column(scale=5, min_width=320, elem_classes="mm-side"):
            first = picture_control("First picture: the one to be restored", "fuse-first")
            second = picture_control(
                "Second picture of the same view: infrared, depth, …", "fuse-second"
            )
            mode = gr.Radio(
                list(MODES), value="fuse", label="How",
                info="Both pictures must show the same view; their sizes may differ.",
            )  # fmt: skip
            start, stop = run_buttons("Fuse", "fuse")
            with gr.Accordion("Advanced", open=False):
                scale = gr.Radio(
                    list(SCALES), value=AUTO_SCALE, label="Enlarge", elem_classes="mm-segments",
                    info="From the size of the first picture.",
                )  # fmt: skip
                strength = take_number(gr.Slider(
                    0, MAX_STRENGTH, 1, step=0.05, label="Strength of the second picture",
                    info="0 leaves it out.",
                ))  # fmt: skip
                steps = take_number(gr.Slider(
                    0, MAX_STEPS, DEFAULT_STEPS, step=1, label="Steps",
                    info="0: the most faithful. 1 is usually enough.",
                ))  # fmt: skip
            example = gr.Button("Try a rendered room and its depth camera", size="sm")
        with gr.Column(scale=7, min_width=320, elem_classes="mm-main"):
            status, queue = run_status("fuse")
            hint = gr.HTML(
                panels.empty(
                    "The fused picture appears here",
                    "Two cameras that look at the same view: one picture with what both saw.",
                )
            )
            slider = gr.HTML(visible=False, elem_id="fuse-slider")
            with gr.Row(elem_classes="mm-actions"):
                download = gr.DownloadButton(
                    "Download", visible=False, size="md", elem_id="fuse-download"
                )
                kind = format_control("fuse")
                background = background_control("fuse", label=False)
            report = gr.HTML(elem_id="fuse-report")

    cleared = dict.fromkeys((hint, slider, download, kind, background), gr.update(visible=False))

    def show(made: Restoration) -> Updates:
        share = made.report.get("modality_weights", {}).get("guide")
        note = "" if share is None else f"The second picture had {share:.0%} of the weight."
        seen = made.inspection
        return {
            slider: gr.update(
                value=before_after(
                    made.before, made.after, made.plan.result, ("First picture", "Result")
                ),
                visible=True,
            ),
            result: made,
            download: gr.update(value=str(made.after), visible=True),
            kind: gr.update(value=PLAIN_KIND, visible=True),
            background: gr.update(visible=False, value=BACKGROUNDS[0]),
            report: panels.findings(
                seen.headline(), seen.sentences(), " ".join([*seen.notes, note])
            ),
        }

    def prepare(values: Updates) -> Task[Restoration]:
        job = fuse_job(session, *(values[c] for c in (first, second, mode, scale, strength, steps)))
        return Task(lambda callback: session.engine.restore(job, callback))

    wire_run(
        session, RunParts(start, stop, status, queue), [start.click],
        {first, second, mode, scale, strength, steps},
        [result, hint, slider, download, kind, background, report], prepare, show,
        begun={report: ""} | cleared,
    )  # fmt: skip
    wire_format(result, kind, background, [download, hint])
    example.click(
        lambda: [*(session.example_copy(EXAMPLES / name) for name in FUSE_EXAMPLE), "guide"],
        outputs=[first, second, mode],
        **QUIET,
    )


def fuse_job(
    session: PageSession,
    first: Any,
    second: Any,
    mode: str,
    scale: str,
    strength: float,
    steps: float,
) -> RestoreJob:
    """The values of the controls as a job.

    Raises:
        InputError: A picture is missing, or a value cannot be used.
    """
    one = needed(first, session.workspace, "the first picture")
    other = needed(second, session.workspace, "the second picture")
    job = RestoreJob(
        Path(one.path), one.name, parse_scale(scale), steps=int(steps),
        detail=DEFAULT_DETAIL, guide=Path(other.path), guide_mode=mode,
    )  # fmt: skip
    return job if strength == 1 else replace(job, strengths={"guide": float(strength)})
