"""The denoiser's loss at random times of the flow: L1, LPIPS, local spectra, and the router's."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor, nn

from mmsr_core.models import DenoiserOutput

from ..data.batches import Batch
from ..data.guides import synthetic_guides
from ..data.restoration import Conditions
from .alignment import Amounts, alignment_loss, measure_contributions
from .spectrum import off_the_grid, spectrum_distance


@dataclass(frozen=True)
class FlowOptions:
    """Weights of the parts, and shares of what the denoiser meets."""

    lpips: float = 0.3
    spectrum: float = 0.1
    sparsity: float = 1e-4
    """Of the L1 of the features (SSR, equation 5)."""
    dropout: float = 0.15
    """Share of the pictures that lack a modality, of each."""
    own_share: float = 0.5
    """Batches below t = 1 that start from the net's own estimate."""
    first_share: float = 0.4
    """Pictures at t = 1."""
    guide_share: float = 0.35
    """Batches with a guide."""
    align: float = 0.05
    """Of the router's losses."""
    align_every: int = 4
    align_items: int = 2
    """Pictures for which the router's losses are measured each time."""


class FlowLoss:
    """Called with the denoiser and a batch whose mean is known."""

    def __init__(
        self,
        modalities: tuple[str, ...],
        sigma_s: float,
        perceptual: nn.Module,
        generator: torch.Generator,
        options: FlowOptions,
        seed: int = 0,
    ) -> None:
        """Keep what a step needs.

        Args:
            modalities: the denoiser's, in its order.
            sigma_s: std of the start's noise, 0..1 units.
            perceptual: LPIPS, frozen.
            generator: randomness on the device.
            options: see `FlowOptions`.
            seed: of the choices that are made for a whole batch, which never wait for the device.
        """
        self.modalities = modalities
        self.sigma_s = sigma_s
        self.perceptual = perceptual
        self.generator = generator
        self.options = options
        self._dice = random.Random(seed)
        self._turns = count()
        self._router: dict[str, Tensor] = {}

    def _rand(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def _start(self, mean: Tensor) -> Tensor:
        noise = torch.randn(mean.shape, generator=self.generator, device=self.generator.device)
        return mean + self.sigma_s * noise

    def __call__(
        self, net: nn.Module, batch: Batch, c: Conditions, mean: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """One step's loss.

        Args:
            net: the denoiser.
            batch: the pictures and their prompts.
            c: what is known of their damage.
            mean: `(B,3,H,W)`, without gradients.

        Returns:
            The loss, the estimate `(B,3,H,W)` and the parts, without gradients.
        """
        options, hr, b = self.options, batch.hr, len(mean)
        first = self._rand(b) < options.first_share
        t = torch.where(first, torch.ones(b, device=hr.device), 0.1 + 0.9 * self._rand(b))
        at = t.view(-1, 1, 1, 1)
        z = (1 - at) * hr + at * self._start(mean)
        guided = self._dice.random() < options.guide_share
        guide = synthetic_guides(hr, self.generator) if guided else None
        given, has = modalities_of(batch, c, self.modalities, guide)
        keep = {
            name: there * (self._rand(b, 1, 1, 1) >= options.dropout).float()
            for name, there in has.items()
        }
        if self._dice.random() < options.own_share:
            # What sampling really meets at t < 1: the net's own estimate, its artefacts included.
            start = self._start(mean)
            with torch.no_grad():
                ones = torch.ones_like(t)
                own = net(start, mean, ones, given, keep, c.global_conditions).sample.float()
            z = torch.where(at < 1, (1 - at) * own + at * start, z)
        out = net(z, mean, t, given, keep, c.global_conditions)
        l1 = (out.sample - hr).abs().mean()
        distance = shifted_distance(self.perceptual, out.sample.clamp(0, 1), hr, self.generator)
        spectrum = spectrum_distance(out.sample, hr, self.generator)
        loss = l1 + options.lpips * distance + options.spectrum * spectrum
        loss = loss + options.sparsity * out.feature_l1
        if options.align and next(self._turns) % options.align_every == 0:
            few = slice(min(b, options.align_items))
            some = {k: v[few] for k, v in given.items()}

            def evaluate(amounts: Amounts) -> DenoiserOutput:
                scene = c.global_conditions[few]
                return net(z[few], mean[few], t[few], some, dict(amounts), scene)

            there = {k: v[few] for k, v in has.items()}
            measured = measure_contributions(evaluate, self.modalities, there, hr[few])
            kl, nll = alignment_loss(evaluate(there), measured)
            loss = loss + options.align * (kl + 0.1 * nll) * options.align_every
            self._router = {"kl": kl.detach(), "nll": nll.detach()}
        parts = {"l1": l1, "lpips": distance, "spectrum": spectrum, "features": out.feature_l1}
        return loss, out.sample, {k: v.detach() for k, v in parts.items()} | self._router


def modalities_of(
    batch: Batch, c: Conditions, names: tuple[str, ...], guide: Tensor | None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What a batch has of the modalities, and for each item whether it has it `(B,1,1,1)`."""
    there = torch.ones(len(batch.hr), 1, 1, 1, device=batch.hr.device)
    given = {"lr": c.base, "kernel": c.codes}
    has = {"lr": there, "kernel": there}
    if c.depth is not None:
        given["depth"], has["depth"] = c.depth, there
    if batch.prompt is not None and "prompt" in names:
        missing = batch.prompt.isnan().any(1)
        given["prompt"] = batch.prompt.nan_to_num()
        has["prompt"] = (~missing).float().view(-1, 1, 1, 1)
    if guide is not None and "guide" in names:
        given["guide"], has["guide"] = guide, there
    return given, has


def shifted_distance(
    perceptual: nn.Module, picture: Tensor, truth: Tensor, generator: torch.Generator
) -> Tensor:
    """LPIPS, mean over the batch, of pictures that lack up to 3 rows and columns at random.

    AlexNet's first layer looks at every fourth pixel, and the networks draw in blocks of four.
    Without the shift they learn a pattern with that period which LPIPS likes and an eye does not.
    """
    return perceptual(*off_the_grid(generator, picture, truth)).mean()
