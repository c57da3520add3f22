"""What is known of a clip from the frames before: its blur, noise and JPEG damage."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..degradation import KernelField

FRAMES = 5
"""The mean of so many frames first; then each new one changes it by one part in so many."""


@dataclass
class FrameMemory:
    """Running means over the frames of one shot.

    A lens and a camera do not change from one frame to the next, but what is measured of them does,
    and so would the pictures.
    """

    factor: int | None = None
    """How much smaller the frames are made before they are restored; the first one decides."""
    _values: dict[str, Tensor] = field(default_factory=dict)
    _field: KernelField | None = None
    _seen: dict[str, int] = field(default_factory=dict)

    def value(self, name: str, fresh: Tensor) -> Tensor:
        """The mean of a number `(B,)` over the frames up to this one."""
        old = self._values.get(name)
        share = self._share(name, old is not None and old.shape == fresh.shape)
        self._values[name] = fresh if old is None or share == 1 else torch.lerp(old, fresh, share)
        return self._values[name]

    def kernels(self, fresh: KernelField) -> KernelField:
        """The mean of the kernels over the frames up to this one."""
        old = self._field
        fits = old is not None and (old.data.shape, old.scale) == (fresh.data.shape, fresh.scale)
        share = self._share("kernels", fits)
        self._field = fresh if old is None or share == 1 else fresh.blend(old, share)
        return self._field

    def _share(self, name: str, fits: bool) -> float:
        """The weight of the new frame; 1 where nothing before it fits."""
        count = self._seen.get(name, 0) + 1 if fits else 1
        self._seen[name] = count
        return 1 / min(count, FRAMES)
