"""Float32 inside autocast, float64 on every device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Autocast is off inside. Nothing happens on a device that has no autocast."""
    available = getattr(torch.amp, "is_autocast_available", None)  # from torch 2.4
    if available is not None and not available(device.type):
        return nullcontext()
    try:
        return torch.autocast(device.type, enabled=False)
    except RuntimeError:  # torch 2.3 has no autocast for this device
        return nullcontext()


def as_float64(values: Tensor) -> Tensor:
    """Detached, in float64; on the CPU where the device has none (MPS)."""
    plain = values.detach()
    return (plain.cpu() if plain.device.type == "mps" else plain).double()
