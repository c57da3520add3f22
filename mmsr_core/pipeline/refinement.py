"""SVKR: depth, kernels and picture refined in turn (SSR, arXiv 2403.05808, Algorithm 1)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import KernelField
from ..depth import estimate_depth_builtin
from .context import RunContext, Stage
from .results import DegradationEstimate
from .scene import Scene, adopt_basis
from .stages import estimate_kernels, restore_mean


class Refinement:
    """The rounds of SVKR on one scene.

    `D <- DE(I)`, `K' <- DKENet(LR, D)`, `K <- gamma K' + (1 - gamma) K`, `I <- mean_net(LR, K)`.
    The first picture I is the input itself. A depth given for the first round is not estimated
    again there. The last stage measures the scene.
    """

    def __init__(
        self,
        context: RunContext,
        scene: Scene,
        *,
        depth: Tensor | None = None,
        initial: KernelField | None = None,
        known: KernelField | None = None,
        iterations: int = 1,
        gamma: float = 1.0,
        fixed_depth: bool = False,
    ) -> None:
        """All inputs are checked.

        Args:
            context: the run.
            scene: the picture to measure.
            depth: `(B,1,h,w)`, the first depth; estimated when None, unless it is fixed.
            initial: kernels to blend into; the first estimated ones are taken as they are if None.
            known: kernels that take the place of the estimated ones at the end.
            iterations: T, at least 1.
            gamma: weight of the new kernels, 0..1.
            fixed_depth: keep `depth` in every round. Without `initial` one round is enough then,
                since nothing that DKENet sees would change.
        """
        self._context = context
        self._scene = scene
        self._picture = scene.lr
        self._depth = None if depth is None else depth.to(scene.lr)
        self._initial = initial
        self._known = known
        self._rounds = 1 if fixed_depth and initial is None else iterations
        self._gamma = gamma
        self._fixed_depth = fixed_depth
        self._bare: Scene | None = None

    def stages(self) -> list[Stage]:
        """One kernel stage for each round, and what it needs before."""
        plan: list[Stage] = []
        for index in range(self._rounds):
            if not self._fixed_depth and (index > 0 or self._depth is None):
                if index > 0:
                    plan.append(Stage("mean", self._restore))
                plan.append(Stage("depth", self._estimate_depth))
            plan.append(Stage("kernel", self._estimate_kernels))
        return plan

    def estimate(self) -> DegradationEstimate:
        """What was measured, after all stages, with the run's notes and times."""
        context = self._context
        return replace(
            self._scene.estimate, notes=context.notes, stage_seconds=dict(context.seconds)
        )

    def _restore(self) -> None:
        scene = self._bare = self._bare or self._scene.bare()
        scene.measure(self._scene.estimate)
        self._picture = scene.picture(restore_mean(self._context, scene)).clamp_(0, 1)

    def _estimate_depth(self) -> None:
        net, lr = self._context.networks.depth_estimator, self._scene.lr
        depth = estimate_depth_builtin(net, self._picture)
        self._picture = lr  # so that the restored one does not stay in memory
        if depth.shape[-2:] != lr.shape[-2:]:
            size = (int(lr.shape[-2]), int(lr.shape[-1]))
            depth = F.interpolate(
                depth, size=size, mode="bilinear", align_corners=False, antialias=True
            ).clamp(0, 1)
        self._depth = depth

    def _estimate_kernels(self) -> None:
        scene = self._scene
        fresh = estimate_kernels(self._context, scene.lr, scene.scale, self._depth)
        field = fresh.kernel_field
        if self._initial is not None:
            old = adopt_basis(self._initial, scene.basis, scene.lr.device)
            field = _blend(field, old, self._gamma)
        self._initial = field
        scene.measure(replace(fresh, kernel_field=field if self._known is None else self._known))


def _blend(fresh: KernelField, old: KernelField, gamma: float) -> KernelField:
    """`gamma * fresh + (1 - gamma) * old`, in codes."""
    if fresh.basis is None:
        raise RuntimeError("DKENet's kernels come as codes.")
    data = old.codes(fresh.basis)
    given = old.block if old.basis is fresh.basis else 1  # foreign kernels: one for each LR pixel
    if fresh.block > given:  # an edited field, too, may have codes for each LR pixel
        data = F.avg_pool2d(data, fresh.block // given, ceil_mode=True)
    return fresh.stored_as(torch.lerp(data.expand_as(fresh.data), fresh.data, gamma), fresh.basis)
