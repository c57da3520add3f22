"""Shrink an estimated kernel field towards its mean, and less where depth explains it.

An estimator that works locally makes a constant blur vary, because flat places hold little
evidence and soft objects look blurred. Part of the variance over a picture is thus error. As in
Stein's shrinkage (Efron & Morris 1973, JASA 68, 117-130) every kernel is pulled towards the mean,
and the more so the less the field varies. The factor is `v / (v + c)`; its constant is fitted
(`training/tools/fit_shrinkage.py`). Defocus is a function of depth, so what a regression on depth
explains is shrunk apart, and less: error that follows depth is smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .basis import KernelBasis

DEPTH_KNOTS = 6
"""Knots of the piecewise linear function of depth that the codes are fitted to."""
_RIDGE = 1e-3
"""Added to the mean squares of the features: steadies a depth that has few values."""
_GROUP_VALUES = 1 << 21
EXPLAINED_SHARE = 0.2
"""For what depth explains the constant is smaller by this factor (chosen by hand among 0 to 1)."""


@dataclass(frozen=True)
class _Regression:
    """Codes `(B,R,n)` by depth: made for a few codes at a time, since a field may be large."""

    mean: Tensor
    """`(B,R)`."""
    features: Tensor
    """`(B,K,n)`, zero mean over the n places; K = 0 without depth."""
    weights: Tensor
    """`(B,K,R)`."""

    def parts(self, flat: Tensor, some: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Some of the codes `(B,R,n)` as a sum: mean `(B,r,1)`, explained and rest `(B,r,n)`."""
        mean = self.mean[:, some, None]
        explained = torch.einsum("bkn,bkr->brn", self.features, self.weights[..., some])
        return mean, explained, flat[:, some] - mean - explained


def _groups(flat: Tensor) -> list[slice]:
    """The codes in groups: few of a large field at a time, for memory."""
    count = max(1, _GROUP_VALUES // flat.shape[-1])
    return [slice(at, at + count) for at in range(0, flat.shape[1], count)]


def _regress(flat: Tensor, depth: Tensor | None) -> _Regression:
    """Least squares of codes `(B,R,n)` on depth `(B,1,h,w)`, with a slight ridge."""
    b, r, n = flat.shape
    mean = flat.mean(2)
    if depth is None:
        return _Regression(mean, flat.new_zeros((b, 0, n)), flat.new_zeros((b, 0, r)))
    depth = depth.to(flat).flatten(1)
    low, high = depth.amin(1, keepdim=True), depth.amax(1, keepdim=True)
    at = (depth - low) / (high - low).clamp_min(1e-6) * (DEPTH_KNOTS - 1)
    knots = torch.arange(DEPTH_KNOTS, device=flat.device, dtype=flat.dtype).view(1, -1, 1)
    features = (1 - (at[:, None] - knots).abs()).clamp_min(0)
    features = features - features.mean(2, keepdim=True)
    cross = features @ flat.mT / n - features.mean(2, keepdim=True) * mean[:, None]
    # On the CPU: MPS has no float64, nor a solver in older versions of torch.
    gram = (features @ features.mT / n).cpu().double()
    gram += _RIDGE * torch.eye(DEPTH_KNOTS, dtype=gram.dtype)
    weights = torch.linalg.solve(gram, cross.cpu().double())
    return _Regression(mean, features, weights.to(flat))


def _variances(flat: Tensor, basis: KernelBasis, fit: _Regression) -> tuple[Tensor, Tensor]:
    explained, rest = flat.new_zeros(flat.shape[0]), flat.new_zeros(flat.shape[0])
    for some in _groups(flat):
        _, by_depth, left = fit.parts(flat, some)
        energy = basis.spread[some].square()
        explained += by_depth.square().mean(2) @ energy
        rest += left.square().mean(2) @ energy
    mean_kernel = basis.mean + (fit.mean * basis.spread) @ basis.components
    energy = mean_kernel.square().sum(1).clamp_min(1e-12)
    return explained / energy, rest / energy


def relative_variances(
    codes: Tensor, basis: KernelBasis, depth: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """How much kernels vary over a picture, `(B,)` each: what depth explains, and the rest.

    Both are mean squared distances of kernels, over the square of the mean kernel.

    Args:
        codes: `(B,R,h,w)` of whole pictures.
        basis: what they refer to; orthonormal, so codes times spread have the kernels' distances.
        depth: `(B,1,h,w)` inverse depth; None explains nothing.
    """
    flat = codes.float().flatten(2)
    return _variances(flat, basis, _regress(flat, depth))


def shrink_codes(
    codes: Tensor, basis: KernelBasis, amount: float, depth: Tensor | None = None
) -> Tensor:
    """Pull the codes of each picture towards their mean, what depth explains by less.

    With relative variances `d` and `r` (see `relative_variances`) a code becomes `mean +
    d / (d + amount / 5) * explained + r / (r + amount) * rest`.

    Args:
        codes: `(B,R,h,w)` of whole pictures, float32, contiguous; they are overwritten.
        basis: what they refer to.
        amount: the relative variance of which half is kept; 0 changes nothing.
        depth: `(B,1,h,w)` inverse depth at the same places; None explains nothing.

    Returns:
        `codes`.
    """
    if amount <= 0:
        return codes
    flat = codes.flatten(2)
    fit = _regress(flat, depth)
    by_depth, rest = _variances(flat, basis, fit)
    keep_depth = (by_depth / (by_depth + EXPLAINED_SHARE * amount))[:, None, None]
    keep_rest = (rest / (rest + amount))[:, None, None]
    for some in _groups(flat):
        mean, explained, left = fit.parts(flat, some)
        made = mean + keep_depth * explained + keep_rest * left
        codes[:, some] = made.view_as(codes[:, some])
    return codes
