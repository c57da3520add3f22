"""A second sensor's picture on the HR canvas: measured and restored like the first one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from .guide import clarity_map, fuse_canvas, prepare_guide
from .networks import Networks
from .run import Run
from .scene import Scene, make_scene
from .stages import estimate_kernels, restore_mean


@dataclass(frozen=True)
class Sensed:
    """What is known of the second sensor."""

    canvas: Tensor
    """`(B,3,H',W')`, its picture on the padded HR canvas, not clamped."""
    clarity: Tensor | None
    """`(B,1,h,w)`, see `clarity_map`; None where it came at another size and was only resized."""


def sense_guide(nets: Networks, scene: Scene, run: Run) -> Sensed | None:
    """Bring the guide of a scene to the HR canvas; None without one.

    A guide of the LR picture's size is an LR picture too: its own kernels, noise and JPEG damage
    are estimated (without depth, which belongs to the other picture), and the mean net restores
    it. Any other is resampled to the HR size.
    """
    if scene.guide is None or not scene.has("guide"):
        return None
    height, width = scene.lr.shape[-2:]
    guide = prepare_guide(scene.guide.to(scene.lr), (height, width), scene.scale)
    if guide.at_low_resolution:
        return restore_source(nets, guide.picture, scene.scale, run)
    bottom, right = (c - s for c, s in zip(scene.canvas_size, scene.size, strict=True))
    return Sensed(F.pad(guide.picture, (0, right, 0, bottom), mode="replicate"), None)


def restore_source(nets: Networks, lr: Tensor, scale: int, run: Run) -> Sensed:
    """Estimate a source's own kernels, noise and JPEG damage, and restore it with the mean net.

    Args:
        nets: the networks.
        lr: `(B,3,h,w)` in 0..1 on the run's device; an infrared picture as three equal channels.
        scale: SR factor.
        run: where and in which tiles.
    """
    with run.stage("kernel"):
        stage = estimate_kernels(nets, lr, scale, None, run)
    own = make_scene(nets.basis, lr, scale, stage.field, None, stage, {}, {})
    clarity = clarity_map(own.field, stage.noise_std, stage.jpeg_quality)
    with run.stage("mean"):
        return Sensed(restore_mean(nets.mean_net, own, run), clarity)


def fuse_mean(nets: Networks, scene: Scene, sensed: Sensed, mean: Tensor, run: Run) -> Tensor:
    """The mean of both sensors on the padded HR canvas, by the fusion net."""
    if nets.fusion_net is None:
        raise RuntimeError("A guide needs a fusion net; check_evidence refuses it without.")
    own = clarity_map(scene.field, scene.noise_std, scene.jpeg_quality)
    with run.stage("fusion"):
        return fuse_canvas(
            nets.fusion_net,
            mean,
            sensed.canvas,
            (own, sensed.clarity),
            scene.scale,
            scene.prompt if scene.has("prompt") else None,
            "fuse" if scene.guide_mode == "fuse" else "guide",
            run,
            scene.amounts["guide"],
        )
