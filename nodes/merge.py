"""Make any other upscaler's picture faithful and true in colour."""

from __future__ import annotations

import torch
from torch import Tensor

from ..mmsr_core.errors import InputError
from ..mmsr_core.types import DEFAULT_TRUST
from . import checks, inputs, values
from .convert import is_black, join_image, mask_to_map, pick, split_image
from .host_api import io
from .load import connected_or_shipped
from .payloads import DegradationBatch, ModelHandle
from .previews import show
from .results import alpha_runs, larger_alpha, report_output
from .runtime import HostProgress, acquire, host_names, run_upscale_model
from .views import headed, merge_views

BLACK_MASK = "The mask is black everywhere: the other picture was left out."


class MergeUpscaleNode(io.ComfyNode):
    """The input restored faithfully, with another upscaler's picture as a prior."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_MergeUpscale",
            display_name="Merge Upscale (MMSR)",
            category=inputs.TOOLS,
            **inputs.aliases("faithful", "blend", "color fix", "prior", "seedvr2", "supir", "usdu"),
            description=(
                "Takes the picture of any other upscaler or diffusion model (SeedVR2, SUPIR, "
                "Ultimate SD Upscale, an ESRGAN ...) and makes it faithful: moved into place, "
                "without its colour cast, followed less the more it contradicts the original."
            ),
            inputs=[
                inputs.own_model_input(),
                inputs.image_input("The original picture, before any upscaling."),
                io.Image.Input(
                    "upscaled",
                    optional=True,
                    tooltip=(
                        "The same picture by any other upscaler, of any size. The result has the "
                        "nearest whole scale, or size."
                    ),
                ),
                io.Float.Input(
                    "trust",
                    default=DEFAULT_TRUST,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip=(
                        "How far the other picture is followed. 0 leaves it out, 1 follows it "
                        "wherever the original allows it."
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
                    tooltip=(
                        "Where the other picture may be followed: white is fully, black is not at "
                        "all. Any size."
                    ),
                ),
                inputs.tile_input(),
                inputs.known_noise_input(),
                inputs.known_jpeg_input(),
                io.UpscaleModel.Input(
                    "upscale_model",
                    display_name="upscale model",
                    optional=True,
                    tooltip=(
                        "In place of the upscaled picture: the model that makes it, from Load "
                        "Upscale Model."
                    ),
                ),
                inputs.target_size_input(
                    "The size that is wanted: 4K, 3000 (the longest side), w3000, h2000, 12MP or "
                    "1.5x. Empty: the whole factor nearest to the other picture's."
                ),
                inputs.known_sharpening_input(),
            ],
            is_output_node=True,
            outputs=[
                io.Image.Output(
                    "image_out", display_name="image", tooltip="The faithful picture. Alpha kept."
                ),
                io.Mask.Output(
                    "weights",
                    display_name="weights",
                    tooltip="How far the other picture was followed: white is fully.",
                ),
                report_output(),
            ],
        )

    @classmethod
    def validate_inputs(cls, size: str | None = None, tile: int | None = None) -> bool | str:
        """Check the size and the tile."""
        return checks.first_complaint(checks.check_size(size), checks.check_tile(tile))

    @classmethod
    def execute(
        cls,
        image: Tensor,
        trust: float,
        model: ModelHandle | None = None,
        upscaled: Tensor | None = None,
        degradation: DegradationBatch | None = None,
        mask: Tensor | None = None,
        tile: int = 0,
        noise: float = -1.0,
        jpeg_quality: int = 0,
        upscale_model: object | None = None,
        size: str = "",
        sharpening: float = -1.0,
    ) -> io.NodeOutput:
        """Merge each picture of the batch."""
        picture = split_image(image)
        if (upscaled is None) == (upscale_model is None):
            raise InputError("Connect either upscaled or upscale_model.")
        if upscaled is not None:
            other = split_image(upscaled, "upscaled").rgb
        else:
            other = run_upscale_model(upscale_model, picture.rgb)
        allowed = None if mask is None else mask_to_map(mask, (other.shape[-2], other.shape[-1]))
        nearest = max(1, round(max(other.shape[-2:]) / max(picture.size)))
        scale, wanted = values.scale_and_size(nearest, size, picture.size)
        # A measurement has a scale of its own; without a wanted size the library finds it.
        forced = scale if wanted is not None and degradation is None else None
        pipeline = acquire(connected_or_shipped(model), picture.size, scale)
        progress = HostProgress(picture.batch + alpha_runs(picture.alpha, scale))
        stated = values.overrides(noise, jpeg_quality, sharpening)
        results = []
        with host_names():
            for index in range(picture.batch):
                known = None if degradation is None else degradation.pick(index, picture.batch)
                results.append(
                    pipeline.merge_prior(
                        picture.rgb[index : index + 1],
                        pick(other, index, picture.batch, "upscaled"),
                        scale=forced,
                        size=wanted,
                        trust=trust,
                        mask=pick(allowed, index, picture.batch, "mask"),
                        estimate=known,
                        overrides=stated if known is None else None,
                        tile=values.tile_cells(tile),
                        progress=progress.item(index),
                    )
                )
        made = torch.cat([result.images for result in results])
        whole = (made.shape[-2], made.shape[-1])
        cells = values.tile_cells(tile)
        alpha = larger_alpha(pipeline, picture.alpha, results[0].scale, whole, progress, cells)
        weights = torch.cat([result.weight_map for result in results])
        texts = [result.summary() for result in results]
        if mask is not None and is_black(mask):
            texts = [f"{BLACK_MASK}\n{text}" for text in texts]
        return io.NodeOutput(
            join_image(made, alpha),
            weights[:, 0].float().cpu(),
            headed(texts),
            ui=show(merge_views(other, results, texts)),
        )
