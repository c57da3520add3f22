"""Degraded training batches on the training device, shared by the kernel, mean and flow stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.degradation import (
    KernelBasis,
    SynthesisConfig,
    degrade_second_order,
    normalise_kernels,
    sample_kernels,
    synthesise,
)
from mmsr_core.models import DamageEstimator, KernelEstimator, KernelEstimatorOutput

from .explain import closest_gaussian
from .restoration import Conditions, prepare_conditions, whole_damage

SCALES = (4, 2, 3, 8, 1)
LEAST_CONTRAST = 0.3
"""Of the contrast that a picture has."""


@dataclass
class Batch:
    """A degraded batch and the truth about it."""

    hr: Tensor
    """`(B,3,H,W)`."""
    lr: Tensor
    """`(B,3,h,w)`."""
    kernels: Tensor
    """`(B,441,h,w)`, the truth; after second-order degradation the Gaussian that explains most."""
    noise_std: Tensor
    jpeg_quality: Tensor
    depth: Tensor | None
    """`(B,1,h,w)` inverse depth at the LR pixels, as an estimator would give it; None: left out."""
    scale: int
    prompt: Tensor | None = None
    """`(B,512)` embeddings of the photographs' captions; NaN for those without one."""


def degraded(
    pairs: Iterator[tuple[Tensor, Tensor]],
    device: torch.device,
    seed: int,
    config: SynthesisConfig | None = None,
    scale_shares: tuple[float, ...] = (0.76, 0.08, 0.06, 0.06, 0.04),
    depth_dropout: float = 0.25,
    max_lr_pixels: int = 96,
    second_order_share: float = 0.0,
    faded_share: float = 0.0,
) -> Iterator[Batch]:
    """Degrade `pairs` of (hr, depth) at random; the scale is drawn for each batch.

    `second_order_share` of the batches get the real-world mix of `degrade_second_order` instead of
    one kernel field, noise and JPEG. `faded_share` of the pictures lose contrast before (`faded`).

    Depth drives part of the kernel fields; what the networks get is a damaged copy of it, since an
    estimator's depth is never the one that made the blur. A batch has at most `max_lr_pixels`
    a side: at scale 1 a whole patch would cost the kernel estimator 16 times as much as at 4.
    """
    generator = torch.Generator(device).manual_seed(seed)
    dice = np.random.default_rng(seed)  # of what holds for a whole batch: no waiting for a GPU
    shares = np.array(scale_shares) / sum(scale_shares)
    for hr, depth in pairs:
        scale = SCALES[int(dice.choice(len(SCALES), p=shares))]
        side = min(hr.shape[-1], max_lr_pixels * scale)
        hr = hr[..., :side, :side].to(device, non_blocking=True)
        if faded_share:
            hr = faded(hr, faded_share, generator)
        depth = depth[..., : side // 4, : side // 4]
        at_lr: Tensor | None = None
        if not torch.isnan(depth).any():
            size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
            at_lr = F.interpolate(depth.to(device), size=size, mode="bilinear", align_corners=False)
        drop = dice.random() < depth_dropout
        shown = None if at_lr is None or drop else imperfect_depth(at_lr, generator)
        if dice.random() < second_order_share:
            real = degrade_second_order(hr, scale, generator)
            kernels, residual = closest_gaussian(hr, real.lr, scale)
            yield Batch(hr, real.lr, kernels, residual, real.jpeg_quality, shown, scale)
            continue
        made = synthesise(hr, scale, generator, config, None if at_lr is None else at_lr[:, 0])
        yield Batch(hr, made.lr, made.kernels, made.noise_std, made.jpeg_quality, shown, scale)


def faded(pictures: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """This share of `pictures (B,3,h,w)`, 0..1, with less contrast, at any brightness."""

    def rand() -> Tensor:
        size = (pictures.shape[0], 1, 1, 1)
        return torch.rand(size, generator=generator, device=pictures.device)

    chosen, contrast, brightness = rand() < share, rand(), rand()
    gain = torch.where(chosen, LEAST_CONTRAST + (1 - LEAST_CONTRAST) * contrast, 1.0)
    return pictures * gain + (1 - gain) * brightness


def imperfect_depth(depth: Tensor, generator: torch.Generator) -> Tensor:
    """Gamma, smoothing and noise of an estimator, still in 0..1."""
    b = depth.shape[0]
    r = torch.rand((b, 3, 1, 1, 1), generator=generator, device=depth.device)
    out = depth.clamp(1e-3, 1) ** (0.7 + 0.7 * r[:, 0])
    soft = F.avg_pool2d(out, 5, 1, 2, count_include_pad=False)
    out = out + r[:, 1] * (soft - out)
    noise = torch.randn(out.shape, generator=generator, device=depth.device)
    return (out + 0.03 * r[:, 2] * noise).clamp(0, 1)


class Preparer:
    """Turns a `Batch` into network inputs, with true, estimated or damaged kernels."""

    def __init__(
        self,
        basis: KernelBasis,
        codes: int,
        estimator: KernelEstimator | None,
        generator: torch.Generator,
        true_share: float = 0.5,
        kernel_dropout: float = 0.0,
        damage_estimator: DamageEstimator | None = None,
    ) -> None:
        """Args: PCA basis, codes used, DKENet (None: damaged kernels), randomness, shares.

        `true_share` of the pictures get their true kernels, `kernel_dropout` of them none at all.
        With a `damage_estimator` estimated noise and JPEG quality are its own, not DKENet's.
        """
        self.basis = basis
        self.codes = codes
        self.estimator = estimator
        self.generator = generator
        self.true_share = true_share
        self.kernel_dropout = kernel_dropout
        self.damage_estimator = damage_estimator

    def _rand(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    @torch.no_grad()
    def __call__(self, batch: Batch, found: KernelEstimatorOutput | None = None) -> Conditions:
        """Prepare; no gradient is kept.

        Args:
            batch: the pictures and the truth about them.
            found: what the estimator says of them, where that is known already.
        """
        b = batch.hr.shape[0]
        noise_std, quality = batch.noise_std, batch.jpeg_quality
        kernels = batch.kernels
        wrong = self._rand(b) >= self.true_share
        if self.estimator is not None:
            seen = found or self.estimator(batch.lr, batch.scale, batch.depth)
            noise, jpeg = whole_damage(seen)
            if self.damage_estimator is not None:
                whole = self.damage_estimator(batch.lr).whole()
                noise, jpeg = whole.noise_std, whole.jpeg_quality
            kernels = torch.where(wrong.view(-1, 1, 1, 1), seen.kernels.float(), kernels)
            noise_std = torch.where(wrong, noise, noise_std)
            quality = torch.where(wrong, jpeg, quality)
        else:
            other, _ = sample_kernels(b, 1, 1, batch.scale, self.generator)
            other = normalise_kernels(other.clamp_min(0))
            flat = kernels.mean((2, 3), keepdim=True)
            share = self._rand(b, 2).view(b, 2, 1, 1, 1) * wrong.view(b, 1, 1, 1, 1) * 0.5
            kernels = kernels + share[:, 0] * (other - kernels) + share[:, 1] * (flat - kernels)
            kernels = normalise_kernels(kernels)
        made = prepare_conditions(
            batch.lr, batch.scale, kernels, noise_std, quality, self.basis, self.codes, batch.depth
        )
        if self.kernel_dropout:
            keep = (self._rand(b, 1, 1, 1) >= self.kernel_dropout).to(made.codes)
            made.codes = made.codes * keep
            made.back_projected = torch.lerp(made.base, made.back_projected, keep)
        return made


def fit_basis(rank: int = 40, seed: int = 7) -> KernelBasis:
    """PCA of the synthesis family: half of the kernels at scale 4, the rest at 1, 2, 3 and 8."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for scale, count in ((4, 128), (2, 48), (3, 32), (8, 48), (1, 16)):
        kernels, _ = sample_kernels(count, 8, 8, scale, generator)
        kernels = normalise_kernels(kernels.clamp_min(0))
        parts.append(kernels.permute(0, 2, 3, 1).reshape(-1, kernels.shape[1]))
    return KernelBasis.fit(torch.cat(parts), rank)
