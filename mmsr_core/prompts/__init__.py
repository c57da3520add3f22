"""Prompts: text and pictures to embeddings in CLIP ViT-B/32's space."""

from ..types import PROMPT_DIM
from .clip import DEFAULT_CLIP, ClipPromptEncoder, load_clip
from .mixing import (
    PromptProjection,
    fit_projection,
    load_projection,
    mix_prompts,
    project_prompt,
)

__all__ = [
    "DEFAULT_CLIP",
    "PROMPT_DIM",
    "ClipPromptEncoder",
    "PromptProjection",
    "fit_projection",
    "load_clip",
    "load_projection",
    "mix_prompts",
    "project_prompt",
]
