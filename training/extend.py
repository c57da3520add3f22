"""Give trained networks more parts without changing what they do with the old ones."""

from __future__ import annotations

import torch

from mmsr_core.models import MODALITIES, Denoiser, KernelEstimator

CONTEXT = (5, 9, 17)
"""Window sides of DKENet's pooling."""


def extend_denoiser(old: Denoiser, modalities: tuple[str, ...] = MODALITIES) -> Denoiser:
    """`old` with more modalities; new experts start without effect.

    Where only old modalities are given, the picture stays exactly the same.
    """
    if set(old.modalities) - set(modalities):
        raise ValueError(f"{modalities} lacks some of {old.modalities}, which the denoiser has.")
    new = Denoiser(**{**old.config, "modalities": tuple(modalities)})
    state = new.state_dict()
    rows = [modalities.index(name) for name in old.modalities]
    with torch.no_grad():
        for name, value in old.state_dict().items():
            if ".gate." in name:  # one output for each modality
                state[name].zero_()
                state[name][rows] = value
            else:
                state[name].copy_(value)
    new.load_state_dict(state)
    return new


def extend_estimator(old: KernelEstimator, context: tuple[int, ...] = CONTEXT) -> KernelEstimator:
    """`old` with pooling of the evidence, which starts without effect."""
    if old.config.context:
        return old
    new = KernelEstimator(**{**old.config, "context": tuple(context)})
    state = new.state_dict()
    state.update(old.state_dict())
    new.load_state_dict(state)
    return new
