"""The first tab: drop a picture, press Restore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from mmsr_core.image import read_size
from mmsr_core.types import MODALITIES, Preset

from ..settings import DEFAULT_PRESET, PRESETS, SCALES, parse_scale, parse_size
from ..ui import messages as words
from ..ui import panels
from ..ui.requests import as_path, as_paths, as_upload, explain, needed, take_number, take_unread
from ..ui.run_events import QUIET, RunParts, Task, Updates, run_buttons, run_status, wire_run
from ..ui.session import PageSession
from ..ui.viewer import before_after
from ..work.jobs import Restoration, RestoreJob
from ..work.models import MAX_PROMPT, Abilities
from ..work.saving import KINDS, converted

EXAMPLES = Path(__file__).parents[1] / "examples"
EXAMPLE_FILES = ("out_of_focus.png", "shaken.png", "soft_and_compressed.png")
MAX_BLUR_PX = 4.5
"""The widest blur that can be stated, px of the result."""
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
                    height=300,
                    elem_id="restore-picture",
                    buttons=["fullscreen"],
                    placeholder="Drop a picture here\nor tap to choose one",
                )
            )
            plan = gr.HTML(elem_classes="mm-plan")
            preset = gr.Radio(
                list(PRESETS),
                value=DEFAULT_PRESET,
                label="Style",
                info=_PRESET_HELP,
                elem_id="restore-preset",
                elem_classes="mm-segments",
            )
            sizes = _sizes()
            start, stop = run_buttons("Restore", "restore")
            with gr.Accordion("Advanced", open=False, elem_id="restore-advanced"):
                advanced = _advanced(session.engine.abilities)
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
    preset.input(_numbers_of, preset, [advanced["steps"], advanced["detail"]], **QUIET)
    gr.on(
        [advanced["steps"].input, advanced["detail"].input],
        _preset_of, [advanced["steps"], advanced["detail"]], preset, **QUIET,
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


def _sizes() -> dict[str, Any]:
    """How large the result is to be: name to component."""
    scale = gr.Radio(
        list(SCALES), value="Auto", label="Enlarge", elem_id="restore-scale",
        info="Auto suits your picture and takes about a minute at most on a CPU.",
        elem_classes="mm-segments",
    )  # fmt: skip
    size = gr.Textbox(
        "", label="Or to a size", placeholder="4K, 3000 (longest side), w800, h600, 12MP, 1.5x",
        max_length=20, elem_id="restore-size",
    )  # fmt: skip
    return {"scale": scale, "size": size}


def _numbers_of(name: str) -> tuple[int, float]:
    """Steps and detail of a preset."""
    return PRESETS[name].steps, PRESETS[name].detail


def _preset_of(steps: float, detail: float) -> str | None:
    """The preset with these numbers, if there is one."""
    chosen = Preset(int(steps), detail)
    return next((name for name, preset in PRESETS.items() if preset == chosen), None)


def _advanced(can: Abilities) -> dict[str, Any]:
    """The folded controls: name to component. What the weights cannot do is not shown."""
    steps, detail = _numbers_of(DEFAULT_PRESET)
    made: dict[str, Any] = {}
    with gr.Row():
        made["steps"] = take_number(
            gr.Slider(
                0,
                16,
                steps,
                step=1,
                elem_id="restore-steps",
                label="Steps",
                info="0: the most faithful. 1 is usually enough.",
            )
        )
        made["detail"] = take_number(
            gr.Slider(
                0,
                2,
                detail,
                step=0.05,
                elem_id="restore-detail",
                label="Detail",
                info="How much texture the steps may add.",
            )
        )
    made["seed"] = take_number(gr.Number(
        0, label="Seed", info="Another number, another texture. The same number repeats a result.",
        precision=0, minimum=0, maximum=2**53 - 1,
    ))  # fmt: skip
    made |= _known_damage()
    made["prompt"] = gr.Textbox(
        "", label="What is in the picture", info="A few words, such as “a brick house”. Optional.",
        placeholder="Optional", max_length=MAX_PROMPT, visible=can.prompt,
    )  # fmt: skip
    made["references"] = take_unread(
        gr.File(
            label="Reference pictures: they show what is meant (optional)",
            file_count="multiple", file_types=["image"], height=110, visible=can.references,
        )
    )  # fmt: skip
    with gr.Row():
        made["depth"] = take_unread(
            gr.Image(
                label="Depth: near is bright", type="filepath", image_mode=None,
                placeholder="Optional picture",
                sources=["upload", "clipboard"], height=150, buttons=[],
            )
        )  # fmt: skip
        made["guide"] = take_unread(
            gr.Image(
                label="Guide: a second sensor", type="filepath", placeholder="Optional picture",
                image_mode=None, sources=["upload", "clipboard"], height=150, buttons=[],
                visible=can.guide,
            )
        )  # fmt: skip
    gr.HTML('<p class="mm-small">How much each piece of evidence counts: 0 leaves it out.</p>')
    with gr.Row():
        for name in MODALITIES:
            made[f"strength_{name}"] = take_number(gr.Slider(
                0, 2, 1, step=0.05, label=panels.MODALITY_WORDS.get(name, name), min_width=150,
                visible=can.uses(name),
            ))  # fmt: skip
    made["consistency"] = gr.Radio(
        [("Back-projection", "ibp"), ("Conjugate gradient", "cg"), ("Off", "off")],
        value="ibp",
        label="Agreement with your picture",
        info="Makes the result give your picture back when it is damaged again.",
        elem_classes="mm-segments",
    )
    return made


def _known_damage() -> dict[str, Any]:
    """Controls for what the user knows better than the measurement, and for the grain."""
    gr.HTML(
        '<p class="mm-small">What is wrong with the picture is measured. State what you know '
        "better:</p>"
    )
    fields = {
        "noise": ("Noise", -1, 60, -1, 0.5, "Of 255 levels; -1 measures it."),
        "jpeg": ("JPEG quality", 0, 100, 0, 1, "100 is none; 0 measures it."),
        "blur": ("Blur", 0, MAX_BLUR_PX, 0, 0.1, "Px of the result, even; 0 measures it."),
        "denoise": ("Denoise", 0, 1, 1, 0.05, "Share taken away; 0 keeps the grain."),
    }
    made: dict[str, Any] = {}
    with gr.Row():
        for name, (label, low, high, value, step, info) in fields.items():
            made[name] = take_number(gr.Slider(
                low, high, value, step=step, label=label, info=info, min_width=320,
                elem_id=f"restore-{name}",
            ))  # fmt: skip
    return made


def known_damage(noise: float, quality: float, blur: float, denoise: float) -> dict[str, Any]:
    """Four numbers of a form as `RestoreJob` takes them.

    Args:
        noise: of 255; below 0 for measured.
        quality: 1..100; 0 for measured.
        blur: px of the result; 0 for measured.
        denoise: 0..1.
    """
    return {
        "noise_255": None if noise < 0 else float(noise),
        "jpeg_quality": None if quality == 0 else float(quality),
        "blur_px": None if blur == 0 else float(blur),
        "denoise": float(denoise),
    }


def read_job(session: PageSession, given: dict[str, Any]) -> RestoreJob:
    """The values of the controls as a job.

    Raises:
        InputError: No picture, or a value cannot be used.
    """
    workspace = session.workspace
    upload = needed(given["picture"], workspace)
    strengths = {
        name: float(given[f"strength_{name}"])
        for name in MODALITIES
        if float(given.get(f"strength_{name}", 1)) != 1
    }
    return RestoreJob(
        picture=Path(upload.path),
        name=upload.name,
        scale=parse_scale(given["scale"]),
        size=parse_size(given.get("size")),
        steps=int(given["steps"]),
        detail=float(given["detail"]),
        seed=int(given["seed"] or 0),
        consistency=given.get("consistency", "ibp"),
        prompt=str(given.get("prompt") or ""),
        references=as_paths(given.get("references"), workspace),
        depth=as_path(given.get("depth"), workspace),
        guide=as_path(given.get("guide"), workspace),
        guide_mode=given.get("guide_mode", "guide"),
        strengths=strengths,
        **known_damage(*(given[name] for name in ("noise", "jpeg", "blur", "denoise"))),
    )
