"""Say in words, or show by a picture, what is in the picture to restore."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..mmsr_core.errors import InputError
from . import inputs
from .payloads import ModelHandle, PromptBatch
from .runtime import acquire
from .sockets import PromptSocket

PROMPT_WIDTH = 512
"""Width of the shared space: CLIP ViT-B/32."""


class PromptNode(io.ComfyNode):
    """A prompt embedding from text, pictures and the host's own CLIP."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_Prompt",
            display_name="Prompt (MMSR)",
            category=inputs.CATEGORY,
            description=(
                "Says what is in the picture, in words, so that the restoration knows what it "
                "looks at. What is left empty has no effect."
            ),
            inputs=[
                inputs.model_input(),
                io.String.Input(
                    "text",
                    default="",
                    multiline=True,
                    tooltip=(
                        "What is in the picture, one thing per line, such as: a fox. Lines are "
                        "mixed evenly. Names of things work best."
                    ),
                ),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip=(
                        "How much the text counts beside the other prompts connected here. How "
                        "much the whole prompt steers is set in Fuse Modalities."
                    ),
                ),
                io.ClipVisionOutput.Input(
                    "clip_vision_output",
                    optional=True,
                    tooltip=(
                        "A picture of the same kind of thing as a prompt: from CLIP Vision Encode "
                        "with a CLIP ViT-B/32 model (512 numbers)."
                    ),
                ),
                io.Conditioning.Input(
                    "conditioning",
                    optional=True,
                    tooltip=(
                        "From a CLIP Text Encode whose pooled output has 512 numbers "
                        "(CLIP ViT-B/32)."
                    ),
                ),
            ],
            outputs=[
                PromptSocket.Output(
                    "prompt", display_name="prompt", tooltip="For Fuse Modalities or Upscale."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        model: ModelHandle,
        text: str,
        weight: float,
        clip_vision_output: Any = None,
        conditioning: Any = None,
    ) -> io.NodeOutput:
        """Mix everything that was given into one embedding."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        parts: list[tuple[Tensor, float]] = []
        if lines and weight > 0:
            parts.append((acquire(model).encode_prompt(lines), weight))
        if clip_vision_output is not None:
            parts.append((vision_embedding(clip_vision_output), 1.0))
        if conditioning is not None:
            parts.append((text_embedding(conditioning), 1.0))
        return io.NodeOutput(PromptBatch(mix(parts) if parts else None))


def mix(parts: list[tuple[Tensor, float]]) -> Tensor:
    """The weighted mean of directions: embeddings `(1 or B, width)`, each scaled to length 1."""
    total = sum(
        weight * torch.nn.functional.normalize(value.detach().float().cpu(), dim=-1)
        for value, weight in parts
    )
    return torch.nn.functional.normalize(torch.as_tensor(total), dim=-1)


def vision_embedding(output: Any) -> Tensor:
    """The image embedding `(B,512)` in the host's CLIP_VISION_OUTPUT."""
    found = getattr(output, "image_embeds", None)
    if not isinstance(found, Tensor):
        raise InputError(
            "clip_vision_output: holds no image embedding. Connect CLIP Vision Encode."
        )
    return _fits(found, "clip_vision_output", "CLIP Vision Encode with a CLIP ViT-B/32 model")


def text_embedding(conditioning: Any) -> Tensor:
    """The mean pooled embedding `(1,512)` of the host's CONDITIONING."""
    pooled = [
        entry[1].get("pooled_output")
        for entry in conditioning
        if isinstance(entry, (list, tuple)) and len(entry) > 1 and isinstance(entry[1], dict)
    ]
    given = [
        _fits(p, "conditioning", "a CLIP ViT-B/32 text encoder") for p in pooled if p is not None
    ]
    if not given:
        raise InputError(
            "conditioning: holds no pooled text embedding. Connect a CLIP Text Encode, or write "
            "the words into text."
        )
    return torch.cat(given).mean(0, keepdim=True)


def _fits(value: Tensor, name: str, cure: str) -> Tensor:
    flat = value.reshape(value.shape[0], -1) if value.ndim != 2 else value
    if flat.shape[-1] != PROMPT_WIDTH:
        raise InputError(
            f"{name}: has {flat.shape[-1]} numbers, but prompts have {PROMPT_WIDTH}. "
            f"Use {cure}, or write the words into text."
        )
    if not torch.isfinite(flat).all():
        raise InputError(f"{name}: holds values that are not numbers (NaN or infinity).")
    return flat
