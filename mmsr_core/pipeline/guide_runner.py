"""The second sensor by itself: restore each source, then fuse or guide, without the flow.

What `mmsr bench fusion` and the figure script measure: the fusion net on the mean estimates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..models.fusion_net import FusionNet, GuideMode, luminance
from ..network import load_network
from ..weights import find_weights
from .engine import MMSREngine
from .guide import clarity_map, fuse_canvas
from .loading import load_pipeline
from .networks import Networks
from .run import Run
from .scene import make_scene
from .stages import estimate_kernels, restore_mean


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


@torch.no_grad()
def restore_source(nets: Networks, lr: Tensor, scale: int, run: Run) -> Source:
    """Estimate a source's own kernels, noise and JPEG damage, and restore it with the mean net.

    Args:
        nets: the networks.
        lr: `(B,3,h,w)` in 0..1 on the run's device; an infrared picture as three equal channels.
        scale: SR factor.
        run: where and in which tiles.
    """
    stage = estimate_kernels(nets, lr, scale, None, run)
    scene = make_scene(nets.basis, lr, scale, stage.field, None, stage, {}, {})
    picture = scene.picture(restore_mean(nets.mean_net, scene, run)).clamp(0, 1)
    return Source(picture, clarity_map(scene.field, stage.noise_std, stage.jpeg_quality))


class SecondSensor:
    """An engine's networks and a fusion net."""

    def __init__(self, engine: MMSREngine, net: FusionNet) -> None:
        """Args: the engine and the net, on one device."""
        self.engine = engine
        self.net = net
        self.device = net.device
        self.nets = Networks(
            engine.depth_estimator,
            engine.kernel_estimator,
            engine.mean_net,
            engine.denoiser,
            engine.kernel_estimator.basis,
        )

    def _run(self) -> Run:
        return Run(self.device, self.engine.compute_dtype, None, None, 1)

    def restore(self, lr: Tensor, scale: int) -> Source:
        """`restore_source` for `(B,3,h,w)` in 0..1."""
        return restore_source(self.nets, lr.to(self.device), scale, self._run())

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
    net = load_network(find_weights(model) / "fusion_net", FusionNet)
    return SecondSensor(engine, net.to(engine.device))
