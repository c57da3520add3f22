"""MMSR in the host's list of upscalers: Extras, hires fix, img2img, SD upscale."""

from __future__ import annotations

from typing import Any

from modules import errors, shared
from modules.upscaler import Upscaler, UpscalerData
from PIL import Image

from mmsr_core.types import DEFAULT_PRESET, PRESETS

from .engine import running_engine
from .pictures import from_pillow, to_pillow
from .progress import Interrupted, host_progress, stopped
from .settings import setting
from .sizes import whole_scale


class UpscalerMMSR(Upscaler):
    """One entry for each preset. The host asks for any factor; 1 restores without enlarging."""

    def __init__(self, dirname: str | None = None) -> None:
        self.name = "MMSR"
        self.user_path = dirname
        super().__init__(create_dirs=False)
        self.scalers = [UpscalerData(f"MMSR {preset}", preset, self, 4) for preset in PRESETS]

    def do_upscale(self, img: Image.Image, selected_model: str) -> Image.Image:
        """Restore at the next whole factor; the host reduces to the size it wants.

        What the host does not expect to fail returns the picture as it is, and says why.
        """
        if min(img.size) < 1 or stopped():
            return img
        try:
            return _restored(img, selected_model, self.scale)
        except Interrupted:
            return img
        except Exception as error:  # noqa: BLE001 - one that raises loses the whole batch
            errors.report(f"MMSR could not restore the picture: {error}", exc_info=True)
            shared.state.textinfo = f"MMSR: {error}"
            return img

    def load_model(self, path: str) -> None:
        """Nothing: the engine is loaded with the first picture."""


def _restored(img: Image.Image, preset_name: str | None, scale: float) -> Image.Image:
    from mmsr_core.pipeline import enlarge_alpha

    preset = PRESETS.get(str(preset_name), PRESETS[DEFAULT_PRESET])
    rgb, alpha = from_pillow(img)
    with host_progress() as progress, running_engine() as engine:
        result = engine(
            rgb.to(engine.device),
            scale=whole_scale(scale),
            steps=preset.steps,
            detail=preset.detail,
            seed=int(setting("mmsr_seed")),
            tile=int(setting("mmsr_tile")) or None,
            progress=progress,
        )
        alpha = enlarge_alpha(engine, alpha, whole_scale(scale), progress=progress)
    return like(to_pillow(result.images, alpha), img)


def like(made: Image.Image, given: Image.Image) -> Image.Image:
    """The result in the mode of the picture it was made from, RGB or RGBA."""
    if given.mode == "RGBA" and made.mode != "RGBA":
        return made.convert("RGBA")
    return made


def result_text(result: Any) -> str:
    """The report of a run in one line, for the picture's infotext."""
    return "; ".join(line.strip() for line in result.report.summary().splitlines())
