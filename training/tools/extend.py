"""Give trained networks more parts without changing what they do with the old ones."""

from __future__ import annotations

import torch

from mmsr_core.errors import InputError
from mmsr_core.models import Denoiser, KernelEstimator
from mmsr_core.types import MODALITIES

STATISTICS = (3, 7, 15)
"""Window sides of DKENet's statistics, in cells of 4 LR px."""


def extend_denoiser(old: Denoiser, modalities: tuple[str, ...] = MODALITIES) -> Denoiser:
    """`old` with more modalities; new experts start without effect.

    Where only old modalities are given, the picture stays exactly the same.
    """
    if set(old.modalities) - set(modalities):
        raise InputError(f"{modalities} lacks some of {old.modalities}, which the denoiser has.")
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


def extend_estimator(
    old: KernelEstimator, windows: tuple[int, ...] = STATISTICS
) -> KernelEstimator:
    """`old` with a branch for the picture's statistics, which starts without effect."""
    if old.config.statistics_windows:
        return old
    new = KernelEstimator(**{**old.config, "statistics_windows": tuple(windows)})
    state = new.state_dict()
    state.update(old.state_dict())
    new.load_state_dict(state)
    return new


def extend_with_cells(old: KernelEstimator, width: int | None = None) -> KernelEstimator:
    """`old` with `CellKernels`, whose reader of statistics is a copy of the U-Net's.

    Args:
        old: it has statistics.
        width: channels of the new part; by default those that the copy fits.
    """
    if old.cells is not None:
        return old
    if old.statistics is None:
        raise InputError("CellKernels reads statistics, and this kernel estimator has none.")
    own = old.config.widths[2]
    new = KernelEstimator(**{**old.config, "cell_width": width or own})
    state = new.state_dict()
    state.update(old.state_dict())
    if width in (None, own):
        reader = old.statistics.state_dict()
        state.update({f"cells.statistics.{name}": value for name, value in reader.items()})
    new.load_state_dict(state)
    return new
