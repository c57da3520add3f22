"""The second sensor by itself: restore each source, then fuse or guide, without the flow.

What `mmsr bench fusion` and the figure script measure: the fusion net on the mean estimates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import WeightsError
from ..models.fusion_net import FusionNet, GuideMode, luminance
from .engine import MMSREngine
from .guide import fuse_canvas
from .loading import load_pipeline
from .run import Run
from .second_sensor import restore_source


@dataclass(frozen=True)
class Source:
    """One restored source."""

    picture: Tensor
    """`(B,3,H,W)`, 0..1."""
    clarity: Tensor | None
    """`(B,1,h,w)` at the LR sites; None: given at full resolution."""

    def rolled(self, shift_px: tuple[int, int]) -> Source:
        """The picture displaced by rows and columns, as a badly registered guide is."""
        return replace(self, picture=self.picture.roll(shift_px, (2, 3)))

    def maximum(self, other: Source) -> Tensor:
        """The larger luminance of two sources at every pixel: `(B,1,H,W)`, on the CPU."""
        pair = luminance(self.picture), luminance(other.picture)
        return torch.maximum(*pair).float().cpu()

    def blackened(self) -> Source:
        """Black everywhere, with the clarity it had."""
        return replace(self, picture=torch.zeros_like(self.picture))


class SecondSensor:
    """An engine's networks and a fusion net."""

    def __init__(self, engine: MMSREngine, net: FusionNet) -> None:
        """Args: the engine and the net, on one device."""
        self.engine = engine
        self.net = net
        self.device = net.device

    def _run(self) -> Run:
        return Run(self.device, self.engine.compute_dtype, None, None, 1)

    @torch.no_grad()
    def restore(self, lr: Tensor, scale: int) -> Source:
        """`restore_source` for `(B,3,h,w)` in 0..1."""
        made = restore_source(self.engine.networks, lr.to(self.device), scale, self._run())
        height, width = (side * scale for side in lr.shape[-2:])
        return Source(made.canvas[..., :height, :width].clamp(0, 1), made.clarity)

    def as_given(self, picture: Tensor) -> Source:
        """A guide `(B,1 or 3,H,W)` at full resolution, taken as it is."""
        return Source(picture.to(self.device).expand(-1, 3, -1, -1), None)

    def guided(self, visible: Source, guide: Source, scale: int) -> Tensor:
        """The visible picture restored with the guide: `(B,3,H,W)` in 0..1, on the CPU."""
        return self._apply(visible, guide, scale, "guide")

    def fused(self, visible: Source, guide: Source, scale: int) -> Tensor:
        """One picture `(B,3,H,W)` in 0..1 of two restored sources, on the CPU."""
        return self._apply(visible, guide, scale, "fuse")

    def _apply(self, visible: Source, guide: Source, scale: int, mode: GuideMode) -> Tensor:
        if visible.clarity is None:
            raise RuntimeError("The visible source must be a restored one.")
        clarity = (visible.clarity, guide.clarity)
        height, width = visible.picture.shape[-2:]
        pad = (0, -width % 4, 0, -height % 4)
        pictures = [
            torch.nn.functional.pad(s.picture, pad, mode="replicate") for s in (visible, guide)
        ]
        made = fuse_canvas(
            self.net, pictures[0], pictures[1], clarity, scale, None, mode, self._run()
        )
        return made[..., :height, :width].clamp(0, 1).float().cpu()


def load_second_sensor(
    model: str | Path = "small",
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
) -> SecondSensor:
    """Load the engine and the `fusion_net` of the same weights folder.

    Raises:
        WeightsError: missing, incomplete or altered weights.
        InputError: unknown device or dtype.
    """
    engine = load_pipeline(model, device, dtype)
    if engine.fusion_net is None:
        raise WeightsError(f"The weights {str(model)!r} have no fusion_net.")
    return SecondSensor(engine, engine.fusion_net)
