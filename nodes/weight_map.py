"""Look at, and use, where each source of evidence steered the sampler."""

from __future__ import annotations

import torch

from ..mmsr_core.errors import InputError
from ..mmsr_core.types import MODALITIES
from . import checks, inputs
from .convert import fit_map, image_from_map
from .host_api import io
from .payloads import WeightsBatch
from .sockets import WeightsSocket


class WeightMapNode(io.ComfyNode):
    """One modality's weights as a MASK and a grey IMAGE of the result's size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_WeightMap",
            display_name="Weight Map (MMSR)",
            category=inputs.ADVANCED,
            **inputs.aliases("mask", "attention"),
            description=(
                "Where one source of evidence steered the last sampling step, as a mask of the "
                "result's size: for instance to refine elsewhere only."
            ),
            inputs=[
                WeightsSocket.Input(
                    "weights", tooltip="From Restore from Evidence, with steps above 0."
                ),
                io.Combo.Input(
                    "modality",
                    options=list(MODALITIES),
                    default="lr",
                    tooltip=(
                        "lr is the input picture itself, kernel the measured blur, guide the "
                        "second sensor."
                    ),
                ),
                io.Boolean.Input(
                    "stretch",
                    default=True,
                    label_on="stretch",
                    label_off="as it is",
                    tooltip=(
                        "stretch: the smallest weight becomes black and the largest white. as it "
                        "is: the share itself, 0 to 1."
                    ),
                ),
                io.Boolean.Input(
                    "invert",
                    default=False,
                    label_on="invert",
                    label_off="as it is",
                    tooltip="invert: white where this evidence steered least.",
                ),
            ],
            outputs=[
                io.Mask.Output("mask", display_name="mask", tooltip="The weights as a mask."),
                io.Image.Output("image", display_name="image", tooltip="The same as a picture."),
            ],
        )

    @classmethod
    def validate_inputs(cls, modality: str | None = None) -> bool | str:
        """Check the choice."""
        return checks.check_choice(modality, MODALITIES)

    @classmethod
    def execute(
        cls, weights: WeightsBatch, modality: str, stretch: bool, invert: bool
    ) -> io.NodeOutput:
        """Enlarge the maps of each picture."""
        maps = []
        for item in weights.items:
            if not item:
                raise InputError(
                    "weights: nothing was sampled, so there are no weights. Set steps of "
                    "Restore from Evidence above 0, and mean_only off."
                )
            found = item.get(modality)
            if found is None:
                raise InputError(
                    f"modality: there are no weights of {modality!r}. This run has: "
                    f"{', '.join(item)}. Choose one of these, or give the Combine Evidence node "
                    "what is missing."
                )
            values = fit_map(found.float().cpu(), weights.size)
            if stretch:
                low, high = values.amin(), values.amax()
                values = (values - low) / (high - low) if high - low > 1e-6 else values
            maps.append(1 - values if invert else values)
        joined = torch.cat(maps)
        return io.NodeOutput(joined[:, 0], image_from_map(joined))
