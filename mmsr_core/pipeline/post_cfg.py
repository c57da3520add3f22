"""`MeasuredGuide` as what ComfyUI and Stable Diffusion WebUI Forge call after each prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .guidance import Autoencoder, MeasuredGuide

Shapes = Sequence[Sequence[int]]
"""Shapes of the latents that a host has packed into one, each with the batch in front."""


class PostCfgGuide:
    """For `set_model_sampler_post_cfg_function`: takes the predicted clean latents, moves them."""

    def __init__(
        self,
        guide: MeasuredGuide,
        autoencoder: Callable[[Any], Autoencoder],
        level: Callable[[Any, Tensor], Tensor],
        span: tuple[float, float],
        restored: Tensor | None = None,
        packed: Callable[[dict[str, Any]], Shapes] = lambda args: (),
    ) -> None:
        """Keep what a step needs.

        Args:
            guide: measured on the original.
            autoencoder: the host's model to its autoencoder, in the latents of the sampler.
            level: the host's model and sigma to noise over signal, `(B,)`.
            span: first (largest) and last sigma that are guided.
            restored: `(B,3,H,W)`, 0..1: pull towards this picture, without decoding.
            packed: the host's arguments to the shapes of latents packed into one, the picture's
                first. Fewer than two: nothing is packed. Only the picture is guided.
        """
        self._guide = guide
        self._autoencoder = autoencoder
        self._level = level
        self._first, self._last = span
        self._restored = restored
        self._packed = packed
        self._reference: Tensor | None = None

    def __call__(self, args: dict[str, Any]) -> Tensor:
        """The prediction `args["denoised"]`, moved.

        Raises:
            InputError: the latents are not those of pictures or frames.
        """
        denoised, model = args["denoised"], args["model"]
        sigma = args["sigma"].reshape(-1)
        if not self._last <= float(sigma.max()) <= self._first:
            return denoised
        level = self._level(model, sigma)
        autoencoder = self._autoencoder(model)
        shapes = self._packed(args)
        if len(shapes) < 2:
            return self._move(denoised, level, autoencoder)
        count = math.prod(shapes[0][1:])
        picture = denoised[..., :count].reshape(-1, *shapes[0][1:])
        moved = self._move(picture, level, autoencoder)
        return torch.cat([moved.reshape(*denoised.shape[:-1], count), denoised[..., count:]], -1)

    def _move(self, latents: Tensor, level: Tensor, autoencoder: Autoencoder) -> Tensor:
        if latents.ndim not in (4, 5):
            raise InputError(
                f"The latents have shape {tuple(latents.shape)}: those of a picture have 4 axes "
                "(batch, channels, height, width), those of frames 5. Guide a model of pictures "
                "or of video."
            )
        if self._restored is None:
            return self._guide.correct(latents, level, autoencoder)
        if self._reference is None:
            self._reference = autoencoder.encode(self._restored.to(latents))
        return self._guide.pull(latents, level, self._reference)


class HostAutoencoder:
    """A host's VAE, between the latents of one sampler and pictures `(N,3,H,W)`.

    Every call uses the same random numbers: some VAEs draw their latents, and only the difference
    of two encodings is of use.
    """

    def __init__(
        self,
        vae: Any,
        to_vae: Callable[[Tensor], Tensor],
        from_vae: Callable[[Tensor], Tensor],
        network: nn.Module | None = None,
        bring_back: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep the host's parts.

        Args:
            vae: has `decode(latents)` and `encode(pixels)`, pixels `(N,H,W,3)`, 0..1.
            to_vae: the sampler's latents to the VAE's.
            from_vae: the reverse.
            network: what is sampling; None where nothing samples yet.
            bring_back: called where the VAE has displaced the network from its device.
        """
        self._vae = vae
        self._to_vae = to_vae
        self._from_vae = from_vae
        self._network = network
        self._bring_back = bring_back

    def decode(self, latents: Tensor) -> Tensor:
        """Latents `(B,C,h,w)`, or of frames `(B,C,T,h,w)`, to pictures, 0..1."""
        with self._kept_in_place():
            pictures = self._vae.decode(self._to_vae(latents))
        pictures = pictures.reshape(-1, *pictures.shape[-3:])[..., :3].movedim(-1, 1)
        return pictures.to(latents.device).float().clamp(0, 1)

    def encode(self, images: Tensor) -> Tensor:
        """Pictures to latents, one for each picture, or for each clip of a video model."""
        with self._kept_in_place():
            latents = self._vae.encode(images.movedim(1, -1))
        return self._from_vae(latents.to(images.device).float())

    @contextmanager
    def _kept_in_place(self) -> Iterator[None]:
        """The sampler's weights are where they were, and the random numbers as well."""
        before = self._device()
        with torch.random.fork_rng([before] if before and before.type == "cuda" else []):
            torch.manual_seed(0)
            yield
        if self._device() != before:  # the VAE needed the room
            self._bring_back()

    def _device(self) -> torch.device | None:
        return None if self._network is None else next(self._network.parameters()).device


def flow_noise_over_signal(time: Tensor) -> Tensor:
    """Noise over signal of a flow at `time`, which runs from 1 (noise) to 0."""
    return time / (1 - time).clamp_min(1e-6)
