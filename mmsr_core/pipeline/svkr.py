"""SVKR: depth, kernel and picture refined in turn (SSR, arXiv 2403.05808, Algorithm 1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import KernelField
from ..depth import estimate_depth_builtin
from .networks import Networks
from .outputs import DegradationEstimate
from .run import Run
from .scene import make_scene
from .stages import KernelStage, estimate_kernels, restore_mean


def svkr_passes(iterations: int, has_depth: bool, has_initial: bool, fixed_depth: bool) -> int:
    """Canvas passes of SVKR: depth, kernels, and the mean between two iterations."""
    if fixed_depth:
        return iterations if has_initial else 1
    return 3 * iterations - 1 - int(has_depth)


def refine(
    nets: Networks,
    lr: Tensor,
    scale: int,
    depth: Tensor | None,
    initial: KernelField | None,
    iterations: int,
    gamma: float,
    fixed_depth: bool,
    run: Run,
) -> DegradationEstimate:
    """`iterations` rounds of SVKR on checked inputs; see `MMSREngine.refine_kernel`.

    Without `initial` the first kernels are taken as they are. The first picture is `lr` itself,
    and a given first depth is not estimated again.
    """
    field, stage = initial, None
    for index in range(iterations):
        if not fixed_depth and (index > 0 or depth is None):
            picture = lr
            if stage is not None and field is not None:
                picture = _restored(nets, lr, scale, field, depth, stage, run)
            with run.stage("depth"):
                depth = _to_size(estimate_depth_builtin(nets.depth_estimator, picture), lr)
            del picture
        with run.stage("kernel"):
            stage = estimate_kernels(nets, lr, scale, depth, run)
        fresh = stage.field
        field = fresh if field is None else _blend(fresh, field, gamma)
        if fixed_depth and initial is None:
            break  # DKENet would be asked the same question again
    if stage is None or field is None:
        raise RuntimeError("SVKR ran no iteration.")
    return DegradationEstimate(
        kernel_field=field.to("cpu"),  # a cached estimate must not hold a GPU's memory
        inverse_depth=depth.cpu() if depth is not None else None,
        noise_std=stage.noise_std.cpu(),
        jpeg_quality=stage.jpeg_quality.cpu(),
        notes=tuple(run.runner.notes),
        stage_seconds=dict(run.seconds),
    )


def _restored(
    nets: Networks,
    lr: Tensor,
    scale: int,
    field: KernelField,
    depth: Tensor | None,
    stage: KernelStage,
    run: Run,
) -> Tensor:
    scene = make_scene(nets.basis, lr, scale, field, depth, stage, {}, {})
    with run.stage("mean"):
        return scene.picture(restore_mean(nets.mean_net, scene, run)).clamp_(0, 1)


def _to_size(depth: Tensor, like: Tensor) -> Tensor:
    size = (int(like.shape[-2]), int(like.shape[-1]))
    if tuple(depth.shape[-2:]) == size:
        return depth
    small = F.interpolate(depth, size=size, mode="bilinear", align_corners=False, antialias=True)
    return small.clamp(0, 1)


def _blend(fresh: KernelField, old: KernelField, gamma: float) -> KernelField:
    """`gamma * fresh + (1 - gamma) * old`, in codes."""
    if fresh.basis is None:
        raise RuntimeError("DKENet's kernels come as codes.")
    data = old.codes(fresh.basis)
    given = old.block if old.basis is fresh.basis else 1  # foreign kernels come for every site
    if fresh.block > given:  # an edited field has codes for every site, too
        data = F.avg_pool2d(data, fresh.block // given, ceil_mode=True)
    return fresh.stored_as(torch.lerp(data.expand_as(fresh.data), fresh.data, gamma), fresh.basis)
