"""The third tab: another upscaler's picture, made faithful to one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from mmsr_core.types import DEFAULT_TRUST

from ..settings import AUTO_SCALE
from ..ui import messages as words
from ..ui import panels
from ..ui.requests import as_path, explain, needed, take_number
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
from ..work.jobs import Merged, MergeJob, Pictured
from ..work.merging import merge, plan_merge
from ..work.run_time import merging
from ..work.saving import BACKGROUNDS, PLAIN_KIND
from .controls import (
    background_control,
    damage_controls,
    format_control,
    known_damage,
    picture_control,
    read_size_controls,
    size_controls,
    wire_format,
)
from .history import FILES, build_history, wire_history, words_of_past
from .restore import EXAMPLES

MERGE_EXAMPLE = ("out_of_focus.png", "other_upscaler.jpg")
OWN, OTHER = "your picture", "the other upscaler's"
"""What the merged picture is seen beside."""
_DAMAGE = ("noise", "jpeg", "sharpening")
_ABOUT = (
    "Other upscalers draw sharp detail, but not always what is there. Give your picture and theirs "
    "(the prior: of SeedVR2, SUPIR, an ESRGAN, …): theirs is moved into place, freed of its colour "
    "cast, and followed less the more it contradicts yours."
)


def build_merge(session: PageSession) -> None:
    """Builds the tab inside the present Blocks context."""
    result = gr.State(None, time_to_live=3600)
    used = gr.State(None, time_to_live=3600)  # The values of the controls it was made with.
    with gr.Row(equal_height=False, elem_classes="mm-columns"):
        with gr.Column(scale=5, min_width=320, elem_classes="mm-side"):
            with gr.Row(elem_classes="mm-two"):
                picture = picture_control("Your picture", "merge-picture", height=210)
                prior = picture_control(
                    "Another upscaler's", "merge-prior", height=210,
                    placeholder="Drop its picture here\nor tap to choose one",
                )  # fmt: skip
            plan = gr.HTML(elem_classes="mm-plan", elem_id="merge-plan")
            trust = take_number(gr.Slider(
                0, 1, DEFAULT_TRUST, step=0.05, label="Trust", elem_id="merge-trust",
                info="How far the other picture is followed: 0 not at all, 1 everywhere.",
            ))  # fmt: skip
            sizes = size_controls("Auto: about as large as the other picture.", "merge")
            start, stop = run_buttons("Merge", "merge")
            with gr.Accordion("Advanced", open=False, elem_id="merge-advanced"):
                damage = damage_controls("merge", _DAMAGE)
            example = gr.Button(
                "Try a still life and Real-ESRGAN's picture of it", size="md",
                elem_id="merge-example",
            )  # fmt: skip
        with gr.Column(scale=7, min_width=320, elem_classes="mm-main"):
            status, queue = run_status("merge")
            hint = gr.HTML(panels.empty("The merged picture appears here", _ABOUT))
            slider = gr.HTML(visible=False, elem_id="merge-slider")
            with gr.Row(elem_classes="mm-actions"):
                download = gr.DownloadButton(
                    "Download", variant="primary", visible=False, elem_id="merge-download"
                )
                kind = format_control("merge")
                background = background_control("merge", label=False)
            beside = gr.Radio(
                [f"Beside {OWN}", f"Beside {OTHER}"], value=f"Beside {OWN}", show_label=False,
                label="Seen beside", visible=False, elem_id="merge-beside",
                elem_classes="mm-segments",
            )  # fmt: skip
            report = gr.HTML(elem_id="merge-report")
            history = build_history("merge")

    inputs = {"picture": picture, "prior": prior, "trust": trust, **sizes, **damage}
    cleared = dict.fromkeys(
        (hint, slider, download, kind, background, beside), gr.update(visible=False)
    )

    def prepare(values: Updates) -> Task[Merged]:
        given = {name: values[component] for name, component in inputs.items()}
        job = merge_job(session, given)
        plan_merge(session.engine, job.picture, job.prior, job.scale, job.size)
        settings = {name: value for name, value in given.items() if name not in FILES}
        return Task(
            lambda callback: merge(session.engine, job, callback), at_end=lambda: {used: settings}
        )

    def show(made: Merged) -> Updates:
        warned = made.warning[:1].upper() + made.warning[1:]
        return {
            result: made,
            hint: gr.update(value=panels.notice(warned, "bad"), visible=bool(warned)),
            slider: gr.update(value=_view(made, OWN), visible=True),
            beside: gr.update(value=f"Beside {OWN}", visible=True),
            download: gr.update(value=str(made.after), visible=True),
            kind: gr.update(value=PLAIN_KIND, visible=True),
            background: gr.update(visible=False, value=BACKGROUNDS[0]),
            report: panels.findings(made.headline, made.sentences, " ".join(made.notes))
            + panels.followed_panel(made.followed),
        }

    def show_again(past: Past) -> Updates:
        said = {hint: gr.update(value=words_of_past(past), visible=True)}
        if not past.is_there or not isinstance(past.made, Merged):
            return said
        return show(past.made) | said | {used: dict(past.settings)}

    def describe(values: Updates) -> Updates:
        gone = without_refusal(status, values[status])
        try:
            one, other = (as_path(values[part], session.workspace) for part in (picture, prior))
            if one is None or other is None:
                return {plan: ""} | gone
            scale, size = read_size_controls(values[sizes["scale"]], values[sizes["size"]])
            found = plan_merge(session.engine, one, other, scale, size)
        except Exception as error:  # noqa: BLE001 - shown in place, in words.
            return {plan: panels.notice(explain(error), "bad")} | gone
        seconds = words.time_words(session.engine.seconds_for(merging(found)))
        return {plan: panels.notice(found.words(f"{seconds} on this computer"))} | gone

    def see_beside(made: Merged | None, chosen: str) -> Any:
        if made is None:
            return gr.update()
        return gr.update(value=_view(made, OTHER if chosen.endswith(OTHER) else OWN))

    shown = [hint, slider, beside, download, kind, background, report]
    ran = wire_run(
        session, RunParts(start, stop, status, queue), [start.click], set(inputs.values()),
        [result, used, plan, *shown], prepare, show, begun={report: ""} | cleared,
        refused={plan: ""},
    )  # fmt: skip
    wire_history(
        session, history, inputs, (result, used), ran, [result, used, *shown], show_again, _caption
    )
    about = [picture, prior, *sizes.values()]
    gr.on([part.change for part in about], describe, {*about, status}, [plan, status], **QUIET)
    beside.input(see_beside, [result, beside], slider, **QUIET)
    wire_format(result, kind, background, [download, hint])
    example.click(
        lambda: [session.example_copy(EXAMPLES / name) for name in MERGE_EXAMPLE],
        outputs=[picture, prior],
        **QUIET,
    )


def merge_job(session: PageSession, given: dict[str, Any]) -> MergeJob:
    """The values of the controls as a job.

    Raises:
        InputError: A picture is missing, or a value cannot be used.
    """
    one = needed(given["picture"], session.workspace, "your picture")
    other = needed(given["prior"], session.workspace, "the other upscaler's picture")
    scale, size = read_size_controls(given.get("scale") or AUTO_SCALE, given.get("size"))
    known = known_damage(
        given["noise"], given["jpeg"], blur=0, denoise=1, sharpening=given["sharpening"]
    )
    return MergeJob(
        Path(one.path), Path(other.path), one.name, float(given["trust"]), scale, size,
        noise_255=known["noise_255"], jpeg_quality=known["jpeg_quality"],
        sharpening=known["sharpening"],
    )  # fmt: skip


def _view(made: Merged, beside: str) -> str:
    """The merged picture on the right, and what it is compared with on the left."""
    left, name = {
        OWN: (made.before, "Your picture"), OTHER: (made.prior, "The other upscaler's"),
    }[beside]  # fmt: skip
    return before_after(left, made.after, made.size, (name, "Merged"))


def _caption(made: Pictured, used: dict[str, Any]) -> str:
    height, width = made.size
    return f"{width}×{height} Trust {used['trust']:g}"
