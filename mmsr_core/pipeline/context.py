"""One run: where it computes, its stages, its tiles and its progress.

A run is a list of `Stage`s, which `RunContext.execute` counts and times. They work on a `Scene`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ..memory import return_free_memory
from ..tiling import TileRunner
from ..types import Progress, ProgressCallback

if TYPE_CHECKING:
    from ..degradation import KernelBasis
    from ..models import (
        DamageEstimator,
        Denoiser,
        DepthNet,
        FusionNet,
        KernelEstimator,
        MeanNet,
        SharpeningEstimator,
    )

LOW_SCALES = 2
"""Up to this scale `mean_net_low` restores, where the weights have it."""
UNITS = 100
"""Progress units of one stage."""
CPU_CORE = 208
"""Cells a side of the mean net's tiles: their features just fit a CPU's cache."""
_GPU_BYTES_PER_CELL = 8192
"""Of the hungriest network, its own tile's greater size included."""
_GPU_CORES = (64, 768)


def automatic_core(device: torch.device) -> int:
    """Side of a tile, in cells: half of a GPU's free memory; on other devices one size."""
    if device.type != "cuda":
        return CPU_CORE
    free, _ = torch.cuda.mem_get_info(device)
    low, high = _GPU_CORES
    side = math.isqrt(free // 2 // _GPU_BYTES_PER_CELL) // 16 * 16
    return min(high, max(low, side))


@dataclass(frozen=True)
class Networks:
    """One network of each kind, on one device, and the basis that kernel codes refer to."""

    depth_estimator: DepthNet
    kernel_estimator: KernelEstimator
    mean_net: MeanNet
    denoiser: Denoiser
    basis: KernelBasis
    fusion_net: FusionNet | None = None
    damage_estimator: DamageEstimator | None = None
    mean_net_low: MeanNet | None = None
    sharpening_estimator: SharpeningEstimator | None = None

    def mean_net_of(self, scale: int) -> MeanNet:
        """The mean net for an SR factor: that of low scales where there is one."""
        own = self.mean_net_low if scale <= LOW_SCALES else None
        return self.mean_net if own is None else own


@dataclass(frozen=True)
class Stage:
    """A part of a run: one pass over the canvas."""

    name: str
    """One of those that `types.Progress` lists."""
    work: Callable[[], None]


class RunContext:
    """Where a run computes, in which tiles, and who is told about it."""

    def __init__(
        self,
        networks: Networks,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        tile: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Args: the networks, their device and dtype, tile core in grid cells, callback."""
        self.networks = networks
        self.device = device
        self.dtype = dtype
        self.tiles = TileRunner(tile or automatic_core(device))
        self.seconds: dict[str, float] = {}
        self._remarks: list[str] = []
        self.preview: Callable[[], Tensor] | None = None
        self._progress = progress
        self._stage = ""
        self._total = UNITS
        self._finished = 0
        self._within = 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the report."""
        return (*self._remarks, *self.tiles.notes)

    def note(self, remark: str) -> None:
        """Add a remark for the report."""
        self._remarks.append(remark)

    def autocast(self) -> AbstractContextManager[object]:
        """Autocast to the run's dtype; nothing at all in float32."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def execute(self, stages: Sequence[Stage]) -> None:
        """Run all stages in order. Their number is the length of the progress bar."""
        self._total = max(1, len(stages)) * UNITS
        for index, stage in enumerate(stages):
            self._stage, self._finished, self._within = stage.name, index * UNITS, 0.0
            self.check()
            start = time.perf_counter()
            stage.work()
            return_free_memory()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            spent = time.perf_counter() - start
            self.seconds[stage.name] = self.seconds.get(stage.name, 0.0) + spent
            self._within = 1.0
            self.check()

    def advance(self, share: float) -> None:
        """`share` of the present stage is done."""
        self._within += share
        self.check()

    def check(self) -> None:
        """Call the progress callback, which may raise to end the run."""
        if self._progress is not None:
            done = min(self._total, self._finished + int(min(1.0, self._within) * UNITS))
            self._progress(Progress(self._stage, done, self._total, self.preview))

    def show(self, canvas: Tensor) -> None:
        """Make a canvas the preview that the progress callback may ask for."""
        self.preview = lambda: small_preview(canvas)


def halves(progress: ProgressCallback | None) -> tuple[ProgressCallback | None, ...]:
    """Callbacks for two runs, one after the other, that count as one."""
    if progress is None:
        return None, None

    def first(event: Progress) -> None:
        progress(replace(event, total=2 * event.total))

    def second(event: Progress) -> None:
        progress(replace(event, done=event.total + event.done, total=2 * event.total))

    return first, second


def small_preview(canvas: Tensor, side: int = 512) -> Tensor:
    """The first picture of a canvas, at most `side` px, `(3,h,w)` in 0..1 on the CPU."""
    step = -(-max(canvas.shape[-2:]) // side)
    part = canvas[:1]
    small = F.avg_pool2d(part, step, ceil_mode=True) if step > 1 else part
    return small[0].clamp(0, 1).float().cpu()
