"""MMSR in the Extras tab, with its own controls, maps and report."""

from __future__ import annotations

from typing import Any

import gradio as gr
from modules import errors, scripts_postprocessing
from modules.ui_components import InputAccordion

from mmsr_core.types import (
    DEFAULT_DETAIL,
    DEFAULT_PRESET,
    DEFAULT_STEPS,
    MAX_SHARPENING,
    PRESETS,
)

from .engine import running_engine
from .pictures import from_pillow, to_pillow
from .progress import Interrupted, host_progress
from .settings import setting
from .sizes import whole_scale
from .upscaler import like, result_text

CUSTOM = "custom"
PRESET_CHOICES = (*PRESETS, CUSTOM)
CONSISTENCY = ("ibp", "cg", "off")
DEFAULTS: dict[str, Any] = {
    "enable": False,
    "preset": DEFAULT_PRESET,
    "scale": 1.0,
    "longest_side": 0,
    "steps": DEFAULT_STEPS,
    "detail": DEFAULT_DETAIL,
    "noise": -1.0,
    "jpeg_quality": 0,
    "blur": 0.0,
    "denoise": 1.0,
    "consistency": "ibp",
    "show_blur": False,
    "sharpening": -1.0,
}
"""What an argument means that is missing: through the API, most are."""


class RestorePostprocessing(scripts_postprocessing.ScriptPostprocessing):
    """Restores before the host's own Upscale, which then finds nothing left to do."""

    name = "MMSR"
    order = 900

    def ui(self) -> dict[str, Any]:
        """The controls, by the names of `DEFAULTS`."""
        with InputAccordion(False, label="MMSR: restore and enlarge", elem_id="extras_mmsr") as on:
            with gr.Row():
                preset = gr.Radio(PRESET_CHOICES, value=DEFAULTS["preset"], label="Preset")
            with gr.Row():
                scale = gr.Slider(1, 8, value=1, step=0.05, label="Enlarge by (1 restores)")
                side = gr.Number(value=0, precision=0, label="Longest side, px (0: as above)")
            with gr.Row():
                noise = gr.Slider(-1, 100, value=-1, step=0.5, label="Noise of 255 (-1 measures)")
                jpeg = gr.Slider(0, 100, value=0, step=1, label="JPEG quality (0 measures)")
                blur = gr.Slider(0, 4.5, value=0, step=0.1, label="Blur, px (0 measures)")
                sharpening = gr.Slider(
                    -1, MAX_SHARPENING, value=-1, step=0.05, label="Sharpening (-1 measures)"
                )
            with gr.Row():
                steps = gr.Slider(0, 8, value=DEFAULT_STEPS, step=1, label="Steps (custom)")
                detail = gr.Slider(0, 2, value=DEFAULT_DETAIL, step=0.05, label="Detail (custom)")
                denoise = gr.Slider(0, 1, value=1, step=0.05, label="Denoise")
            with gr.Row():
                consistency = gr.Radio(CONSISTENCY, value="ibp", label="Agreement with the input")
                show_blur = gr.Checkbox(False, label="Show the measured blur")
        return {
            "enable": on,
            "preset": preset,
            "scale": scale,
            "longest_side": side,
            "steps": steps,
            "detail": detail,
            "noise": noise,
            "jpeg_quality": jpeg,
            "blur": blur,
            "denoise": denoise,
            "consistency": consistency,
            "show_blur": show_blur,
            "sharpening": sharpening,
        }

    def process_firstpass(self, pp: Any, **given: Any) -> None:
        """The host's cache of upscaled pictures knows nothing of our settings: empty it."""
        if with_defaults(given)["enable"]:
            from modules import scripts

            for script in scripts.scripts_postproc.scripts_in_preferred_order():
                script.image_changed()

    def process(self, pp: Any, **given: Any) -> None:
        """Restore `pp.image`; an interruption or a failure leaves it as it is."""
        chosen = with_defaults(given)
        if not chosen["enable"]:
            return
        try:
            restore(pp, chosen)
        except Interrupted:
            pp.info["MMSR"] = "interrupted"
        except Exception as error:  # noqa: BLE001 - the other pictures go on
            errors.report(f"MMSR could not restore the picture: {error}", exc_info=True)
            pp.info["MMSR"] = f"failed: {error}"


def with_defaults(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments, with the default of each that is missing or None."""
    return {name: v if (v := given.get(name)) is not None else d for name, d in DEFAULTS.items()}


def restore(pp: Any, chosen: dict[str, Any]) -> None:
    """Run the engine on `pp.image`, and put report and maps where the host shows them."""
    from mmsr_core.pipeline import Overrides, enlarge_alpha
    from mmsr_core.visualize import kernel_map

    image = pp.image
    factor = float(chosen["scale"])
    if chosen["longest_side"]:
        factor = max(1.0, float(chosen["longest_side"]) / max(image.size))
    preset = PRESETS.get(chosen["preset"])
    rgb, alpha = from_pillow(image)
    with host_progress() as progress, running_engine() as engine:
        result = engine(
            rgb.to(engine.device),
            scale=whole_scale(factor),
            steps=int(chosen["steps"]) if preset is None else preset.steps,
            detail=float(chosen["detail"]) if preset is None else preset.detail,
            seed=int(setting("mmsr_seed")),
            overrides=Overrides(
                noise_std=None if chosen["noise"] < 0 else float(chosen["noise"]) / 255,
                jpeg_quality=float(chosen["jpeg_quality"]) or None,
                sharpening=None if chosen["sharpening"] < 0 else float(chosen["sharpening"]),
            ),
            blur_sigma_px=float(chosen["blur"]) or None,
            denoise=float(chosen["denoise"]),
            consistency=chosen["consistency"],
            tile=int(setting("mmsr_tile")) or None,
            progress=progress,
        )
        alpha = enlarge_alpha(engine, alpha, whole_scale(factor), progress=progress)
        drawn = kernel_map(result.estimate.kernel_field, rgb) if chosen["show_blur"] else None
    made = like(to_pillow(result.images, alpha), image)
    size = tuple(max(1, round(side * factor)) for side in image.size)
    pp.image = made if made.size == size else made.resize(size)
    pp.info["MMSR"] = result_text(result)
    pp.info["MMSR preset"] = chosen["preset"]
    if drawn is not None:
        extra = pp.create_copy(to_pillow(drawn), nametags=["blur"], disable_processing=True)
        pp.extra_images.append(extra)
