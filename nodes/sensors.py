"""Fuse two sensors into one enlarged picture."""

from __future__ import annotations

from torch import Tensor

from ..mmsr_core.types import GUIDE_MODES
from . import checks, inputs, values
from .convert import pick, split_image
from .host_api import io
from .load import connected_or_shipped
from .payloads import ModelHandle
from .results import alpha_runs, report_output, restored
from .runtime import HostProgress, acquire, host_names


class FuseSensorsNode(io.ComfyNode):
    """Fusion and super-resolution of two registered pictures in one sampling run."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_FuseSensors",
            display_name="Fuse Two Sensors (MMSR)",
            category=inputs.TOOLS,
            **inputs.aliases("infrared", "thermal", "image fusion"),
            description=(
                "Joins a visible picture and the same scene seen by a second sensor, such as "
                "infrared, into one larger picture that shows what either of them sees."
            ),
            inputs=[
                inputs.own_model_input(),
                inputs.image_input("The visible picture. Its colours and its alpha are kept."),
                inputs.guide_input(optional=False),
                inputs.scale_input(),
                inputs.steps_input(),
                inputs.seed_input(),
                inputs.detail_input(),
                io.Combo.Input(
                    "mode",
                    options=list(GUIDE_MODES),
                    default="fuse",
                    tooltip=(
                        "fuse: one picture with what both sensors see. guide: the visible picture "
                        "restored, with the structure of the second sensor as a help."
                    ),
                ),
                io.Float.Input(
                    "guide_strength",
                    display_name="guide strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip=(
                        "How much the second sensor counts. 0 leaves it out, 1 is normal, 2 is "
                        "double."
                    ),
                ),
                inputs.tile_input(),
                inputs.seed_mode_input(),
            ],
            is_output_node=True,
            outputs=[
                io.Image.Output("image_out", display_name="image", tooltip="The fused picture."),
                report_output(),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, mode: str | None = None, seed_mode: str | None = None, tile: int | None = None
    ) -> bool | str:
        """Check the choices and the tile."""
        chosen = {"mode": (mode, GUIDE_MODES), "seed_mode": (seed_mode, inputs.SEED_MODES)}
        return checks.first_complaint(checks.check_choices(**chosen), checks.check_tile(tile))

    @classmethod
    def execute(
        cls,
        image: Tensor,
        guide: Tensor,
        scale: int,
        steps: int,
        seed: int,
        detail: float,
        mode: str,
        guide_strength: float,
        model: ModelHandle | None = None,
        tile: int = 0,
        seed_mode: str = inputs.SEED_MODES[0],
    ) -> io.NodeOutput:
        """Fuse each pair of the batch."""
        picture, second = split_image(image), split_image(guide, "guide").rgb
        pipeline = acquire(connected_or_shipped(model), picture.size, scale)
        progress = HostProgress(picture.batch + alpha_runs(picture.alpha, scale))
        results = []
        with host_names():
            for index in range(picture.batch):
                results.append(
                    pipeline(
                        picture.rgb[index : index + 1],
                        scale=scale,
                        steps=steps,
                        seed=values.item_seed(seed, index, seed_mode),
                        detail=detail,
                        guide=pick(second, index, picture.batch, "guide"),
                        guide_mode=mode,
                        strengths={"guide": guide_strength},
                        tile=values.tile_cells(tile),
                        progress=progress.item(index),
                    )
                )
        return restored(pipeline, picture, results, progress=progress)
