"""Decide how much each source of evidence may steer the restoration, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from . import checks, inputs, values
from .convert import is_black, mask_to_map, pick, split_image
from .host_api import io
from .payloads import ConditioningBatch, DegradationBatch, ModelHandle, PromptBatch
from .runtime import acquire, check_interrupted, host_names
from .sockets import ConditioningSocket

MODALITIES = {
    "kernel": "the measured blur",
    "depth": "the depth",
    "lr": "the input picture itself",
}
"""Names in the pipeline, and what to call them in a tooltip."""

ADDED = {
    "prompt": "the prompt",
    "guide": "the second sensor's picture",
}
"""The same, for evidence that is there only when connected."""


_SHOWN = {"lr": "picture", "kernel": "blur"}
"""What evidence is called in labels where its name is no plain word."""


def _strength(name: str, words: str, optional: bool = False) -> io.Input:
    return io.Float.Input(
        f"{name}_strength",
        display_name=f"{_SHOWN.get(name, name)} strength",
        optional=optional,
        default=1.0,
        min=0.0,
        max=2.0,
        step=0.05,
        tooltip=f"How much {words} steers the result. 0 leaves it out, 1 is normal, 2 is double.",
    )


def _mask(name: str, words: str) -> io.Input:
    return io.Mask.Input(
        f"{name}_mask",
        display_name=f"{_SHOWN.get(name, name)} mask",
        optional=True,
        tooltip=f"Where {words} may steer: white is fully, black is not at all. Any size.",
    )


class ModalityFusionNode(io.ComfyNode):
    """Collect the modalities, their strengths and masks for the sampler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_ModalityFusionNode",
            display_name="Combine Evidence (MMSR)",
            category=inputs.ADVANCED,
            **inputs.aliases("conditioning", "mask", "weights"),
            description=(
                "Brings the picture, its measured blur, its depth, a prompt and a second sensor's "
                "picture together, each with a strength and an optional mask, as conditioning for "
                "Restore from Evidence."
            ),
            inputs=[
                inputs.model_input(),
                inputs.image_input("The picture to restore. Its alpha is kept for the result."),
                inputs.degradation_input(
                    optional=False,
                    tooltip="From Measure Blur, Noise & JPEG or Refine Blur Measurement, for this "
                    "picture. It also sets the scale.",
                ),
                *(_strength(name, words) for name, words in MODALITIES.items()),
                inputs.depth_input(),
                *(_mask(name, words) for name, words in MODALITIES.items()),
                inputs.prompt_input(),
                inputs.guide_input(),
                # After the others: saved workflows hold the widgets' values by position.
                *(_strength(name, words, optional=True) for name, words in ADDED.items()),
                *(_mask(name, words) for name, words in ADDED.items()),
                inputs.depth_polarity_input(),
            ],
            outputs=[
                ConditioningSocket.Output(
                    "conditioning",
                    display_name="conditioning",
                    tooltip="Everything that Restore from Evidence needs besides the model.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, depth_polarity: str | None = None) -> bool | str:
        """Check the choice."""
        return checks.check_choice(depth_polarity, inputs.POLARITIES)

    @classmethod
    def execute(
        cls,
        model: ModelHandle,
        image: Tensor,
        degradation: DegradationBatch,
        depth: Tensor | None = None,
        prompt: PromptBatch | None = None,
        guide: Tensor | None = None,
        depth_polarity: str = inputs.POLARITIES[0],
        **choices: Any,
    ) -> io.NodeOutput:
        """Fuse each picture of the batch; `choices` holds the strengths and the masks."""
        picture = split_image(image)
        inverse_depth = values.connected_depth(depth, picture.size, depth_polarity)
        second = None if guide is None else split_image(guide, "guide").rgb
        said = prompt is not None and prompt.embedding is not None
        given = {"prompt": said, "guide": second is not None}
        named = MODALITIES | ADDED
        names = [*MODALITIES, *(name for name in ADDED if given[name])]
        strengths = {name: choices.get(f"{name}_strength", 1.0) for name in names}
        masks = {
            name: mask_to_map(mask, picture.size, f"{name}_mask")
            for name in names
            if (mask := choices.get(f"{name}_mask")) is not None
        }
        black = tuple(
            f"{name}_mask is black everywhere: {named[name]} was left out."
            for name in masks
            if is_black(choices[f"{name}_mask"])
        )
        pipeline = acquire(model, picture.size)
        items = []
        with host_names():
            for index in range(picture.batch):
                check_interrupted()
                estimate = degradation.pick(index, picture.batch)
                own_depth = pick(inverse_depth, index, picture.batch, "depth")
                if black:
                    estimate = replace(estimate, notes=(*estimate.notes, *black))
                if own_depth is not None:
                    estimate = replace(estimate, inverse_depth=own_depth)
                evidence: dict[str, Tensor | None] = {}
                if prompt is not None:
                    evidence["prompt"] = prompt.pick(index, picture.batch)
                if second is not None:
                    evidence["guide"] = pick(second, index, picture.batch, "guide")
                items.append(
                    pipeline.fuse_modalities(
                        picture.rgb[index : index + 1],
                        estimate,
                        strengths=strengths,
                        masks={
                            name: pick(mask, index, picture.batch, f"{name}_mask")
                            for name, mask in masks.items()
                        },
                        **evidence,
                    )
                )
        return io.NodeOutput(ConditioningBatch(tuple(items), picture.alpha))
