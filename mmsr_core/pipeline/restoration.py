"""What a restoration was asked to do, checked: the same for one picture and for a clip's frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..degradation import KernelField, Sharpening
from .context import RunContext
from .refinement import Refinement
from .results import Overrides
from .sampling import Sampler, StepCallback
from .scene import Scene


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """The settings of a run, and the stages that they make. All of them are checked before."""

    scale: int
    times: Sequence[float]
    """Flow times from 1 to 0, steps + 1 of them; a single one means no flow."""
    detail: float
    consistency: str
    denoise: float
    iterations: int
    gamma: float
    overrides: Overrides | None
    kernel: KernelField | None
    """Known kernels."""
    evidence: Mapping[str, Any]
    """Strengths, masks, prompt and guide, by the names that `Scene` has for them."""

    @property
    def untouched(self) -> bool:
        """Whether undamaged places stay as they are: not where the caller states the damage."""
        stated = self.overrides is not None and self.overrides.any_damage
        return not stated and self.kernel is None

    def scene(self, context: RunContext, picture: Tensor) -> Scene:
        """A picture `(B,3,h,w)` with the evidence, on the run's device."""
        own = picture.to(context.device)
        return Scene(own, self.scale, context.networks.basis, **self.evidence)

    def refinement(
        self,
        context: RunContext,
        scene: Scene,
        depth: Tensor | None,
        *,
        may_reduce: bool = False,
        reduce_by: int = 1,
        sharpening: Sharpening | None = None,
    ) -> Refinement:
        """What measures the scene; the named arguments are as of `Refinement`.

        A picture with known kernels, or with a second sensor's picture, is never reduced. Of one
        with known kernels, or of two that become one, sharpening stays, unless it is stated.
        """
        known = self.kernel is not None
        return Refinement(
            context,
            scene,
            depth=depth,
            known=self.kernel,
            iterations=1 if known else self.iterations,
            gamma=self.gamma,
            fixed_depth=depth is not None,
            overrides=self.overrides,
            may_reduce=may_reduce and not known and scene.guide is None,
            reduce_by=1 if known else reduce_by,
            find_sharpening=not (scene.guide_mode == "fuse" and scene.has("guide")),
            sharpening=sharpening,
        )

    def sampler(
        self,
        context: RunContext,
        scene: Scene,
        seeds: Sequence[int],
        *,
        on_step: StepCallback | None = None,
        noise: Tensor | None = None,
        told_share: float | None = None,
    ) -> Sampler:
        """What restores the scene; arguments as of `Sampler`."""
        return Sampler(
            context,
            scene,
            times=self.times,
            detail=self.detail,
            seeds=seeds,
            consistency=self.consistency,
            on_step=on_step,
            denoise=self.denoise,
            untouched=self.untouched,
            noise=noise,
            told_share=told_share,
        )
