"""Say in words, or show by a picture, what is in the picture to restore."""

from __future__ import annotations

import logging
from typing import Any

from torch import Tensor

from . import inputs
from .embeddings import mix, text_embedding, vision_embedding
from .host_api import io
from .load import find_projection
from .payloads import ModelHandle, PromptBatch
from .runtime import acquire
from .sockets import PromptSocket

_LOG = logging.getLogger(__name__)


class PromptNode(io.ComfyNode):
    """A prompt embedding from text, pictures and the host's own CLIP."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_Prompt",
            display_name="Prompt (MMSR)",
            category=inputs.ADVANCED,
            **inputs.aliases("text", "clip", "words"),
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
                        "much the whole prompt steers is set in Combine Evidence."
                    ),
                ),
                io.ClipVisionOutput.Input(
                    "clip_vision_output",
                    display_name="CLIP Vision output",
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
                    "prompt", display_name="prompt", tooltip="For Combine Evidence or Upscale."
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
            engine = acquire(model)
            parts.append((engine.encode_prompt(lines), weight))
            if unknown := engine.unknown_words(lines):
                _LOG.warning("MMSR guesses these words from their letters: %s", ", ".join(unknown))
        if clip_vision_output is not None:
            parts.append((vision_embedding(clip_vision_output, find_projection), 1.0))
        if conditioning is not None:
            parts.append((text_embedding(conditioning, find_projection), 1.0))
        return io.NodeOutput(PromptBatch(mix(parts) if parts else None))
