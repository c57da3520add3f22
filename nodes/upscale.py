"""Everything in one node: measure, refine, restore, report."""

from __future__ import annotations

import torch
from comfy_api.latest import io
from torch import Tensor

from . import inputs
from .convert import join_image, split_image
from .payloads import ModelHandle
from .runtime import HostProgress, acquire, host_names
from .views import report_text


class UpscaleNode(io.ComfyNode):
    """The whole pipeline with its defaults."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_Upscale",
            display_name="Upscale (MMSR)",
            category=inputs.CATEGORY,
            description=(
                "Measures what is wrong with the picture, restores and enlarges it, and reports "
                "how well the result agrees with the input. Alpha is kept."
            ),
            inputs=[
                inputs.model_input(),
                inputs.image_input("The soft, noisy or small picture to restore."),
                inputs.scale_input(),
                inputs.steps_input(),
                inputs.seed_input(),
                inputs.detail_input(),
                inputs.tile_input(),
            ],
            outputs=[
                io.Image.Output("image_out", display_name="image", tooltip="The restored picture."),
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="Agreement with the input, blur, noise, time and memory, in words.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: ModelHandle,
        image: Tensor,
        scale: int,
        steps: int,
        seed: int,
        detail: float,
        tile: int = 0,
    ) -> io.NodeOutput:
        """Restore each picture of the batch with its own seed."""
        picture = split_image(image)
        pipeline = acquire(model)
        progress = HostProgress(picture.batch)
        pictures, reports = [], []
        with host_names():
            for index in range(picture.batch):
                result = pipeline(
                    picture.rgb[index : index + 1],
                    scale=scale,
                    steps=steps,
                    seed=(seed + index) % (inputs.MAX_SEED + 1),
                    detail=detail,
                    tile=inputs.tile_size(tile),
                    progress=progress.item(index),
                )
                pictures.append(result.images)
                reports.append(result.report)
        return io.NodeOutput(join_image(torch.cat(pictures), picture.alpha), report_text(reports))
