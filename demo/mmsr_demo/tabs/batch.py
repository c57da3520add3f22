"""The sixth tab: several pictures or a ZIP in, a ZIP out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from mmsr_core.errors import InputError
from mmsr_core.image import INPUT_SUFFIXES

from ..settings import AUTO_SCALE, PRESETS, SYMPTOMS, UNKNOWN_SYMPTOM
from ..ui import panels
from ..ui.requests import as_upload, take_unread
from ..ui.run_events import QUIET, RunParts, Task, Updates, run_buttons, run_status, wire_run
from ..ui.session import PageSession
from ..work.batch import restore_batch
from ..work.jobs import BatchLine, BatchResult, RestoreJob
from ..work.saving import KINDS, PLAIN_KIND
from .controls import (
    background_control,
    read_size_controls,
    size_controls,
    style_control,
    symptom_control,
    wire_symptom,
)


def build_batch(session: PageSession) -> None:
    """Builds the tab inside the present Blocks context."""
    chosen = session.engine.settings
    with gr.Row(equal_height=False, elem_classes="mm-columns"):
        with gr.Column(scale=5, min_width=320, elem_classes="mm-side"):
            files = take_unread(
                gr.File(
                    label="Pictures, or a ZIP with pictures", file_count="multiple",
                    file_types=[*sorted(INPUT_SUFFIXES), ".zip"], height=240,
                    elem_id="batch-files",
                )
            )  # fmt: skip
            gr.HTML(
                f'<p class="mm-small">At most {chosen.max_batch_files} pictures and '
                f"{chosen.max_batch_mb} MB in one batch. Unreadable files are listed; the rest "
                "are processed.</p>"
            )
            symptom = symptom_control("What is wrong with them?", "batch")
            preset = style_control("batch")
            sizes = size_controls("Auto suits the size of each picture.", "batch")
            kind = gr.Radio(
                list(KINDS), value=PLAIN_KIND, label="File format", elem_id="batch-format",
                elem_classes="mm-segments",
            )  # fmt: skip
            background = background_control("batch")
            start, stop = run_buttons("Restore all", "batch")
        with gr.Column(scale=7, min_width=320, elem_classes="mm-main"):
            status, queue = run_status("batch")
            download = gr.DownloadButton(
                "Download ZIP", visible=False, variant="primary", elem_id="batch-download"
            )
            table = gr.HTML(
                panels.empty(
                    "The results appear here", "One ZIP with the pictures and a report of each."
                ),
                elem_id="batch-table",
            )

    def show(result: BatchResult) -> Updates:
        good = sum(1 for line in result.lines if line.result)
        text = f"{good} of {len(result.lines)} pictures restored."
        return {
            status: panels.notice(text, "good" if good == len(result.lines) else "info"),
            download: gr.update(value=str(result.archive), visible=True),
            table: panels.batch_table(result.lines),
        }

    def prepare(values: Updates) -> Task[BatchResult]:
        uploads = batch_uploads(session, values[files])
        job = batch_settings(
            values[preset], values[sizes["scale"]], values[sizes["size"]], values[symptom]
        )
        wanted, ground = values[kind], values[background]
        lines: list[BatchLine] = []
        shown = 0

        def meanwhile() -> Updates:
            nonlocal shown
            if len(lines) == shown:
                return {}
            shown = len(lines)
            return {table: panels.batch_table(list(lines))}

        return Task(
            lambda callback: restore_batch(
                session.engine, uploads, job, callback, lines.append, wanted, ground
            ),
            meanwhile,
        )

    wire_run(
        session, RunParts(start, stop, status, queue), [start.click],
        {files, symptom, preset, kind, background, *sizes.values()}, [download, table],
        prepare, show,
        begun={download: gr.update(visible=False), table: ""},
    )  # fmt: skip
    wire_symptom(symptom, {"preset": preset, **sizes})
    kind.input(lambda name: gr.update(visible=name == "JPEG"), kind, background, **QUIET)


def batch_uploads(session: PageSession, values: Any) -> list[tuple[str, Path]]:
    """Name and place of every uploaded file.

    Raises:
        InputError: There is none, or one lies outside the workspace.
    """
    given = values if isinstance(values, list) else [values]
    found = [as_upload(value, session.workspace) for value in given]
    uploads = [(upload.name, Path(upload.path)) for upload in found if upload is not None]
    if not uploads:
        raise InputError("Choose pictures or a ZIP archive first.")
    return uploads


def batch_settings(
    preset: str,
    scale: str | None = AUTO_SCALE,
    size: str = "",
    symptom: str | None = UNKNOWN_SYMPTOM,
) -> RestoreJob:
    """What to do with each picture.

    Args:
        preset: one of `PRESETS`.
        scale: see `parse_scale`; None is Auto.
        size: see `parse_size`; in place of the scale.
        symptom: one of `SYMPTOMS`, or None; it says how much of the noise goes.
    """
    if preset not in PRESETS:
        raise InputError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}.")
    how = PRESETS[preset]
    factor, target = read_size_controls(scale, size)
    return RestoreJob(
        Path(), scale=factor, size=target, steps=how.steps,
        detail=how.detail, denoise=SYMPTOMS[symptom or UNKNOWN_SYMPTOM].denoise,
    )  # fmt: skip
