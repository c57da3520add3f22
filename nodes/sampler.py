"""Draw the restored picture from its conditioning."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from . import inputs
from .convert import join_image
from .payloads import ConditioningBatch, ModelHandle
from .runtime import HostProgress, acquire, host_names
from .sockets import ConditioningSocket
from .views import report_text

CONSISTENCY = ("ibp", "cg", "off")


class SRSamplerNode(io.ComfyNode):
    """The few-step flow sampler with consistency guidance."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_SRSamplerNode",
            display_name="SR Sampler (MMSR)",
            category=inputs.CATEGORY,
            description=(
                "Draws the sharp picture in a few steps, keeps it in agreement with the input, "
                "and reports how well it agrees."
            ),
            inputs=[
                inputs.model_input(),
                ConditioningSocket.Input(
                    "conditioning", tooltip="From Fuse Modalities, made with the same model."
                ),
                inputs.seed_input(),
                inputs.steps_input(),
                inputs.detail_input(),
                io.Combo.Input(
                    "consistency",
                    options=list(CONSISTENCY),
                    default="ibp",
                    tooltip=(
                        "How the result is kept in agreement with the input: ibp is quick and "
                        "good, cg agrees more closely and is slower, off leaves it to the network."
                    ),
                ),
                inputs.tile_input(),
            ],
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="The restored picture."),
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="Agreement with the input, blur, noise, time and memory, in words.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, consistency: str | None = None) -> bool | str:
        """Check the choice."""
        return inputs.check_choice(consistency, CONSISTENCY)

    @classmethod
    def execute(
        cls,
        model: ModelHandle,
        conditioning: ConditioningBatch,
        seed: int,
        steps: int,
        detail: float,
        consistency: str,
        tile: int = 0,
    ) -> io.NodeOutput:
        """Sample each picture of the batch with its own seed."""
        pipeline = acquire(model)
        progress = HostProgress(len(conditioning.items))
        pictures, reports = [], []
        with host_names():
            for index, item in enumerate(conditioning.items):
                result = pipeline.sample(
                    item,
                    steps=steps,
                    detail=detail,
                    seed=(seed + index) % (inputs.MAX_SEED + 1),
                    consistency=consistency,
                    tile=inputs.tile_size(tile),
                    progress=progress.item(index),
                )
                pictures.append(result.images)
                reports.append(result.report)
        image = join_image(torch.cat(pictures), conditioning.alpha)
        return io.NodeOutput(image, report_text(reports))
