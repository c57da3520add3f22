"""Double precision, wherever the pictures are."""

from __future__ import annotations

from torch import Tensor


def as_float64(values: Tensor) -> Tensor:
    """Detached, in float64; on the CPU where the device has none (MPS)."""
    plain = values.detach()
    return (plain.cpu() if plain.device.type == "mps" else plain).double()
