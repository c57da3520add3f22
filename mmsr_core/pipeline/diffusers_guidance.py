"""`MeasuredGuide` for pipelines of diffusers. Imports nothing of diffusers itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .guidance import MeasuredGuide

_VARIANCE_EXPLODING = ("EulerDiscreteScheduler",)
_VARIANCE_PRESERVING = ("DPMSolverMultistepScheduler",)
_BY_TIMESTEP = ("DDIMScheduler",)
_FLOW = ("FlowMatchEulerDiscreteScheduler",)
_KNOWN = (*_VARIANCE_EXPLODING, *_VARIANCE_PRESERVING, *_BY_TIMESTEP, *_FLOW)


class HoldToInput:
    """A `callback_on_step_end` that holds a diffusers pipeline to a measured input.

    For pipelines of Stable Diffusion 1, 2, XL and 3, and of Flux, with deterministic schedulers
    (DDIM, Euler, DPM-Solver++, flow matching Euler; UniPC's corrector would undo the change):

        guide = MeasuredGuide(lr, mmsr_pipe.estimate_degradation(lr, scale=4))
        height, width = guide.size
        sd("a street", height=height, width=width, callback_on_step_end=HoldToInput(guide))

    A scheduler hands out the noisy latents after a step, not the prediction that it took. That
    follows from the latents before and after, `x_s = r x_t + (a_s - r a_t) x0` with
    `r = sigma_s / sigma_t` (DDIM, arXiv 2010.02502, eq. 12); so the first step is not guided.
    """

    def __init__(self, guide: MeasuredGuide, start: float = 0.0, end: float = 1.0) -> None:
        """Args: the guide; the part of the sampling that is guided, 0 (noise) to 1 (the end)."""
        if not 0 <= start <= end <= 1:
            raise InputError(f"Expected 0 <= start <= end <= 1, not {start} and {end}.")
        self.guide = guide
        self._span = (start, end)
        self._before: Tensor | None = None

    def __call__(
        self, pipe: Any, step: int, timestep: Any, callback_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """What diffusers calls after every step; changes `latents`.

        Raises:
            InputError: a scheduler that is not known, or latents of another size.
        """
        latents: Tensor = callback_kwargs["latents"]
        before = None if step == 0 else self._before
        done = (step + 1) / max(1, len(pipe.scheduler.timesteps))
        if before is not None and self._span[0] <= done <= self._span[1]:
            latents = self._guided(pipe, timestep, before, latents)
        self._before = latents
        return callback_kwargs | {"latents": latents}

    @torch.no_grad()
    def _guided(self, pipe: Any, timestep: Any, before: Tensor, after: Tensor) -> Tensor:
        (old_scale, old_noise), (scale, noise) = noise_levels(pipe.scheduler, timestep)
        ratio = noise / old_noise
        share = scale - ratio * old_scale
        if share < 1e-6:  # the step moved nothing
            return after
        predicted = (after.float() - ratio * before.float()) / share
        autoencoder = PipelineAutoencoder(pipe, self.guide.size)
        # What the model knew was that of the level it started from.
        sigma = old_noise / old_scale if old_scale > 0 else float("inf")
        moved = self.guide.correct(autoencoder.unpack(predicted), sigma, autoencoder)
        change = autoencoder.pack(moved).float() - predicted
        return (after.float() + scale * change).to(after.dtype)


def noise_levels(scheduler: Any, timestep: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """`(signal scale, noise std)` of the latents before and after the step just taken.

    Args:
        scheduler: a scheduler of diffusers, after its `step`.
        timestep: that it was called with.

    Raises:
        InputError: it is none of those whose steps can be read back.
    """
    name = type(scheduler).__name__
    if name not in _KNOWN:
        raise InputError(
            f"HoldToInput cannot read the steps of {name}: expected one of {', '.join(_KNOWN)}."
        )
    if name in _BY_TIMESTEP:
        stride = scheduler.config.num_train_timesteps // scheduler.num_inference_steps
        at, then = int(timestep), int(timestep) - stride
        products = scheduler.alphas_cumprod
        last = scheduler.final_alpha_cumprod
        levels = [float(products[at]), float(products[then] if then >= 0 else last)]
        return _pair((value**0.5, (1 - value) ** 0.5) for value in levels)
    index = scheduler.step_index
    sigmas = [float(scheduler.sigmas[index - 1]), float(scheduler.sigmas[index])]
    if name in _FLOW or getattr(scheduler.config, "use_flow_sigmas", False):
        return _pair((1 - sigma, sigma) for sigma in sigmas)
    if name in _VARIANCE_EXPLODING:
        return _pair((1.0, sigma) for sigma in sigmas)
    scales = [(1 + sigma**2) ** -0.5 for sigma in sigmas]
    return _pair((scale, sigma * scale) for sigma, scale in zip(sigmas, scales, strict=True))


def _pair(levels: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    before, after = levels
    return before, after


class PipelineAutoencoder:
    """A diffusers pipeline's VAE as `guidance.Autoencoder`, and its packing of latents."""

    def __init__(self, pipe: Any, size: tuple[int, int]) -> None:
        """Args: the pipeline, and (height, width) of the pictures."""
        self._pipe = pipe
        self._vae = pipe.vae
        self._size = size
        config = pipe.vae.config
        if pipe.vae.dtype == torch.float16 and getattr(config, "force_upcast", False):
            pipe.vae.to(torch.float32)  # as the pipeline itself does for its last decoding
        self._factor = float(config.scaling_factor)
        self._shift = float(getattr(config, "shift_factor", None) or 0.0)
        self._packed = hasattr(pipe, "_unpack_latents")

    def unpack(self, latents: Tensor) -> Tensor:
        """Flux's tokens `(B,n,4C)` as `(B,C,h,w)`; others as they are."""
        if not self._packed:
            return latents
        return self._pipe._unpack_latents(latents, *self._size, self._pipe.vae_scale_factor)

    def pack(self, latents: Tensor) -> Tensor:
        """The way back."""
        if not self._packed:
            return latents
        return self._pipe._pack_latents(latents, *latents.shape)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to pictures `(B,3,H,W)`, 0..1."""
        raw = (latents / self._factor + self._shift).to(self._vae.dtype)
        return (self._vae.decode(raw, return_dict=False)[0].float() / 2 + 0.5).clamp(0, 1)

    def encode(self, images: Tensor) -> Tensor:
        """Pictures to latents: the mode of their distribution, where the VAE has one."""
        found = self._vae.encode((images * 2 - 1).to(self._vae.dtype))
        has_mode = hasattr(found, "latent_dist")
        latents = found.latent_dist.mode() if has_mode else found.latents
        return (latents.float() - self._shift) * self._factor
