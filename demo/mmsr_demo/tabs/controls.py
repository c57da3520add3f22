"""The controls of the first tab, and their values as a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from mmsr_core.types import MAX_SHARPENING, MODALITIES, preset_name

from ..settings import (
    AUTO_SCALE,
    DEFAULT_PRESET,
    FULL_DENOISE,
    MAX_BLUR_PX,
    MAX_DETAIL,
    MAX_NOISE_255,
    MAX_SEED,
    MAX_STEPS,
    MAX_STRENGTH,
    MEASURED_BLUR,
    MEASURED_JPEG,
    MEASURED_NOISE,
    MEASURED_SHARPENING,
    PRESETS,
    SCALES,
    SYMPTOMS,
    UNKNOWN_SYMPTOM,
    parse_scale,
    parse_size,
)
from ..ui import panels
from ..ui.requests import as_path, as_paths, explain, needed, take_number, take_unread
from ..ui.run_events import QUIET
from ..ui.session import PageSession
from ..work.jobs import Pictured, RestoreJob
from ..work.models import MAX_PROMPT, Abilities
from ..work.saving import (
    BACKGROUNDS,
    KINDS,
    PLAIN_KIND,
    converted,
    converted_notes,
    ground_in,
)

if TYPE_CHECKING:
    from mmsr_core.image import TargetSize

KNOWN_DAMAGE = ("noise", "jpeg", "blur", "sharpening", "denoise")
"""Controls of `damage_controls`, by name."""
_ASK = "Sets the other controls. You can still change them."
_DROP = "Drop a picture here\nor tap to choose one"


def picture_control(
    label: str,
    name: str,
    *,
    height: int = 220,
    placeholder: str = _DROP,
    sources: Sequence[Literal["upload", "webcam", "clipboard"]] = ("upload", "clipboard"),
    buttons: Sequence[Literal["fullscreen"]] = (),
    visible: bool = True,
) -> Any:
    """A place to drop a picture.

    Args:
        label: what belongs there.
        name: the element's id.
        height: px.
        placeholder: what stands in it while it is empty.
        sources: of `gr.Image`.
        buttons: of `gr.Image`.
        visible: whether it is shown.
    """
    return take_unread(
        gr.Image(
            label=label, type="filepath", image_mode=None, height=height, elem_id=name,
            sources=list(sources), buttons=list(buttons), placeholder=placeholder,
            visible=visible, elem_classes="mm-drop",
        )
    )  # fmt: skip


def symptom_control(label: str = "What is wrong with it?", tab: str = "restore") -> Any:
    """What a person says is wrong: a choice that sets other controls, see `wire_symptom`."""
    return gr.Radio(
        list(SYMPTOMS), value=UNKNOWN_SYMPTOM, label=label, info=_ASK,
        elem_id=f"{tab}-symptom", elem_classes=["mm-segments", "mm-thirds"],
    )  # fmt: skip


def symptom_update(name: str | None) -> Any:
    """An answer with what it sets, in words; None for no answer."""
    info = _ASK if name is None or name == UNKNOWN_SYMPTOM else SYMPTOMS[name].words
    return gr.update(value=name, info=info)


def wire_symptom(symptom: Any, controls: dict[str, Any]) -> None:
    """The choice sets the controls, and is taken back when one of them is changed.

    The size of the result is no part of what is wrong: another one leaves the choice as it is.

    Args:
        symptom: of `symptom_control`.
        controls: by the names of `Symptom.controls`; others are left alone, but for `size`.
    """
    names = [name for name in SYMPTOMS[UNKNOWN_SYMPTOM].controls if name in controls]
    typed = [controls["size"]] if "size" in controls else []

    def chosen(name: str) -> list[Any]:
        values = SYMPTOMS[name].controls
        return [symptom_update(name), *(values[part] for part in names), *("" for _ in typed)]

    outputs = [symptom, *(controls[name] for name in names), *typed]
    symptom.input(chosen, symptom, outputs, **QUIET)
    # A style sets steps and detail, and they name the style: the one that was moved counts.
    numbers = [name for name in names if name not in ("scale", "preset")]
    others = [name for name in numbers if name not in ("steps", "detail")]
    for moved, compared in ((["preset"], ["preset", *others]), (numbers, numbers)):
        if moved:
            _watch(symptom, controls, moved, compared)


def _watch(symptom: Any, controls: dict[str, Any], moved: list[str], compared: list[str]) -> None:
    """Takes the choice back when a control of `moved` is, by the values of `compared`."""

    def changed(name: str | None, *values: Any) -> Any:
        return symptom_after(name, dict(zip(compared, values, strict=True)))

    gr.on(
        [controls[name].input for name in moved], changed,
        [symptom, *(controls[name] for name in compared)], symptom, **QUIET,
    )  # fmt: skip


def symptom_after(name: str | None, now: Mapping[str, Any]) -> Any:
    """The update of the choice when other controls were changed.

    It stays while they are as it set them, as "Not sure" does. Else it is taken back, and a Denoise
    that is out of sight is named.

    Args:
        name: the choice, one of `SYMPTOMS`; None where it was taken back.
        now: the other controls, by the names of `Symptom.controls`.
    """
    usual = SYMPTOMS[UNKNOWN_SYMPTOM].controls
    if name == UNKNOWN_SYMPTOM or (name is not None and _set_by(name, now)):
        return gr.update()
    if _set_by(UNKNOWN_SYMPTOM, now):
        return symptom_update(UNKNOWN_SYMPTOM)
    kept = now.get("denoise", usual["denoise"])
    stays = "" if kept == usual["denoise"] else f" Denoise {kept:g} is still set under Advanced."
    return gr.update(value=None, info=f"Changed by hand.{stays}")


def _set_by(name: str, now: Mapping[str, Any]) -> bool:
    return all(value == SYMPTOMS[name].controls[part] for part, value in now.items())


def style_control(
    tab: str,
    value: str = DEFAULT_PRESET,
    info: str = "Faithful invents nothing. Crisp adds the most texture. Balanced is between them.",
) -> Any:
    """Which preset: a choice of `PRESETS`; its id is `tab-preset`."""
    return gr.Radio(
        list(PRESETS), value=value, label="Style", info=info, elem_id=f"{tab}-preset",
        elem_classes="mm-segments",
    )  # fmt: skip


def size_controls(
    info: str = "Auto suits your picture and takes about a minute at most on a CPU.",
    tab: str = "restore",
) -> dict[str, Any]:
    """How large the result is to be: name to component."""
    scale = gr.Radio(
        list(SCALES), value=AUTO_SCALE, label="Enlarge", elem_id=f"{tab}-scale",
        info=info, elem_classes="mm-segments",
    )  # fmt: skip
    size = gr.Textbox(
        "", label="Or to a size", placeholder="4K, 3000, w800, h600, 12MP, 1.5x",
        max_length=20, elem_id=f"{tab}-size", elem_classes="mm-size",
    )  # fmt: skip
    # Only one of the two counts, and only that one is seen to be chosen.
    size.change(
        lambda text, chosen: None if text.strip() else chosen or AUTO_SCALE, [size, scale], scale,
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    scale.input(lambda: "", outputs=size, **QUIET)
    return {"scale": scale, "size": size}


def read_size_controls(scale: str | None, size: str | None) -> tuple[int | None, TargetSize | None]:
    """What `size_controls` hold, as `RestoreJob` takes it: a scale, or else a size.

    Raises:
        InputError: one cannot be read.
    """
    return parse_scale(scale or AUTO_SCALE), parse_size(size)


def format_control(tab: str) -> Any:
    """The format of a download, to be shown beside its button; see `in_format`."""
    return gr.Dropdown(
        list(KINDS), value=PLAIN_KIND, show_label=False, label="File format",
        visible=False, min_width=110, scale=0, elem_id=f"{tab}-format",
    )  # fmt: skip


def background_control(tab: str, *, label: bool = True) -> Any:
    """What transparent places are laid on in a JPEG, to be shown where that is asked for."""
    return gr.Dropdown(
        list(BACKGROUNDS), value=BACKGROUNDS[0], allow_custom_value=True, visible=False,
        label="Behind transparent places", show_label=label, min_width=110,
        scale=None if label else 0, elem_id=f"{tab}-background",
        info="JPEG cannot keep them. A name, or #rrggbb." if label else None,
    )  # fmt: skip


def in_format(made: Pictured, name: str, background: str | None) -> list[Any]:
    """The download in another format, a word on it above the pictures, and its background."""
    choice = gr.update(visible=ground_in(made, name) is not None)
    try:
        path = converted(made, name, background)
    except Exception as error:  # noqa: BLE001 - shown in place, in words.
        gone = not made.after.is_file()
        text = "The file of this result was cleared. Restore it again." if gone else explain(error)
        return [gr.update(), gr.update(value=panels.notice(text, "bad"), visible=True), choice]
    said = panels.notice(" ".join(converted_notes(made, name, background)))
    return [gr.update(value=str(path)), gr.update(value=said, visible=bool(said)), choice]


def wire_format(made: Any, kind: Any, background: Any, outputs: list[Any]) -> None:
    """Makes the download another file when its format or background is chosen.

    Args:
        made: the state with the result.
        kind: of `format_control`.
        background: of `background_control`.
        outputs: the download button, and where is said what is to be known.
    """
    gr.on(
        [kind.input, background.input], in_format, [made, kind, background],
        [*outputs, background], **QUIET,
    )  # fmt: skip


def numbers_of(name: str) -> tuple[int, float]:
    """Steps and detail of a preset."""
    return PRESETS[name].steps, PRESETS[name].detail


def preset_of(steps: float, detail: float) -> str | None:
    """The preset with these numbers, if there is one."""
    name = preset_name(int(steps), detail)
    return name and name.capitalize()


def advanced_controls(can: Abilities) -> dict[str, Any]:
    """The folded controls: name to component. What the weights cannot do is not shown."""
    steps, detail = numbers_of(DEFAULT_PRESET)
    made: dict[str, Any] = {}
    with gr.Row(elem_classes="mm-pair"):
        made["steps"] = take_number(
            gr.Slider(
                0,
                MAX_STEPS,
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
                MAX_DETAIL,
                detail,
                step=0.05,
                elem_id="restore-detail",
                label="Detail",
                info="How much texture the steps may add.",
            )
        )
    made["seed"] = take_number(gr.Number(
        0, label="Seed", info="Another number, another texture. The same number repeats a result.",
        precision=0, minimum=0, maximum=MAX_SEED,
    ))  # fmt: skip
    made |= damage_controls("restore")
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
        made["depth"] = picture_control(
            "Depth: near is bright", "restore-depth", height=150, placeholder="Optional picture"
        )
        made["guide"] = picture_control(
            "Guide: a second sensor", "restore-guide", height=150, placeholder="Optional picture",
            visible=can.guide,
        )  # fmt: skip
    gr.HTML('<p class="mm-small">How much each piece of evidence counts: 0 leaves it out.</p>')
    with gr.Row(elem_classes="mm-pair"):
        for name in MODALITIES:
            made[f"strength_{name}"] = take_number(gr.Slider(
                0, MAX_STRENGTH, 1, step=0.05, label=panels.MODALITY_WORDS.get(name, name),
                min_width=150, visible=can.uses(name),
            ))  # fmt: skip
    made["consistency"] = gr.Radio(
        [("Back-projection", "ibp"), ("Conjugate gradient", "cg"), ("Off", "off")],
        value="ibp",
        label="Agreement with your picture",
        info="Makes the result give your picture back when it is damaged again.",
        elem_classes="mm-segments",
    )
    return made


def damage_controls(tab: str, names: tuple[str, ...] = KNOWN_DAMAGE) -> dict[str, Any]:
    """Controls for what the user knows better than the measurement, and for the grain.

    Args:
        tab: their ids begin with it.
        names: those of `KNOWN_DAMAGE` that are wanted.
    """
    gr.HTML(
        '<p class="mm-small">What is wrong with the picture is measured. State what you know '
        "better:</p>"
    )
    fields = {
        "noise": (
            "Noise", MEASURED_NOISE, MAX_NOISE_255, MEASURED_NOISE, 0.5,
            "Of 255 levels; -1 measures it.",
        ),
        "jpeg": ("JPEG quality", 0, 100, MEASURED_JPEG, 1, "100 is none; 0 measures it."),
        "blur": (
            "Blur", 0, MAX_BLUR_PX, MEASURED_BLUR, 0.1, "Px of the result, even; 0 measures it.",
        ),
        "sharpening": (
            "Sharpening", MEASURED_SHARPENING, MAX_SHARPENING, MEASURED_SHARPENING, 0.05,
            "A camera's, taken back first; 0 is none, -1 measures it.",
        ),
        "denoise": ("Denoise", 0, 1, FULL_DENOISE, 0.05, "Share taken away; 0 keeps the grain."),
    }  # fmt: skip
    made: dict[str, Any] = {}
    with gr.Row():
        for name in names:
            label, low, high, value, step, info = fields[name]
            made[name] = take_number(gr.Slider(
                low, high, value, step=step, label=label, info=info, min_width=320,
                elem_id=f"{tab}-{name}",
            ))  # fmt: skip
    return made


def known_damage(
    noise: float, quality: float, blur: float, denoise: float, sharpening: float
) -> dict[str, Any]:
    """Five numbers of a form as `RestoreJob` takes them.

    Args:
        noise: of 255; below 0 for measured.
        quality: 1..100; 0 for measured.
        blur: px of the result; 0 for measured.
        denoise: 0..1.
        sharpening: amount of unsharp masking, 0..3; below 0 for measured.
    """
    return {
        "noise_255": None if noise < 0 else float(noise),
        "jpeg_quality": None if quality == 0 else float(quality),
        "blur_px": None if blur == 0 else float(blur),
        "denoise": float(denoise),
        "sharpening": None if sharpening < 0 else float(sharpening),
    }


def read_job(session: PageSession, given: dict[str, Any]) -> RestoreJob:
    """The values of the controls as a job.

    Raises:
        InputError: No picture, or a value cannot be used.
    """
    workspace = session.workspace
    upload = needed(given["picture"], workspace)
    scale, size = read_size_controls(given["scale"], given.get("size"))
    strengths = {
        name: float(given[f"strength_{name}"])
        for name in MODALITIES
        if float(given.get(f"strength_{name}", 1)) != 1
    }
    return RestoreJob(
        picture=Path(upload.path),
        name=upload.name,
        scale=scale,
        size=size,
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
        **known_damage(
            *(given[name] for name in ("noise", "jpeg", "blur", "denoise", "sharpening"))
        ),
    )
