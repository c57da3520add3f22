"""Give a trained denoiser more modalities without changing what it does with the old ones."""

from __future__ import annotations

import torch

from mmsr_core.models import MODALITIES, Denoiser


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
