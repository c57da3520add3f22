"""Exponential moving average of a model's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Average of the parameters, in fp32; buffers are taken as they are.

    The decay warms up as (1 + n) / (10 + n), so a short run is not dominated by its start.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Args: the model to follow and the final decay, 0..1."""
        self.decay = decay
        self.updates = 0
        self.shadow = {k: v.detach().clone().float() for k, v in model.named_parameters()}

    def to(self, device: torch.device) -> None:
        """Move the average to `device`."""
        self.shadow = {k: v.to(device) for k, v in self.shadow.items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take one step towards the model's present parameters."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        names, values = zip(*model.named_parameters(), strict=True)
        averages = [self.shadow[k] for k in names]
        torch._foreach_lerp_(averages, [v.detach().float() for v in values], 1 - decay)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Overwrite the model's parameters with the average."""
        for key, value in model.named_parameters():
            value.copy_(self.shadow[key])

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[nn.Module]:
        """The model with averaged parameters inside the block, its own ones after it."""
        own = {k: v.detach().clone() for k, v in model.named_parameters()}
        self.copy_to(model)
        try:
            yield model
        finally:
            with torch.no_grad():
                for key, value in model.named_parameters():
                    value.copy_(own[key])

    def state_dict(self) -> dict[str, object]:
        """Everything needed to go on."""
        return {"updates": self.updates, "shadow": self.shadow}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Undo `state_dict`."""
        self.updates = int(state["updates"])  # type: ignore[arg-type]
        shadow: dict[str, Tensor] = state["shadow"]  # type: ignore[assignment]
        self.shadow = {k: v.clone() for k, v in shadow.items()}
