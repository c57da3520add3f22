"""The sampler: the mean, the flow, the detail dial, agreement with the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from ..degradation import back_project, conjugate_gradient, consistency_db
from ..diffusion import sample_flow, seeded_noise
from ..models import Denoiser
from .networks import Networks
from .run import Run, small_preview
from .scene import Scene
from .second_sensor import Sensed, fuse_mean
from .stages import FlowMaps, FlowStage, base_canvas, restore_mean

STEP_PROJECTIONS = 1
"""SART iterations after a step that is not the last. Two changed no figure."""
FINAL_PROJECTIONS = 5
"""SART iterations at the end. Ten gained 1 dB of consistency at 58 dB, and nothing else."""
CG_ITERATIONS = 8


@dataclass(frozen=True)
class Restored:
    """What the sampler made."""

    images: Tensor
    """`(B,3,H,W)`, 0..1, on the run's device."""
    consistency_db: dict[str, float]
    """`before` (bicubic) and `after`."""
    weight_maps: dict[str, Tensor]
    weight_steps: tuple[dict[str, Tensor], ...]
    prompt_mask: Tensor | None
    """See `FlowMaps`."""


def sampling_passes(steps: int, detail: float) -> int:
    """Canvas passes of the sampler: mean, then flow and consistency for each step."""
    return 1 + (2 * steps if steps and detail else 1)


def restore(
    nets: Networks,
    scene: Scene,
    sensed: Sensed | None,
    times: Sequence[float],
    detail: float,
    seeds: Sequence[int],
    consistency: str,
    run: Run,
) -> Restored:
    """Restore a scene; see `MMSREngine.sample`.

    Args:
        nets: the networks.
        scene: the picture and the evidence.
        sensed: the second sensor's picture.
        times: flow times from 1 to 0, steps + 1 of them; a single one means no flow.
        detail: 0..2.
        seeds: one for each picture.
        consistency: "ibp", "cg" or "off".
        run: the run.
    """
    lr, kernels, steps = scene.lr, scene.field, len(times) - 1

    # 1. How well the plain enlargement agrees with the input, and the mean: (B,3,H',W').
    plain = base_canvas(lr, scene.scale, scene.size).clamp_(0, 1)
    before = float(consistency_db(plain, lr, kernels).mean())
    del plain
    with run.stage("mean"):
        mean = restore_mean(nets.mean_net, scene, run)
    if sensed is not None:
        mean = fuse_mean(nets, scene, sensed, mean, run)
    run.preview = partial(small_preview, scene.picture(mean))
    fused = sensed is not None and scene.guide_mode == "fuse"

    def project(canvas: Tensor, iterations: int) -> Tensor:
        with run.stage("consistency"):
            # A picture of two sensors agrees with neither input alone.
            method = "off" if fused else consistency
            return _project(canvas, scene, method, iterations, run.tick)

    # 2. The flow, and the fidelity / detail dial.
    result, maps = mean, FlowMaps()
    if steps and detail:
        guide = None if sensed is None else sensed.canvas
        result, maps = _flow(nets.denoiser, scene, mean, guide, times, seeds, project, run)
        if detail != 1:
            result = result.sub_(mean).mul_(detail).add_(mean)
    del mean

    # 3. Agreement with the input, at the end of whatever was done.
    result = project(result, FINAL_PROJECTIONS)
    run.preview = partial(small_preview, scene.picture(result))
    images = scene.picture(result).clamp_(0, 1)
    after = float(consistency_db(images, lr, kernels).mean())
    agreement = {"before": round(before, 2), "after": round(after, 2)}
    return Restored(images, agreement, maps.last, maps.steps, maps.prompt)


def _flow(
    denoiser: Denoiser,
    scene: Scene,
    mean: Tensor,
    guide: Tensor | None,
    times: Sequence[float],
    seeds: Sequence[int],
    project: Callable[[Tensor, int], Tensor],
    run: Run,
) -> tuple[Tensor, FlowMaps]:
    """The flow's picture on the padded canvas before the last projection, and its maps."""
    flow, last = FlowStage(denoiser, scene, mean, run, guide), len(times) - 2

    def denoise(z: Tensor, t: float, step: int) -> Tensor:
        with run.stage("flow"):
            clean = flow.denoise(z, t)
        run.preview = partial(small_preview, scene.picture(clean))
        return clean

    result = sample_flow(
        denoise,
        lambda x, step: x if step == last else project(x, STEP_PROJECTIONS),
        mean,
        seeded_noise(mean.shape, seeds).to(run.device),
        float(denoiser.config["sigma_s"]),
        times,
    )
    return result, flow.maps()


def _project(
    canvas: Tensor, scene: Scene, method: str, iterations: int, tick: Callable[[], None]
) -> Tensor:
    """Make the picture's part of a canvas agree with the input, in place."""
    picture = scene.picture(canvas)
    lr, kernels, noise = scene.lr, scene.field, scene.unexplained_std
    if method == "ibp":
        back_project(picture, lr, kernels, iterations, noise, sums=scene.sums, tick=tick)
    elif method == "cg":
        conjugate_gradient(picture, lr, kernels, CG_ITERATIONS, noise, tick=tick)
    return canvas
