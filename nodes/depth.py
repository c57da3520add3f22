"""Estimate depth, with the model's own network or a depth model on disk."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..mmsr_core.errors import InputError
from . import checks, inputs
from .convert import fit_map, image_from_map, split_image
from .host_api import io
from .load import available_depth_models, connected_or_shipped
from .payloads import ModelHandle
from .runtime import HostNetworks, StepProgress, acquire, choose_device, host_names, room_for

BUILT_IN = "built-in"


class DepthNode(io.ComfyNode):
    """Relative depth of a picture as a grey IMAGE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_DepthNode",
            display_name="Depth (MMSR)",
            category=inputs.ADVANCED,
            **inputs.aliases("depth anything", "inverse depth"),
            description=(
                "Estimates how near each part of the picture is: near is bright, far is dark. "
                "Depth tells the blur measurement what is out of focus."
            ),
            inputs=[
                inputs.image_input("The picture to look at."),
                io.Combo.Input(
                    "depth_model",
                    display_name="depth model",
                    options=[BUILT_IN, *available_depth_models()],
                    default=BUILT_IN,
                    tooltip=(
                        "built-in is the restoration model's own small network. Put folders of "
                        "transformers depth models (such as Depth Anything V2 Small) under "
                        "models/mmsr_depth to find them here."
                    ),
                ),
                inputs.own_model_input(),
            ],
            outputs=[
                io.Image.Output(
                    "depth", display_name="depth", tooltip="Grey picture: near is bright."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, depth_model: str | None = None) -> bool | str:
        """Check the choice."""
        return checks.check_choice(depth_model, [BUILT_IN, *available_depth_models()])

    @classmethod
    def execute(
        cls, image: Tensor, depth_model: str = BUILT_IN, model: ModelHandle | None = None
    ) -> io.NodeOutput:
        """Estimate each picture of the batch."""
        picture = split_image(image)
        estimate = _estimator(depth_model, model, picture.size)
        progress = StepProgress(picture.batch)
        maps = []
        with host_names():
            for index in range(picture.batch):
                depth = estimate(picture.rgb[index : index + 1])
                maps.append(fit_map(depth.detach().float().cpu(), picture.size))
                progress.done(index + 1)
        return io.NodeOutput(image_from_map(torch.cat(maps)))


def _estimator(
    depth_model: str, model: ModelHandle | None, size: tuple[int, int]
) -> Callable[[Tensor], Tensor]:
    if depth_model == BUILT_IN:
        return acquire(connected_or_shipped(model), size).estimate_depth
    folder = available_depth_models().get(depth_model)
    if folder is None:
        raise InputError(
            f"depth_model: there is no depth model {depth_model!r}. "
            f"There are: {', '.join([BUILT_IN, *available_depth_models()])}."
        )
    from ..mmsr_core.depth import load_depth_backend

    with torch.inference_mode(False):
        backend = load_depth_backend(folder, device="cpu", local_files_only=True)
        networks = HostNetworks(
            {key: part for key, part in vars(backend).items() if isinstance(part, nn.Module)},
            choose_device("auto"),
        )

    def estimate(image: Tensor) -> Tensor:
        networks.bring(room_for(size))
        return backend(image)

    return estimate
