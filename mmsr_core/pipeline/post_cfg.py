"""`MeasuredGuide` as what ComfyUI and Stable Diffusion WebUI Forge call after each prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from .guidance import Autoencoder, MeasuredGuide


class PostCfgGuide:
    """For `set_model_sampler_post_cfg_function`: takes the predicted clean latents, moves them."""

    def __init__(
        self,
        guide: MeasuredGuide,
        autoencoder: Callable[[Any], Autoencoder],
        level: Callable[[Any, Tensor], Tensor],
        span: tuple[float, float],
        restored: Tensor | None = None,
    ) -> None:
        """Keep what a step needs.

        Args:
            guide: measured on the original.
            autoencoder: the host's model to its autoencoder, in the latents of the sampler.
            level: the host's model and sigma to noise over signal, `(B,)`.
            span: first (largest) and last sigma that are guided.
            restored: `(B,3,H,W)`, 0..1: pull towards this picture, without decoding.
        """
        self._guide = guide
        self._autoencoder = autoencoder
        self._level = level
        self._first, self._last = span
        self._restored = restored
        self._reference: Tensor | None = None

    def __call__(self, args: dict[str, Any]) -> Tensor:
        """The prediction `args["denoised"]`, moved."""
        denoised, model = args["denoised"], args["model"]
        sigma = args["sigma"].reshape(-1)
        if not self._last <= float(sigma.max()) <= self._first:
            return denoised
        level = self._level(model, sigma)
        autoencoder = self._autoencoder(model)
        if self._restored is None:
            return self._guide.correct(denoised, level, autoencoder)
        if self._reference is None:
            self._reference = autoencoder.encode(self._restored.to(denoised))
        return self._guide.pull(denoised, level, self._reference)
