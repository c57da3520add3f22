"""The fifth tab: bicubic and this against a good picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from mmsr_core.image import read_size

from ..settings import COMPARE_PRESET, MAX_BLUR_PX, MAX_NOISE_255, MIN_BLUR_PX, PRESETS
from ..ui import panels
from ..ui.requests import as_path, needed, take_number
from ..ui.run_events import RunParts, Task, Updates, run_buttons, run_status, wire_run
from ..ui.session import PageSession
from ..ui.viewer import before_after
from ..work.compare import compare
from ..work.jobs import CompareJob, Comparison
from .controls import picture_control, style_control


def build_compare(session: PageSession) -> None:
    """Builds the tab inside the present Blocks context."""
    with gr.Row(equal_height=False, elem_classes="mm-columns"):
        with gr.Column(scale=5, min_width=320, elem_classes="mm-side"):
            good = picture_control(
                "A good picture", "compare-good", height=240,
                placeholder="Drop a sharp picture here\nIt is damaged, restored and compared",
            )  # fmt: skip
            with gr.Accordion("How it is damaged", open=True):
                made = _damage_controls()
            with gr.Accordion("I have the damaged picture, too", open=False):
                damaged = picture_control(
                    "Damaged picture: 1/2, 1/3, 1/4 … of the size", "compare-damaged", height=180
                )
            preset = style_control(
                "compare", COMPARE_PRESET,
                "Faithful has the best PSNR, the others have the better LPIPS.",
            )  # fmt: skip
            start, stop = run_buttons("Compare", "compare")
        with gr.Column(scale=7, min_width=320, elem_classes="mm-main"):
            status, queue = run_status("compare")
            table = gr.HTML(
                panels.empty("The comparison appears here", "Bicubic enlarging beside this."),
                elem_id="compare-table",
            )
            slider = gr.HTML(visible=False, elem_id="compare-slider")
            gallery = gr.Gallery(
                label="Damaged, bicubic, MMSR, good", visible=False, columns=2, height="auto",
                object_fit="contain", interactive=False, buttons=["fullscreen", "download"],
                elem_classes="mm-gallery", elem_id="compare-gallery",
            )  # fmt: skip

    def show(result: Comparison) -> Updates:
        captions = (
            (result.damaged, "Damaged"), (result.bicubic, "Bicubic"),
            (result.restored, "MMSR"), (result.truth, "Good"),
        )  # fmt: skip
        return {
            table: panels.score_table(result),
            slider: gr.update(
                value=before_after(
                    result.bicubic, result.restored, read_size(result.restored), ("Bicubic", "MMSR")
                ),
                visible=True,
            ),
            gallery: gr.update(value=[(str(p), text) for p, text in captions], visible=True),
        }

    def prepare(values: Updates) -> Task[Comparison]:
        upload = needed(values[good], session.workspace, "a good picture")
        how = PRESETS[values[preset]]
        job = CompareJob(
            Path(upload.path), as_path(values[damaged], session.workspace),
            scale=int(str(values[made["scale"]]).lstrip("×")),
            blur_px=float(values[made["blur"]]), blur_end_px=float(values[made["blur_end"]]),
            noise_255=float(values[made["noise"]]), jpeg_quality=int(values[made["jpeg"]]),
            steps=how.steps, detail=how.detail,
        )  # fmt: skip
        return Task(lambda callback: compare(session.engine, job, callback))

    wire_run(
        session, RunParts(start, stop, status, queue), [start.click],
        {good, damaged, preset, *made.values()}, [table, slider, gallery], prepare, show,
        begun={table: ""} | dict.fromkeys((slider, gallery), gr.update(visible=False)),
    )  # fmt: skip


def _damage_controls() -> dict[str, Any]:
    scale = gr.Radio(
        ["×2", "×3", "×4", "×8"], value=f"×{CompareJob.scale}", label="Shrink by",
        elem_id="compare-scale",
        info="And enlarge again by as much.", elem_classes="mm-segments",
    )  # fmt: skip
    with gr.Row():
        blur = take_number(
            gr.Slider(
                MIN_BLUR_PX,
                MAX_BLUR_PX,
                CompareJob.blur_px,
                step=0.1,
                label="Blur left",
                info="px of the good picture",
            )
        )
        blur_end = take_number(
            gr.Slider(
                MIN_BLUR_PX,
                MAX_BLUR_PX,
                CompareJob.blur_end_px,
                step=0.1,
                label="Blur right",
                info="It changes evenly between them.",
            )
        )
    with gr.Row():
        noise = take_number(
            gr.Slider(
                0,
                MAX_NOISE_255,
                CompareJob.noise_255,
                step=0.5,
                label="Noise",
                info="Of 255 levels.",
            )
        )
        jpeg = take_number(
            gr.Slider(
                1,
                100,
                CompareJob.jpeg_quality,
                step=1,
                label="JPEG quality",
                info="100: none.",
            )
        )
    return {"scale": scale, "blur": blur, "blur_end": blur_end, "noise": noise, "jpeg": jpeg}
