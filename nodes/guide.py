"""Hold any diffusion model to the original picture while it samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..mmsr_core.errors import InputError
from . import checks, inputs, values
from .convert import is_black, mask_to_map, split_image
from .host_api import io
from .load import connected_or_shipped
from .payloads import DegradationBatch, ModelHandle
from .runtime import (
    HostProgress,
    acquire,
    check_interrupted,
    host_autoencoder,
    host_names,
    noise_over_signal,
    packed_shapes,
)
from .views import degradation_text

if TYPE_CHECKING:
    from ..mmsr_core.pipeline import DegradationEstimate

MODES = ("measured", "quick")
BLACK_MASK = "The mask is black everywhere: the model is not guided at all."


class GuideModelNode(io.ComfyNode):
    """A MODEL whose predictions are moved towards agreement with the original."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_GuideModel",
            display_name="Guide Model (MMSR)",
            category=inputs.TOOLS,
            **inputs.aliases("faithful", "img2img", "restore", "prior", "diffusion", "upscale"),
            description=(
                "Makes any diffusion model (SD, SDXL, SD3, Flux ...) agree with a picture while it "
                "samples: what it draws, blurred and shrunk as measured, has to give the original "
                "back. Connect the result to a KSampler."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The diffusion model to guide."),
                io.Vae.Input("vae", display_name="VAE", tooltip="The VAE of that diffusion model."),
                inputs.own_model_input("mmsr_model", "MMSR model"),
                inputs.image_input(
                    "The original picture. The latent must be that of scale times its size."
                ),
                inputs.scale_input(),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How far each prediction is moved. 0 leaves the model as it is.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Where in the sampling the guidance begins: 0 is pure noise.",
                ),
                io.Float.Input(
                    "end",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Where it ends: 1 is the finished picture.",
                ),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default=MODES[0],
                    tooltip=(
                        "measured: each prediction is decoded and held to the original. quick: "
                        "pulls towards the restored original without decoding, mostly at the start."
                    ),
                ),
                inputs.degradation_input(
                    optional=True,
                    tooltip=(
                        "The measured blur of the original, which also sets the scale. Leave it "
                        "open to have it measured."
                    ),
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the model is guided: white is fully, black is not at all.",
                ),
                inputs.known_noise_input(),
                inputs.known_jpeg_input(),
                inputs.known_sharpening_input(),
            ],
            outputs=[
                io.Model.Output(
                    "model_out", display_name="model", tooltip="The guided diffusion model."
                ),
                io.String.Output(
                    "report", display_name="report", tooltip="The measurements in words."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, mode: str | None = None) -> bool | str:
        """Check the choice."""
        return checks.check_choices(mode=(mode, MODES))

    @classmethod
    def execute(
        cls,
        model: Any,
        vae: Any,
        image: Tensor,
        scale: int,
        strength: float,
        start: float,
        end: float,
        mode: str,
        mmsr_model: ModelHandle | None = None,
        degradation: DegradationBatch | None = None,
        mask: Tensor | None = None,
        noise: float = -1.0,
        jpeg_quality: int = 0,
        sharpening: float = -1.0,
    ) -> io.NodeOutput:
        """Measure the original; the guidance itself happens in the sampler."""
        from ..mmsr_core.pipeline import MeasuredGuide, PostCfgGuide

        picture = split_image(image)
        pipeline = acquire(connected_or_shipped(mmsr_model, "mmsr_model"), picture.size, scale)
        quick = mode == MODES[1] and strength > 0
        progress = HostProgress(2 if quick else 1)  # runs, each of the whole batch
        with host_names():
            if degradation is None:
                estimate = pipeline.estimate_degradation(
                    picture.rgb,
                    scale,
                    overrides=values.overrides(noise, jpeg_quality, sharpening),
                    progress=progress.item(0),
                )
            else:
                estimate = _only(degradation)
            restored = None
            if quick:
                conditioning = pipeline.fuse_modalities(picture.rgb, estimate)
                made = pipeline.sample(conditioning, steps=0, progress=progress.item(1))
                restored = made.images
            allowed = None if mask is None else mask_to_map(mask, picture.size)
            guide = MeasuredGuide(picture.rgb, estimate, strength, allowed, check_interrupted)
        guided = model.clone()
        if strength > 0:
            sampling = guided.get_model_object("model_sampling")
            span = (sampling.percent_to_sigma(start), sampling.percent_to_sigma(end))
            guided.set_model_sampler_post_cfg_function(
                PostCfgGuide(
                    guide,
                    lambda inner: host_autoencoder(vae, inner, guided),
                    noise_over_signal,
                    span,
                    restored,
                    packed_shapes,
                )
            )
            guided.set_additional_models("mmsr_guide", [vae.patcher])
        text = degradation_text(DegradationBatch((estimate,)))
        if mask is not None and is_black(mask):
            text = f"{BLACK_MASK}\n{text}"
        return io.NodeOutput(guided, text)


def _only(degradation: DegradationBatch) -> DegradationEstimate:
    if len(degradation.items) != 1:
        raise InputError(
            f"degradation: was made for {len(degradation.items)} pictures. Give that of one, or "
            "leave it open: then each picture of the batch is measured."
        )
    return degradation.items[0]
