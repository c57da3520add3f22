"""A PCA basis for kernels: about 30 numbers an LR pixel instead of 441."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ShapeError
from .kernels import KERNEL_TAPS


@dataclass(frozen=True)
class KernelBasis:
    """Mean kernel and orthonormal components; `kernel = mean + codes @ (components * spread)`."""

    mean: Tensor
    """`(441,)`, sums to 1."""
    components: Tensor
    """`(R,441)`, orthonormal rows, in order of falling variance, each summing to about 0."""
    spread: Tensor
    """`(R,)`, standard deviation along each component over the kernels it was fitted to."""

    @property
    def rank(self) -> int:
        """Number of codes a kernel has."""
        return self.components.shape[0]

    @classmethod
    def fit(cls, kernels: Tensor, rank: int = 30) -> KernelBasis:
        """PCA of `kernels (N,441)`. Signs are fixed so that the largest entry is positive."""
        if kernels.ndim != 2 or kernels.shape[1] != KERNEL_TAPS:
            raise ShapeError("kernels", f"(N,{KERNEL_TAPS})", kernels.shape)
        mean = kernels.double().mean(0)
        centred = kernels.double() - mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / max(1, len(kernels) - 1))
        components = vectors.flip(1)[:, :rank].T
        peak = components.gather(1, components.abs().argmax(1, keepdim=True))
        components = components * peak.sign()
        spread = values.flip(0)[:rank].clamp_min(1e-16).sqrt()
        return cls(mean.float(), components.float().contiguous(), spread.float())

    def to(self, device: torch.device | str) -> KernelBasis:
        """The same basis on `device`."""
        return KernelBasis(self.mean.to(device), self.components.to(device), self.spread.to(device))

    def encode(self, kernels: Tensor, rank: int | None = None) -> Tensor:
        """`(B,441,h,w)` to codes `(B,rank,h,w)`, about unit variance on the fitted family."""
        part = self.components[:rank] / self.spread[:rank, None]
        shift = part @ self.mean
        out = torch.einsum("rk,bkhw->brhw", part.to(kernels.dtype), kernels)
        return out - shift.to(kernels.dtype).view(1, -1, 1, 1)

    def holding(self, kernel: Tensor) -> tuple[KernelBasis, Tensor]:
        """A basis with the same codes in which one kernel is exact, and the codes of that kernel.

        A narrow kernel is not among those that so few components can make. What they leave of it is
        added to the mean.

        Args:
            kernel: `(441,)`.

        Returns:
            The basis, and codes `(1,R,1,1)` that stand for `kernel` in it and, as well as can be,
            in this one.
        """
        codes = self.encode(kernel.view(1, -1, 1, 1))
        rest = kernel - self.combine(codes).flatten()
        return KernelBasis(self.mean + rest, self.components, self.spread), codes

    def shares_codes(self, other: KernelBasis | None) -> bool:
        """Whether codes mean about the same in both: they have the same components."""
        return other is not None and self.components is other.components

    def decode(self, codes: Tensor) -> Tensor:
        """Codes `(B,R,h,w)` to kernels `(B,441,h,w)`: negative values cut, sum put back to 1."""
        raw = self.combine(codes).clamp_min_(0)
        return raw.div_(raw.sum(1, keepdim=True).clamp_min_(1e-8))

    def combine(self, codes: Tensor, taps: Tensor | None = None) -> Tensor:
        """Mean plus components, `(B,T,h,w)`: what `decode` cuts and normalises.

        Args:
            codes: `(B,R,h,w)`.
            taps: indices of the T taps that are wanted; all of them by default.
        """
        b, _, h, w = codes.shape
        part, mean = self.components * self.spread[:, None], self.mean
        if taps is not None:
            part, mean = part[:, taps], mean[taps]
        part = part.T.to(codes.dtype).expand(b, -1, -1)
        mean = mean.to(codes.dtype).view(1, -1, 1)
        made = torch.baddbmm(mean, part, codes.flatten(2))
        return made.view(b, -1, h, w)
