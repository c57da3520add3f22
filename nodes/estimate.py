"""Measure what is wrong with a picture: blur at every place, noise and JPEG damage."""

from __future__ import annotations

from torch import Tensor

from . import checks, inputs, values
from .convert import pick, split_image
from .host_api import io
from .load import connected_or_shipped
from .payloads import DegradationBatch, ModelHandle
from .previews import show
from .runtime import HostProgress, acquire, host_names
from .sockets import DegradationSocket
from .views import WHITE_NOISE, damage_maps, degradation_text, kernel_maps, kernel_views


class EstimateDegradationNode(io.ComfyNode):
    """One pass of the kernel estimator."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_EstimateDegradation",
            display_name="Measure Blur, Noise & JPEG (MMSR)",
            category=inputs.ADVANCED,
            **inputs.aliases("blur", "kernel", "noise", "damage", "measure"),
            description=(
                "Measures the blur at every place of the picture, its noise and its JPEG damage, "
                "and draws them. Nothing is restored yet."
            ),
            inputs=[
                inputs.own_model_input(),
                inputs.image_input("The soft or noisy picture to measure."),
                inputs.scale_input(),
                inputs.depth_input(),
                inputs.tile_input(),
                inputs.depth_polarity_input(),
                inputs.known_noise_input(),
                inputs.known_jpeg_input(),
                inputs.known_sharpening_input(),
            ],
            is_output_node=True,
            outputs=[
                DegradationSocket.Output(
                    "degradation_out",
                    display_name="degradation",
                    tooltip="The measured blur, noise, JPEG quality and sharpening.",
                ),
                io.Image.Output(
                    "kernel_map",
                    display_name="kernel map",
                    tooltip=(
                        "The kernels at each place (blur and shrinking together), drawn over the "
                        "picture."
                    ),
                ),
                io.String.Output(
                    "report", display_name="report", tooltip="The measurements in words."
                ),
                io.Mask.Output(
                    "noise_map",
                    display_name="noise map",
                    tooltip=(
                        f"The noise at each place, at the picture's size: black is none, white is "
                        f"a standard deviation of {WHITE_NOISE} of 255 or more."
                    ),
                ),
                io.Mask.Output(
                    "jpeg_map",
                    display_name="JPEG map",
                    tooltip=(
                        "The JPEG damage at each place, at the picture's size: black is none "
                        "(quality 100), mid grey is quality 50, white is quality 0."
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
        image: Tensor,
        scale: int,
        model: ModelHandle | None = None,
        depth: Tensor | None = None,
        tile: int = 0,
        depth_polarity: str = inputs.POLARITIES[0],
        noise: float = -1.0,
        jpeg_quality: int = 0,
        sharpening: float = -1.0,
    ) -> io.NodeOutput:
        """Measure each picture of the batch."""
        picture = split_image(image)
        inverse_depth = values.connected_depth(depth, picture.size, depth_polarity)
        pipeline = acquire(connected_or_shipped(model), picture.size)
        progress = HostProgress(picture.batch)
        items = []
        with host_names():
            for index in range(picture.batch):
                one = picture.rgb[index : index + 1]
                own_depth = pick(inverse_depth, index, picture.batch, "depth")
                items.append(
                    pipeline.estimate_degradation(
                        one,
                        scale,
                        own_depth,
                        overrides=values.overrides(noise, jpeg_quality, sharpening),
                        tile=values.tile_cells(tile),
                        progress=progress.item(index),
                    )
                )
        batch = DegradationBatch(tuple(items))
        drawn = kernel_maps(batch, picture)
        ui = show(kernel_views(batch, picture))
        noise_map, jpeg_map = damage_maps(batch, picture)
        return io.NodeOutput(batch, drawn, degradation_text(batch), noise_map, jpeg_map, ui=ui)
