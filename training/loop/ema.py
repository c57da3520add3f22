"""Exponential moving average of a model's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class Ema(AveragedModel):
    """torch's own average of a model; `module` is the averaged copy, buffers are the latest ones.

    The decay warms up as (1 + n) / (10 + n) at update n, so that the start of a short run is soon
    forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Args: the model to follow and the final decay, 0..1."""

        @torch.no_grad()
        def average(
            averages: Sequence[Tensor], values: Sequence[Tensor], updates: Tensor | int
        ) -> None:
            n = int(self.n_averaged) + 1
            weight = 1 - min(decay, (1 + n) / (10 + n))
            # All tensors at once; torch has no public name for it.
            torch._foreach_lerp_(list(averages), list(values), weight)  # pyright: ignore[reportPrivateImportUsage]

        super().__init__(model, multi_avg_fn=average)

    def to(self, *args: Any, **options: Any) -> Ema:
        """As any module, but the count stays on the CPU: reading it must not wait for a GPU."""
        moved = super().to(*args, **options)
        moved.n_averaged = moved.n_averaged.cpu()
        return moved
