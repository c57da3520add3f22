"""An always-on script: what img2img and hires fix draw is held to the picture they start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr
from modules import errors, images, scripts
from modules.ui_components import InputAccordion

from .engine import running_engine
from .pictures import from_pillow
from .progress import Interrupted, check_stopped
from .samplers import autoencoder, noise_over_signal, sigma_span
from .sizes import whole_factor

if TYPE_CHECKING:
    from torch import Tensor

TITLE = "Hold to the input (MMSR)"
MODES = ("measured", "quick")
_PARAMETERS = ("strength", "start", "end", "mode")


class HoldScript(scripts.Script):
    """Guides the sampler as ComfyUI's Guide Model node does. Needs Forge or Forge Classic."""

    def title(self) -> str:
        """What the host calls it."""
        return TITLE

    def show(self, is_img2img: bool) -> Any:
        """Always."""
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """The controls, in the order of the arguments below."""
        kind = "img2img" if is_img2img else "txt2img"
        with InputAccordion(False, label=TITLE, elem_id=f"mmsr_hold_{kind}") as enabled:
            words = "each prediction must give the picture back when blurred and shrunk"
            if not is_img2img:
                words = f"in the hires pass, {words}"
            gr.Markdown(f"{words[0].upper()}{words[1:]}.")
            with gr.Row():
                strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength")
                start = gr.Slider(0, 1, value=0, step=0.05, label="Start")
                end = gr.Slider(0, 1, value=1, step=0.05, label="End")
            mode = gr.Radio(MODES, value=MODES[0], label="Mode")
        controls = (strength, start, end, mode)
        self.infotext_fields = [
            (enabled, lambda found: gr.update(value=_label("strength") in found)),
            *((control, _label(name)) for control, name in zip(controls, _PARAMETERS, strict=True)),
        ]
        self.paste_field_names = [_label(name) for name in _PARAMETERS]
        return [enabled, *controls]

    def process_before_every_sampling(
        self,
        p: Any,
        enabled: bool = False,
        strength: float = 1.0,
        start: float = 0.0,
        end: float = 1.0,
        mode: str = MODES[0],
        *_: Any,
        **given: Any,
    ) -> None:
        """Patch the host's model for the sampling that comes. Forge undoes it afterwards."""
        strength = 1.0 if strength is None else float(strength)
        if not enabled or strength == 0:
            return
        if not hasattr(p.sd_model, "forge_objects"):
            errors.report(f"{TITLE} needs Forge or Forge Classic: it does nothing here.")
            return
        found = original(p, given.get("x"))
        if found is None:
            return
        span = (float(start or 0), 1.0 if end is None else float(end))
        try:
            hold(p, *found, strength, span, mode or MODES[0])
        except Interrupted:
            return
        chosen = (strength, *span, mode or MODES[0])
        for name, value in zip(_PARAMETERS, chosen, strict=True):
            p.extra_generation_params[_label(name)] = value


def _label(name: str) -> str:
    return f"MMSR hold {name}"


def original(p: Any, latents: Tensor | None) -> tuple[Tensor, int] | None:
    """The picture `(B,3,h,w)` to hold to, and the factor from it to the result.

    img2img: the picture as it was given, where the result is a whole multiple of it, or the
    picture as the host resized it. hires fix: the first pass. txt2img: there is none.
    """
    if getattr(p, "is_hr_pass", False):
        return None if latents is None else first_pass(p, latents)
    if not getattr(p, "init_images", None):
        return None
    image = p.init_images[0]
    factor = whole_factor(image.size, (p.width, p.height))
    if factor is None:
        mode = getattr(p, "resize_mode", 0)
        image = images.resize_image(mode, image, p.width, p.height, "None")
    return from_pillow(image)[0], factor or 1


def first_pass(p: Any, latents: Tensor) -> tuple[Tensor, int]:
    """The first pass's picture, which the host hands over enlarged, as latents."""
    from torch.nn import functional as F

    pictures = autoencoder(p.sd_model.forge_objects, None).decode(latents)
    size = (pictures.shape[-1], pictures.shape[-2])
    factor = whole_factor((p.width, p.height), size)
    if factor is None or factor == 1:
        return pictures, 1
    small = F.interpolate(pictures, size=(p.height, p.width), mode="bicubic", antialias=True)
    return small.clamp(0, 1), factor


def hold(
    p: Any,
    lr: Tensor,
    scale: int,
    strength: float,
    span: tuple[float, float],
    mode: str,
) -> None:
    """Measure the picture, and patch the model of this sampling."""
    from mmsr_core.pipeline import MeasuredGuide, PostCfgGuide

    restored = None
    with running_engine() as engine:
        picture = lr.to(engine.device).float().clone()
        estimate = engine.estimate_degradation(picture, scale, progress=check_stopped)
        if mode == MODES[1]:
            conditioning = engine.fuse_modalities(picture, estimate)
            restored = engine.sample(conditioning, steps=0, progress=check_stopped).images
    guide = MeasuredGuide(picture, estimate, strength, callback=check_stopped)
    objects = p.sd_model.forge_objects
    unet = objects.unet.clone()
    step = PostCfgGuide(
        guide,
        lambda model: autoencoder(objects, model),
        noise_over_signal,
        sigma_span(unet, *span),
        restored,
    )

    def guided(args: dict[str, Any]) -> Tensor:
        try:
            return step(args)
        except Interrupted:  # the host ends the sampling itself
            return args["denoised"]

    unet.set_model_sampler_post_cfg_function(guided)
    objects.unet = unet
