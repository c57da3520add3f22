"""Few-step sampling of a mean-anchored rectified flow. Sees tensors, never networks.

`z_t = (1 - t) x0 + t (mean + sigma_s eps)` (PMRF, arXiv 2410.00418). The denoiser gives an
estimate `d` of x0, so the velocity is `(z - d) / t` and an Euler step from t to t' is `z' = d +
(t'/t)(z - d)`: what diffusers' FlowMatchEulerDiscreteScheduler computes, in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import InputError


def flow_times(steps: int, shift: float = 1.0, last: float = 0.1) -> list[float]:
    """Flow times from 1 to 0: `steps + 1` numbers, evenly spaced, then shifted.

    Args:
        steps: at least 1.
        shift: `s t / (1 + (s - 1) t)` as in FlowMatchEulerDiscreteScheduler; 1 leaves them.
        last: the denoiser was trained for t from here to 1, so many steps end here, not at 1/steps.
    """
    end = max(last, 1 / steps)
    spaced = [1 - (1 - end) * i / max(1, steps - 1) for i in range(steps)]
    return [shift * t / (1 + (shift - 1) * t) for t in spaced] + [0.0]


def seeded_noise(shape: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """Unit Gaussian noise on the CPU, one seed per picture of the batch.

    The map covers the whole canvas, so neither the device nor the tiling changes the picture.

    Args:
        shape: `(B,3,H,W)`.
        seeds: B whole numbers.

    Raises:
        InputError: not as many seeds as pictures.
    """
    if len(seeds) != shape[0]:
        raise InputError(f"{shape[0]} pictures need as many seeds, but {len(seeds)} were given.")
    out = torch.empty(tuple(shape))
    for item, seed in zip(out, seeds, strict=True):
        item.normal_(generator=torch.Generator().manual_seed(int(seed) % 2**64))
    return out


class RectifiedFlow:
    """The state of one sampling run: `z` and where it stands between t = 1 and 0.

    Use: for every step, estimate x0 from `flow.z` at `flow.times[step]`, then
    `flow.advance(step, estimate)`. The last estimate is the result.
    """

    def __init__(self, mean: Tensor, noise: Tensor, sigma_s: float, times: Sequence[float]) -> None:
        """Start at t = 1, at `mean + sigma_s * noise`.

        Args:
            mean: `(B,3,H,W)` anchor.
            noise: unit Gaussian of the same shape; overwritten (it becomes z).
            sigma_s: noise level at t = 1.
            times: falling, first 1, last 0: `steps + 1` numbers.

        Raises:
            InputError: times that do not fall from 1 to 0.
        """
        if len(times) < 2 or abs(times[0] - 1) > 1e-6 or times[-1] != 0:
            raise InputError(f"times must fall from 1 to 0, but are {list(times)}.")
        if any(b >= a for a, b in pairwise(times)):
            raise InputError(f"times must fall strictly, but are {list(times)}.")
        self.times = tuple(times)
        self.z = noise.mul_(sigma_s).add_(mean)

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.times) - 1

    def advance(self, step: int, estimate: Tensor) -> None:
        """The Euler step from `times[step]` to `times[step + 1]`, given the estimate of x0."""
        t, after = self.times[step], self.times[step + 1]
        if after > 0:
            self.z.sub_(estimate).mul_(after / t).add_(estimate)
