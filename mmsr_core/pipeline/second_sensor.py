"""A second sensor's picture on the HR canvas: measured and restored like the first one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from .networks import Networks
from .run import Run
from .scene import Scene, make_scene
from .stages import estimate_kernels, restore_mean


@dataclass(frozen=True)
class Sensed:
    """What is known of the second sensor."""

    canvas: Tensor
    """`(B,3,H',W')`, its picture on the padded HR canvas, not clamped."""
    scene: Scene | None
    """How it was degraded; None where it came larger than the picture and was only resized."""


def sense_guide(nets: Networks, scene: Scene, run: Run) -> Sensed | None:
    """Bring the guide of a scene to the HR canvas; None without one.

    A guide no larger than the LR picture is brought to its size, its own kernels, noise and JPEG
    damage are estimated (without depth: that belongs to the other picture), and the mean net
    restores it. A larger one is resized to the HR size with antialiasing.
    """
    if scene.guide is None or not scene.has("guide"):
        return None
    guide = scene.guide.to(scene.lr)
    height, width = scene.lr.shape[-2:]
    if guide.shape[-2] <= height and guide.shape[-1] <= width:
        own = _resized(guide, (height, width))
        with run.stage("kernel"):
            stage = estimate_kernels(nets, own, scene.scale, None, run)
        other = make_scene(nets.basis, own, scene.scale, stage.field, None, stage, {}, {})
        with run.stage("mean"):
            return Sensed(restore_mean(nets.mean_net, other, run), other)
    picture = _resized(guide, scene.size)
    bottom, right = (c - s for c, s in zip(scene.canvas_size, scene.size, strict=True))
    return Sensed(F.pad(picture, (0, right, 0, bottom), mode="replicate"), None)


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(picture.shape[-2:]) == size:
        return picture
    made = F.interpolate(picture, size=size, mode="bicubic", align_corners=False, antialias=True)
    return made.clamp(0, 1)


def fuse_mean(nets: Networks, scene: Scene, sensed: Sensed, mean: Tensor, run: Run) -> Tensor:
    """The mean of both sensors on the padded HR canvas, by the fusion network."""
    if nets.fusion_net is None:
        return mean
    raise NotImplementedError
