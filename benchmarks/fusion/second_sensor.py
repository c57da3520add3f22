"""A second sensor, as `python -m benchmarks fusion` and the figure measure it: without the flow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.errors import WeightsError
from mmsr_core.image import luminance
from mmsr_core.pipeline import MMSREngine, load_pipeline
from mmsr_core.pipeline.context import RunContext
from mmsr_core.pipeline.refinement import Refinement
from mmsr_core.pipeline.scene import Scene
from mmsr_core.pipeline.second_sensor import clarity_of, fuse_canvas
from mmsr_core.pipeline.stages import restore_mean


@dataclass(frozen=True)
class Source:
    """One restored source."""

    picture: Tensor
    """`(B,3,H,W)`, 0..1."""
    clarity: Tensor | None
    """`(B,1,h,w)` at the LR pixels; None: given at full resolution."""

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
    """An engine's networks, its fusion net among them."""

    def __init__(self, engine: MMSREngine) -> None:
        """Args: an engine with a fusion net."""
        self.engine = engine
        self.device = engine.device

    def _context(self) -> RunContext:
        return RunContext(self.engine.networks, self.device, self.engine.compute_dtype)

    @torch.no_grad()
    def restore(self, lr: Tensor, scale: int) -> Source:
        """Measure `(B,3,h,w)` in 0..1, as the pipeline does, and restore it by the mean net.

        Without depth, which belongs to the visible picture.
        """
        context = self._context()
        scene = Scene(lr.to(self.device), scale, context.networks.basis)
        context.execute(Refinement(context, scene, fixed_depth=True).stages())
        picture = scene.picture(restore_mean(context, scene)).clamp(0, 1)
        return Source(picture, clarity_of(scene))

    def fused(self, visible_lr: Tensor, infrared_lr: Tensor, scale: int) -> Tensor:
        """One picture `(B,3,H,W)` in 0..1 of two sources, by the whole pipeline, on the CPU."""
        made = self.engine(visible_lr, scale=scale, steps=0, guide=infrared_lr, guide_mode="fuse")
        return made.images.float().cpu()

    def as_given(self, picture: Tensor) -> Source:
        """A guide `(B,1 or 3,H,W)` at full resolution, taken as it is."""
        return Source(picture.to(self.device).expand(-1, 3, -1, -1), None)

    def guided(self, visible: Source, guide: Source, scale: int) -> Tensor:
        """The visible picture restored with the guide: `(B,3,H,W)` in 0..1, on the CPU."""
        if visible.clarity is None:
            raise RuntimeError("The visible source must be a restored one.")
        clarity = (visible.clarity, guide.clarity)
        height, width = visible.picture.shape[-2:]
        pad = (0, -width % 4, 0, -height % 4)
        pictures = [F.pad(s.picture, pad, mode="replicate") for s in (visible, guide)]
        made = fuse_canvas(self._context(), pictures[0], pictures[1], clarity, scale, None, "guide")
        return made[..., :height, :width].clamp(0, 1).float().cpu()


def load_second_sensor(
    model: str | Path = "small",
    device: str | torch.device = "auto",
    torch_dtype: str | torch.dtype = "auto",
) -> SecondSensor:
    """Load an engine with a fusion net.

    Raises:
        WeightsError: missing, incomplete or altered weights, or no fusion net in them.
        InputError: unknown device or dtype.
    """
    engine = load_pipeline(model, device, torch_dtype)
    if engine.fusion_net is None:
        raise WeightsError(f"The weights {str(model)!r} have no fusion_net.")
    return SecondSensor(engine)
