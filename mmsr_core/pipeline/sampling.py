"""The sampler: the mean, the flow, the detail dial, agreement with the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from ..diffusion import (
    back_project,
    conjugate_gradient,
    consistency_db,
    sample_flow,
    seeded_noise,
)
from .networks import Networks
from .run import Run, small_preview
from .scene import Scene
from .stages import FlowStage, base_canvas, restore_mean

STEP_PROJECTIONS = 2
"""SART iterations after a step that is not the last."""
FINAL_PROJECTIONS = 5
"""SART iterations at the end."""
CG_ITERATIONS = 8


@dataclass(frozen=True)
class Restored:
    """What the sampler made."""

    images: Tensor
    """`(B,3,H,W)`, 0..1, on the run's device."""
    weight_maps: dict[str, Tensor]
    """Router weights `(B,1,H/4,W/4)` at the last step; empty without a flow."""
    consistency_db: dict[str, float]
    """`before` (bicubic) and `after`."""


def sampling_passes(steps: int, detail: float) -> int:
    """Canvas passes of the sampler: mean, then flow and consistency for each step."""
    return 1 + (2 * steps if steps and detail else 1)


def restore(
    nets: Networks,
    scene: Scene,
    times: Sequence[float],
    detail: float,
    seeds: Sequence[int],
    consistency: str,
    run: Run,
) -> Restored:
    """Restore a scene; see `MMSRPipeline.sample`.

    Args:
        nets: the networks.
        scene: the picture and the evidence.
        times: flow times from 1 to 0, steps + 1 of them; a single one means no flow.
        detail: 0..2.
        seeds: one for each picture.
        consistency: "ibp", "cg" or "off".
        run: the run.
    """
    lr, field, steps = scene.lr, scene.field, len(times) - 1

    # 1. How well the plain enlargement agrees with the input, and the mean: (B,3,H',W').
    plain = base_canvas(lr, scene.scale, scene.size).clamp_(0, 1)
    before = float(consistency_db(plain, lr, field).mean())
    del plain
    with run.stage("mean"):
        mean = restore_mean(nets.mean_net, scene, run)
    run.preview = partial(small_preview, scene.picture(mean))

    def project(canvas: Tensor, iterations: int) -> Tensor:
        with run.stage("consistency"):
            return _project(canvas, scene, consistency, iterations, run.tick)

    # 2. The flow.
    result, maps = mean, {}
    if steps and detail:
        flow = FlowStage(nets.denoiser, scene, mean, run)

        def denoise(z: Tensor, t: float, step: int) -> Tensor:
            with run.stage("flow"):
                clean = flow.denoise(z, t, keep_weights=step == steps - 1)
            run.preview = partial(small_preview, scene.picture(clean))
            return clean

        result = sample_flow(
            denoise,
            lambda x, step: x if step == steps - 1 else project(x, STEP_PROJECTIONS),
            mean,
            seeded_noise(mean.shape, seeds).to(run.device),
            float(nets.denoiser.config["sigma_s"]),
            times,
        )
        maps = flow.weight_maps()
        if detail != 1:  # 3. The fidelity / detail dial.
            result = result.sub_(mean).mul_(detail).add_(mean)
        del flow
    del mean

    # 4. Agreement with the input, at the end of whatever was done.
    result = project(result, FINAL_PROJECTIONS)
    run.preview = partial(small_preview, scene.picture(result))
    images = scene.picture(result).clamp_(0, 1)
    after = float(consistency_db(images, lr, field).mean())
    return Restored(images, maps, {"before": round(before, 2), "after": round(after, 2)})


def _project(
    canvas: Tensor, scene: Scene, method: str, iterations: int, tick: Callable[[], None]
) -> Tensor:
    """Make the picture's part of a canvas agree with the input, in place."""
    picture = scene.picture(canvas)
    lr, field, noise = scene.lr, scene.field, scene.noise_std
    if method == "ibp":
        back_project(picture, lr, field, iterations, noise, sums=scene.sums, tick=tick)
    elif method == "cg":
        conjugate_gradient(picture, lr, field, CG_ITERATIONS, noise, tick=tick)
    return canvas
