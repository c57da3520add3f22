"""Prompt embeddings from the host's own types, and their mixture. No host import."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..mmsr_core.errors import InputError

if TYPE_CHECKING:
    from ..mmsr_core.prompts import PromptProjection

PROMPT_WIDTH = 512
"""Width of the shared space: CLIP ViT-B/32."""

Projections = Callable[[int], "PromptProjection | None"]
"""Finds the learned projection for embeddings of a width."""


def no_projection(width: int) -> None:
    """There is none for any width."""


def mix(parts: list[tuple[Tensor, float]]) -> Tensor:
    """The weighted mean of directions: embeddings `(1 or B, width)`, each scaled to length 1."""
    from ..mmsr_core.prompts import mix_prompts

    weights = [weight for _, weight in parts]
    rows = max(len(value) for value, _ in parts)
    mixed = [
        mix_prompts([value[min(i, len(value) - 1)].cpu() for value, _ in parts], weights)
        for i in range(rows)
    ]
    return torch.cat(mixed)


def vision_embedding(output: Any, projections: Projections = no_projection) -> Tensor:
    """The image embedding `(B,512)` in the host's CLIP_VISION_OUTPUT."""
    found = getattr(output, "image_embeds", None)
    if not isinstance(found, Tensor):
        raise InputError(
            "clip_vision_output: holds no image embedding. Connect CLIP Vision Encode."
        )
    cure = "CLIP Vision Encode with a CLIP ViT-B/32 model"
    return _fits(found, "clip_vision_output", cure, projections)


def text_embedding(conditioning: Any, projections: Projections = no_projection) -> Tensor:
    """The mean pooled embedding `(1,512)` of the host's CONDITIONING."""
    pooled = [
        entry[1].get("pooled_output")
        for entry in conditioning
        if isinstance(entry, (list, tuple)) and len(entry) > 1 and isinstance(entry[1], dict)
    ]
    given = [
        _fits(value, "conditioning", "a CLIP ViT-B/32 text encoder", projections)
        for value in pooled
        if value is not None
    ]
    if not given:
        raise InputError(
            "conditioning: holds no pooled text embedding. Connect a CLIP Text Encode, or write "
            "the words into text."
        )
    return torch.cat(given).mean(0, keepdim=True)


def _fits(value: Tensor, name: str, cure: str, projections: Projections) -> Tensor:
    flat = value.reshape(value.shape[0], -1) if value.ndim != 2 else value
    if not torch.isfinite(flat).all():
        raise InputError(f"{name}: holds values that are not numbers (NaN or infinity).")
    width = flat.shape[-1]
    if width == PROMPT_WIDTH:
        return flat
    projection = projections(width)
    if projection is None:
        raise InputError(
            f"{name}: has {width} numbers, but prompts have {PROMPT_WIDTH}. Use {cure}, put a "
            f"projection for {width} into models/mmsr_projections, or write the words into text."
        )
    return projection(flat.float().cpu())
