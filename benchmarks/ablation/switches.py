"""Parts of the method switched off for a measurement, on one engine only, and put back after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mmsr_core.models.router import AdaptiveFusion, Routing

if TYPE_CHECKING:
    from mmsr_core.pipeline import MMSREngine

CONSTANT_TIME = 0.5
"""Flow time whose temperature stands for all others."""


@contextmanager
def uniform_router(engine: MMSREngine) -> Iterator[None]:
    """Every modality that is there weighs the same, as far as its strength and mask say."""

    def change(fusion: AdaptiveFusion) -> Callable[..., Routing]:
        learned = fusion.route

        def route(
            f: Tensor, experts: dict[str, Tensor], amounts: dict[str, Tensor], t: Tensor
        ) -> Routing:
            found = learned(f, experts, amounts, t)
            given = torch.zeros_like(found.weights)
            for i, name in enumerate(fusion.modalities):
                if name in experts:
                    given[:, i : i + 1] = amounts[name].to(given)
            total = given.sum(1, keepdim=True).clamp_min(1e-12)
            return Routing(given / total, found.log_errors)

        return route

    with _replaced(engine, "route", change):
        yield


@contextmanager
def constant_temperature(engine: MMSREngine) -> Iterator[None]:
    """The router's temperature stays what it is at `CONSTANT_TIME`."""

    def change(fusion: AdaptiveFusion) -> Callable[[Tensor], Tensor]:
        learned = fusion.tau
        return lambda t: learned(torch.full_like(t, CONSTANT_TIME))

    with _replaced(engine, "tau", change):
        yield


@contextmanager
def _replaced(
    engine: MMSREngine, method: str, change: Callable[[AdaptiveFusion], Callable[..., object]]
) -> Iterator[None]:
    fusions = [m for m in engine.denoiser.modules() if isinstance(m, AdaptiveFusion)]
    for fusion in fusions:
        fusion.__dict__[method] = change(fusion)
    try:
        yield
    finally:
        for fusion in fusions:
            del fusion.__dict__[method]


@contextmanager
def bicubic_anchor(engine: MMSREngine) -> Iterator[None]:
    """The mean net gives back the bicubic picture, so that the flow starts from there.

    For `sample` alone: SVKR uses the mean net as well. The denoiser is not trained for it.
    """
    net = engine.mean_net

    def forward(base: Tensor, *_: object, **__: object) -> Tensor:
        return base.clone()

    net.__dict__["forward"] = forward
    try:
        yield
    finally:
        del net.__dict__["forward"]
