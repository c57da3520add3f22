"""The demo's networks: loaded when first needed, and what they can make use of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsr_core.errors import InputError

from ..settings import DemoSettings
from .jobs import RestoreJob

if TYPE_CHECKING:
    from torch import Tensor

    from mmsr_core.pipeline import MMSREngine
    from mmsr_core.prompts import ClipPromptEncoder

MAX_PROMPT = 300
"""Characters."""


@dataclass(frozen=True)
class Abilities:
    """What the loaded weights can make use of beside the picture itself."""

    prompt: bool
    references: bool
    guide: bool

    def uses(self, modality: str) -> bool:
        """Whether the strength of a modality means anything."""
        return {"prompt": self.prompt, "guide": self.guide}.get(modality, True)


class Models:
    """The pipeline and, where the starter named one, a CLIP model."""

    def __init__(self, settings: DemoSettings) -> None:
        """Args: what the starter chose. Nothing is loaded yet."""
        self._settings = settings
        self._loading = threading.Lock()
        self._pipeline: MMSREngine | None = None
        self._clip: ClipPromptEncoder | None = None

    @property
    def pipeline(self) -> MMSREngine:
        """The pipeline; the first access loads it.

        Raises:
            WeightsError: The weights are missing or damaged.
        """
        with self._loading:
            if self._pipeline is None:
                from mmsr_core.pipeline import load_pipeline

                chosen = self._settings
                self._pipeline = load_pipeline(chosen.model, chosen.device, chosen.dtype)
            return self._pipeline

    @property
    def clip(self) -> ClipPromptEncoder | None:
        """The CLIP model that the starter named, or None; the first access loads it.

        Raises:
            WeightsError: It is missing or damaged.
            InputError: transformers is not installed.
        """
        with self._loading:
            if self._clip is None and self._settings.clip is not None:
                from mmsr_core.prompts import load_clip

                self._clip = load_clip(self._settings.clip)
            return self._clip

    @property
    def abilities(self) -> Abilities:
        """What the weights can make use of; loads them."""
        pipeline = self.pipeline
        in_flow = set(pipeline.denoiser.modalities)
        in_mean = bool(pipeline.mean_net.config.get("prompt_every", 0))
        clip = self._settings.clip is not None
        prompt = (in_mean or "prompt" in in_flow) and (clip or pipeline.prompt_encoder is not None)
        return Abilities(prompt, prompt and clip, pipeline.fusion_net is not None)

    @property
    def device_type(self) -> str:
        """`cpu`, `cuda` or `mps`."""
        from mmsr_core.pipeline.loading import resolve_device

        return resolve_device(self._settings.device).type

    def prompt(self, job: RestoreJob, read: Callable[[Path], Tensor]) -> Any:
        """The job's words and reference pictures as the pipeline takes them; None for neither.

        Args:
            job: the job.
            read: reads a reference picture as `(1,3,h,w)`, 0..1.

        Raises:
            InputError: Too many words, or reference pictures without CLIP.
        """
        text = job.prompt.strip()
        if len(text) > MAX_PROMPT:
            raise InputError(f"The words are longer than {MAX_PROMPT} characters; use fewer.")
        clip = self.clip
        if clip is None:
            if job.references:
                raise InputError("Reference pictures need CLIP: start the demo with --clip FOLDER.")
            return text or None
        if not text and not job.references:
            return None
        from mmsr_core.prompts import mix_prompts

        parts = [clip.encode_texts(text)] if text else []
        parts += [clip.encode_images(read(path)) for path in job.references]
        return mix_prompts(parts)
