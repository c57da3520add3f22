"""The second tab: what was wrong with the picture, in words and maps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from . import panels
from .desk import ENGINE_QUEUE, Desk, wire_stop
from .guard import explain, needed, take_unread
from .inspection import Inspection
from .jobs import Restoration
from .settings import SCALES, parse_scale
from .tab_restore import RestoreTab

_NOTHING = panels.empty(
    "Nothing measured yet",
    "Restore a picture in the first tab, or measure one here without restoring it.",
)
_CLICK = panels.notice(
    "Colour is the width of the blur, the ellipses are its shape. Click a place of the map to see "
    "what one point became there."
)


def build_inspect(desk: Desk, restored: RestoreTab) -> None:
    """Builds the tab inside the present Blocks context."""
    seen = gr.State(None, time_to_live=3600)
    with gr.Row(equal_height=False, elem_classes="mm-columns"):
        with gr.Column(scale=4, min_width=300, elem_classes="mm-side"):
            words = gr.HTML(_NOTHING, elem_id="inspect-words")
            with gr.Accordion("Measure another picture", open=False):
                picture = take_unread(
                    gr.Image(
                        label="Picture", type="filepath", image_mode=None, height=220,
                        sources=["upload", "clipboard"], elem_id="inspect-picture", buttons=[],
                    )
                )  # fmt: skip
                scale = gr.Radio(
                    list(SCALES), value="Auto", label="For enlarging by",
                    info="Blur is given in px of the enlarged picture.",
                    elem_classes="mm-segments",
                )  # fmt: skip
                with gr.Row(elem_classes="mm-actions"):
                    start = gr.Button("Measure", variant="primary", elem_id="inspect-start")
                    stop = gr.Button("Stop", variant="stop", visible=False)
            queue = gr.HTML(elem_classes="mm-queue")
            status = gr.HTML()
        with gr.Column(scale=7, min_width=320, elem_classes="mm-main"):
            blur = gr.Image(
                label="Blur",
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
                    info="Which evidence was used where (bright = much), from the first step on.",
                )  # fmt: skip
                weights = gr.HTML(elem_id="inspect-weights")

    shown = [seen, words, blur, kernel, depth, group, step, weights]

    def show(found: Inspection | None) -> dict[Any, Any]:
        if found is None:
            return {}
        count = len(found.weights)
        last = found.weights[-1] if count else {}
        return {
            seen: found,
            words: panels.findings(found.headline(), found.sentences()),
            blur: gr.update(value=str(found.draw_map()), visible=True),
            kernel: _CLICK,
            depth: gr.update(
                value=None if found.depth_file is None else str(found.depth_file),
                visible=found.depth_file is not None,
            ),
            group: gr.update(visible=bool(found.consistency_db)),
            step: gr.update(maximum=max(2, count), value=max(1, count), visible=count > 1),
            weights: panels.weight_panel(last, found.prompt_mask),
        }

    def show_restored(made: Restoration | None) -> dict[Any, Any]:
        return show(None if made is None else made.inspection) or {words: gr.skip()}

    def measure(values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        try:
            upload = needed(values[picture], desk.workspace)
            chosen = parse_scale(values[scale])
        except Exception as error:  # noqa: BLE001 - shown in place, in words.
            yield {status: panels.notice(explain(error), "bad")}
            return
        yield {start: gr.update(visible=False), stop: gr.update(visible=True)}
        idle = {start: gr.update(visible=True), stop: gr.update(visible=False)}
        path = Path(upload.path)
        yield from desk.answer(
            lambda tell: desk.engine.estimate(path, chosen, tell), request, status, idle, show
        )

    def enlarge(found: Inspection | None, event: gr.SelectData) -> str:
        if found is None or not isinstance(event.index, (list, tuple)):
            return _CLICK
        x, y = (float(value) for value in event.index[:2])
        height, width = found.map_size()
        if x >= width:  # The colour bar.
            return _CLICK
        picture, text = found.kernel_at(x / width, y / height)
        place = f"At {100 * x / width:.0f} % from the left, {100 * y / height:.0f} % from the top"
        return panels.kernel_panel(picture, text, place)

    def show_step(found: Inspection | None, number: float) -> str:
        if found is None or not found.weights:
            return panels.weight_panel({})
        index = min(len(found.weights), max(1, int(number))) - 1
        return panels.weight_panel(found.weights[index], found.prompt_mask)

    quiet: dict[str, Any] = {
        "queue": False, "show_progress": "hidden", "api_visibility": "private",
    }  # fmt: skip
    for ran in restored.ran:
        ran.then(show_restored, restored.result, shown, **quiet)
    run = start.click(
        measure,
        inputs={picture, scale},
        outputs=[*shown, status, queue, start, stop],
        concurrency_id=ENGINE_QUEUE,
        concurrency_limit=1,
        show_progress="minimal",
        show_progress_on=queue,
        api_visibility="private",
    )
    wire_stop(desk, stop, start, [run])
    blur.select(enlarge, seen, kernel, **quiet)
    step.change(show_step, [seen, step], weights, **quiet)
