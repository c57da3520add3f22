"""The state of one run: where it computes, its tiles, its progress and its clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F

from ..tiling import TileRunner
from ..types import Progress, ProgressCallback

UNITS = 100
"""Progress units of one pass over the canvas."""
_AUTO_CORE = {"cpu": 256, "mps": 256, "cuda": 512}


def auto_core(device: torch.device) -> int:
    """Tile core in grid cells (4 output px) when the caller does not choose."""
    return _AUTO_CORE.get(device.type, 256)


class Run:
    """One run of the pipeline or of one of its stages."""

    def __init__(
        self,
        device: torch.device,
        dtype: torch.dtype,
        tile: int | None,
        progress: ProgressCallback | None,
        passes: int,
    ) -> None:
        """Args: device and dtype of the networks, tile core, callback, canvas passes planned."""
        self.device = device
        self.dtype = dtype
        self.runner = TileRunner(tile or auto_core(device))
        self.seconds: dict[str, float] = {}
        self.preview: Callable[[], Tensor] | None = None
        self._callback = progress
        self._total = max(1, passes) * UNITS
        self._base = 0
        self._within = 0.0
        self._stage = ""

    def autocast(self) -> AbstractContextManager[object]:
        """Autocast to the run's dtype; nothing at all in float32."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage and count it as one pass of the canvas."""
        self._stage, self._within = name, 0.0
        self._report()
        start = time.perf_counter()
        try:
            yield
        finally:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self._base += UNITS
        self._within = 0.0
        self._report()

    def advance(self, share: float) -> None:
        """`share` of the present pass is done."""
        self._within += share
        self._report()

    def tick(self) -> None:
        """Nothing new, but the callback may want to end the run."""
        self._report()

    def _report(self) -> None:
        if self._callback is not None:
            done = min(self._total, self._base + int(min(1.0, self._within) * UNITS))
            self._callback(Progress(self._stage, done, self._total, self.preview))


def small_preview(canvas: Tensor, side: int = 512) -> Tensor:
    """The first picture of a canvas, at most `side` px, `(3,h,w)` in 0..1 on the CPU."""
    step = -(-max(canvas.shape[-2:]) // side)
    part = canvas[:1]
    small = F.avg_pool2d(part, step, ceil_mode=True) if step > 1 else part
    return small[0].clamp(0, 1).float().cpu()
