"""Evidence beside the picture itself: a prompt and a second sensor's picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..models.fusion_net import GUIDE_MODES
from ..types import PROMPT_DIM
from . import checks

if TYPE_CHECKING:
    from ..prompts import PromptTextEncoder
    from .estimation import EstimationEngine


@dataclass(frozen=True)
class Evidence:
    """A prompt and a second sensor's picture. Both may be missing."""

    prompt: str | Sequence[str] | Tensor | None = None
    """After `check_evidence` an embedding `(B,512)` or None."""
    guide: Tensor | None = None
    """After `check_evidence` `(B,3,gh,gw)`, 0..1, or None."""
    guide_mode: str = "guide"
    """ "guide" restores the picture with the guide's structure, "fuse" makes one of both."""


def comes_at_low_resolution(guide: Tensor, low_size: Sequence[int], scale: int) -> bool:
    """Whether a guide is an LR picture as the first one is, and is to be restored like it."""
    return tuple(guide.shape[-2:]) == tuple(low_size) and scale > 1


def guide_passes(
    evidence: Evidence,
    lr: Tensor,
    scale: int,
    strengths: Mapping[str, float],
    masks: Mapping[str, Tensor],
) -> int:
    """Canvas passes that a second sensor adds: the fusion; at LR its kernels and its mean, too."""
    mask = masks.get("guide")
    acts = strengths["guide"] > 0 and (mask is None or bool((mask > 0).any()))
    if evidence.guide is None or not acts:
        return 0
    return 3 if comes_at_low_resolution(evidence.guide, lr.shape[-2:], scale) else 1


def encode_prompt(
    encoder: PromptTextEncoder | None,
    texts: str | Sequence[str],
    images: Sequence[Tensor],
    weights: Sequence[float] | None,
) -> Tensor:
    """See `MMSREngine.encode_prompt`."""
    if encoder is None:
        raise InputError("These weights have no prompt encoder; give an embedding instead.")
    if images:
        raise InputError(
            "The built-in prompt encoder reads text only; reference pictures need CLIP: see "
            "mmsr_core.prompts.ClipPromptEncoder."
        )
    from ..prompts import encode_texts, mix_prompts

    lines = [texts] if isinstance(texts, str) else list(texts)
    if not lines:
        raise InputError("encode_prompt needs at least one text.")
    return mix_prompts(encode_texts(encoder, lines), weights)


def check_evidence(engine: EstimationEngine, evidence: Evidence, lr: Tensor) -> Evidence:
    """Check and complete: text becomes an embedding, a grey guide three channels.

    Raises:
        InputError, ShapeError: what is wrong, by the argument's name.
    """
    if evidence.guide_mode not in GUIDE_MODES:
        raise InputError(f"guide_mode must be one of {GUIDE_MODES}, not {evidence.guide_mode!r}.")
    prompt, guide = evidence.prompt, evidence.guide
    if guide is None and evidence.guide_mode == "fuse":
        raise InputError("guide_mode 'fuse' needs a guide: the picture of the second sensor.")
    if prompt is not None and not isinstance(prompt, Tensor):
        lines = [line for line in _lines(prompt) if line.strip()]  # an empty prompt is no prompt
        prompt = engine.encode_prompt(lines) if lines else None
    if isinstance(prompt, Tensor):
        prompt = _check_embedding(prompt, lr)
        if not (engine.mean_net.prompt_every or "prompt" in engine.denoiser.modalities):
            raise InputError(f"The model {engine.model_label!r} was trained without prompts.")
    if guide is not None:
        guide = _check_guide(guide, lr)
        if engine.fusion_net is None:
            raise InputError(
                f"The model {engine.model_label!r} has no fusion network: it takes no guide."
            )
    return Evidence(prompt, guide, evidence.guide_mode)


def _lines(prompt: object) -> list[str]:
    lines = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(lines, Sequence) or not all(isinstance(line, str) for line in lines):
        raise InputError(
            f"prompt must be text, a list of texts or an embedding (1,{PROMPT_DIM}), "
            f"but is {prompt!r}."
        )
    return list(lines)


def _check_embedding(prompt: Tensor, lr: Tensor) -> Tensor:
    fits = prompt.ndim == 2 and prompt.shape[1] == PROMPT_DIM
    if not fits or prompt.shape[0] not in (1, lr.shape[0]):
        raise ShapeError("prompt", f"(1 or {lr.shape[0]},{PROMPT_DIM})", tuple(prompt.shape))
    if not torch.isfinite(prompt).all():
        raise InputError("prompt holds NaN or infinite values.")
    return prompt.float().expand(lr.shape[0], -1)


def _check_guide(guide: Tensor, lr: Tensor) -> Tensor:
    checks.check_tensor("guide", guide)
    if guide.ndim == 4 and guide.shape[1] == 1:
        guide = guide.expand(-1, 3, -1, -1)
    guide = checks.check_picture("guide", guide)
    if guide.shape[0] not in (1, lr.shape[0]):
        expected = f"(1 or {lr.shape[0]},1 or 3,gh,gw)"
        raise ShapeError("guide", expected, tuple(guide.shape))
    own, other = lr.shape[-1] / lr.shape[-2], guide.shape[-1] / guide.shape[-2]
    if not 0.95 < own / other < 1.05 and max(lr.shape[-2:]) > 20:
        raise InputError(
            f"guide has {guide.shape[-1]}x{guide.shape[-2]} pixels, the picture "
            f"{lr.shape[-1]}x{lr.shape[-2]}: they must show the same scene, in the same shape. "
            "Register and crop the guide first."
        )
    return guide.expand(lr.shape[0], -1, -1, -1)
