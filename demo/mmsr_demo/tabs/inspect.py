"""The second tab: what was wrong with the picture, in words and maps."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ..settings import SCALES, parse_scale
from ..ui import panels
from ..ui.messages import kernels_words
from ..ui.requests import needed, worded
from ..ui.run_events import QUIET, RunParts, Task, Updates, run_buttons, run_status, wire_run
from ..ui.session import PageSession
from ..work.inspection import Inspection
from ..work.jobs import Restoration
from .controls import picture_control
from .restore import RestoreTab

_NOTHING = panels.empty(
    "Nothing measured yet",
    "Restore a picture in the first tab, or measure one here without restoring it.",
)
_CLICK = panels.notice(
    "Colour is the width of the kernels, the ellipses are their shape. Click a place of the map to "
    "see what one point became there."
)


def build_inspect(session: PageSession, restored: RestoreTab) -> None:
    """Builds the tab inside the present Blocks context."""
    seen = gr.State(None, time_to_live=3600)
    with gr.Row(equal_height=False, elem_classes="mm-columns"):
        with gr.Column(scale=4, min_width=300, elem_classes="mm-side"):
            words = gr.HTML(_NOTHING, elem_id="inspect-words")
            with gr.Accordion("Measure another picture", open=False):
                picture = picture_control("Picture", "inspect-picture")
                scale = gr.Radio(
                    list(SCALES), value="Auto", label="For enlarging by",
                    info="Blur is given in px of the enlarged picture.",
                    elem_classes="mm-segments",
                )  # fmt: skip
                start, stop = run_buttons("Measure", "inspect")
            status, queue = run_status("inspect")
        with gr.Column(scale=7, min_width=320, elem_classes="mm-main"):
            damage = gr.HTML(elem_id="inspect-damage")
            about = gr.HTML(elem_id="inspect-about")
            kernels = gr.Image(
                label="Kernels used",
                type="filepath", interactive=False, visible=False, elem_id="inspect-map",
                buttons=["fullscreen", "download"],
            )  # fmt: skip
            kernel = gr.HTML(elem_id="inspect-kernel")
            depth = gr.Image(
                label="Depth: near is bright", type="filepath", interactive=False, visible=False,
                buttons=["fullscreen", "download"], height=320, elem_classes="mm-fit",
            )  # fmt: skip
            with gr.Column(visible=False, elem_classes="mm-weights") as group:
                step = gr.Slider(
                    1, 2, 1, step=1, label="Step", elem_id="inspect-step",
                    info="From the first step of adding detail to the last.",
                )  # fmt: skip
                weights = gr.HTML(elem_id="inspect-weights")

    shown = [seen, words, damage, about, kernels, kernel, depth, group, step, weights]

    def show(found: Inspection | None) -> Updates:
        if found is None:
            return {}
        count = len(found.weights)
        last = found.weights[-1] if count else {}
        return {
            seen: found,
            words: panels.findings(found.headline(), found.sentences(), " ".join(found.notes)),
            damage: panels.damage_panel(found.noise_255, found.blur_of_picture_px),
            about: panels.notice(kernels_words(found.width_px, found.scale, found.field.scale)),
            kernels: gr.update(value=str(found.draw_map()), visible=True),
            kernel: _CLICK,
            depth: gr.update(
                value=None if found.depth_file is None else str(found.depth_file),
                visible=found.depth_file is not None,
            ),
            group: gr.update(visible=bool(found.consistency_db)),
            step: gr.update(maximum=max(2, count), value=max(1, count), visible=count > 1),
            weights: panels.weight_panel(last, found.prompt_mask),
        }

    def show_restored(made: Restoration | None) -> Updates:
        return show(None if made is None else made.inspection) or {words: gr.skip()}

    def prepare(values: Updates) -> Task[Inspection]:
        path = Path(needed(values[picture], session.workspace).path)
        chosen = parse_scale(values[scale])
        return Task(lambda callback: session.engine.estimate(path, chosen, callback))

    def enlarge(found: Inspection | None, event: gr.SelectData) -> str:
        if found is None or not isinstance(event.index, (list, tuple)):
            return _CLICK
        x, y = (float(value) for value in event.index[:2])
        height, width = found.map_size()
        if x >= width:  # The colour bar.
            return _CLICK
        picture, text = found.kernel_at(x / width, y / height)
        place = f"At {x / width:.0%} from the left, {y / height:.0%} from the top"
        return panels.kernel_panel(picture, text, place)

    def show_step(found: Inspection | None, number: float) -> str:
        if found is None or not found.weights:
            return panels.weight_panel({})
        index = min(len(found.weights), max(1, int(number))) - 1
        return panels.weight_panel(found.weights[index], found.prompt_mask)

    for ran in restored.ran:
        ran.then(worded(show_restored), restored.result, shown, **QUIET)
    wire_run(
        session, RunParts(start, stop, status, queue), [start.click],
        {picture, scale}, shown, prepare, show,
    )  # fmt: skip
    kernels.select(worded(enlarge), seen, kernel, **QUIET)
    step.change(show_step, [seen, step], weights, **QUIET)
