"""Draw the restored picture from its conditioning."""

from __future__ import annotations

import torch

from . import checks, inputs, values
from .convert import Picture
from .host_api import io
from .payloads import ConditioningBatch, ModelHandle, WeightsBatch
from .results import alpha_runs, report_output, restored
from .runtime import HostProgress, acquire, host_names
from .sockets import ConditioningSocket, WeightsSocket

CONSISTENCY = ("ibp", "cg", "off")


class SRSamplerNode(io.ComfyNode):
    """The few-step flow sampler with consistency guidance."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_SRSamplerNode",
            display_name="Restore from Evidence (MMSR)",
            category=inputs.ADVANCED,
            **inputs.aliases("super resolution", "restore", "diffusion"),
            description=(
                "Draws the sharp picture in a few steps, keeps it in agreement with the input, "
                "and reports how well it agrees."
            ),
            inputs=[
                inputs.model_input(),
                ConditioningSocket.Input(
                    "conditioning", tooltip="From Combine Evidence, made with the same model."
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
                io.Boolean.Input(
                    "mean_only",
                    display_name="mean only",
                    default=False,
                    optional=True,
                    label_on="yes",
                    label_off="no, sample",
                    tooltip=(
                        "mean only: leave out the sampling, whatever steps says, for the most "
                        "faithful and smoothest result."
                    ),
                ),
                inputs.seed_mode_input(),
                inputs.denoise_input(),
            ],
            is_output_node=True,
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="The restored picture."),
                report_output(),
                WeightsSocket.Output(
                    "weights",
                    display_name="weights",
                    tooltip="Where each source of evidence steered the last step. For Weight Map.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, consistency: str | None = None, seed_mode: str | None = None, tile: int | None = None
    ) -> bool | str:
        """Check the choices and the tile."""
        return checks.first_complaint(
            checks.check_choices(
                consistency=(consistency, CONSISTENCY), seed_mode=(seed_mode, inputs.SEED_MODES)
            ),
            checks.check_tile(tile),
        )

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
        mean_only: bool = False,
        seed_mode: str = inputs.SEED_MODES[0],
        denoise: float = 1.0,
    ) -> io.NodeOutput:
        """Sample each picture of the batch with its own seed."""
        items = conditioning.items
        first = items[0]
        pipeline = acquire(model, (first.lr.shape[-2], first.lr.shape[-1]), first.scale)
        progress = HostProgress(len(items) + alpha_runs(conditioning.alpha, first.scale))
        results = []
        with host_names():
            for index, item in enumerate(items):
                results.append(
                    pipeline.sample(
                        item,
                        steps=0 if mean_only else steps,
                        detail=detail,
                        seed=values.item_seed(seed, index, seed_mode),
                        consistency=consistency,
                        denoise=denoise,
                        tile=values.tile_cells(tile),
                        progress=progress.item(index),
                    )
                )
        picture = Picture(torch.cat([item.lr for item in items]).cpu(), conditioning.alpha)
        size = (results[0].images.shape[-2], results[0].images.shape[-1])
        weights = WeightsBatch(tuple(dict(result.weight_maps) for result in results), size)
        return restored(pipeline, picture, results, weights, progress=progress)
