"""Refine the blur estimate by restoring, looking again and estimating again (SVKR)."""

from __future__ import annotations

from torch import Tensor

from . import checks, inputs, values
from .convert import pick, split_image
from .host_api import io
from .payloads import DegradationBatch, ModelHandle
from .previews import show
from .runtime import HostProgress, acquire, host_names
from .sockets import DegradationSocket
from .views import kernel_maps, kernel_views


class KernelRefineNode(io.ComfyNode):
    """Iterative refinement of depth, kernels and picture (SSR, Algorithm 1)."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_KernelRefineNode",
            display_name="Refine Blur Measurement (MMSR)",
            category=inputs.ADVANCED,
            **inputs.aliases("blur", "svkr", "deblur"),
            description=(
                "Sharpens the blur measurement: restores the picture with the blur found so far, "
                "looks at the depth of the sharper picture, and measures again."
            ),
            inputs=[
                inputs.model_input(),
                inputs.image_input("The soft or noisy picture the blur is measured on."),
                inputs.scale_input(),
                io.Int.Input(
                    "iterations",
                    default=2,
                    min=1,
                    max=16,
                    step=1,
                    tooltip=(
                        "Rounds of refinement, each of which takes as long again. More than "
                        "2 change next to nothing."
                    ),
                ),
                io.Float.Input(
                    "gamma",
                    display_name="trust in each round",
                    default=0.9,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip=(
                        "How much each round trusts its new measurement: 1 replaces the old one, "
                        "lower values change it more carefully."
                    ),
                ),
                inputs.degradation_input(
                    optional=True,
                    tooltip="Measurement to start from, made at the same scale. Leave it open "
                    "to start from a new one.",
                ),
                inputs.depth_input(),
                io.Boolean.Input(
                    "keep_depth",
                    display_name="keep depth",
                    default=False,
                    optional=True,
                    label_on="yes",
                    label_off="no, look again",
                    tooltip=(
                        "keep: the connected depth is trusted in every round (for a measured or a "
                        "better depth). look again: after the first round the model estimates "
                        "depth anew on the sharper picture."
                    ),
                ),
                inputs.tile_input(),
                inputs.depth_polarity_input(),
            ],
            is_output_node=True,
            outputs=[
                DegradationSocket.Output(
                    "degradation_out",
                    display_name="degradation",
                    tooltip="The refined measurement.",
                ),
                io.Image.Output(
                    "kernel_map",
                    display_name="kernel map",
                    tooltip=(
                        "The kernels at each place (blur and shrinking together), drawn over the "
                        "picture."
                    ),
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, depth_polarity: str | None = None, tile: int | None = None
    ) -> bool | str:
        """Check the choice and the tile."""
        return checks.first_complaint(
            checks.check_choices(depth_polarity=(depth_polarity, inputs.POLARITIES)),
            checks.check_tile(tile),
        )

    @classmethod
    def execute(
        cls,
        model: ModelHandle,
        image: Tensor,
        scale: int,
        iterations: int,
        gamma: float,
        degradation: DegradationBatch | None = None,
        depth: Tensor | None = None,
        keep_depth: bool = False,
        tile: int = 0,
        depth_polarity: str = inputs.POLARITIES[0],
    ) -> io.NodeOutput:
        """Refine each picture of the batch."""
        picture = split_image(image)
        inverse_depth = values.connected_depth(depth, picture.size, depth_polarity)
        pipeline = acquire(model, picture.size, scale)
        progress = HostProgress(picture.batch)
        items = []
        with host_names():
            for index in range(picture.batch):
                initial = None
                if degradation is not None:
                    initial = degradation.pick(index, picture.batch)
                items.append(
                    pipeline.refine_kernel(
                        picture.rgb[index : index + 1],
                        scale,
                        pick(inverse_depth, index, picture.batch, "depth"),
                        initial=initial,
                        iterations=iterations,
                        gamma=gamma,
                        fixed_depth=keep_depth and inverse_depth is not None,
                        tile=values.tile_cells(tile),
                        progress=progress.item(index),
                    )
                )
        batch = DegradationBatch(tuple(items))
        drawn = kernel_maps(batch, picture)
        ui = show(kernel_views(batch, picture))
        return io.NodeOutput(batch, drawn, ui=ui)
