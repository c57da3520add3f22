"""The sampler: the mean, the flow, the detail dial, agreement with the input."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import back_project, conjugate_gradient, decibels, jpeg_error_std
from ..diffusion import RectifiedFlow, seeded_noise
from ..image import limit_chroma
from .context import RunContext, Stage
from .finishing import finish, finish_fused, grain, noise_to_tell
from .noise_map import LEAST_NOISE, TEXTURE_NOTE, without_repeated
from .results import (
    UNSEEN_CHANGE,
    RestorationOutput,
    RestorationReport,
    blur_range_px,
    expected_errors,
    mean_sharpening,
    mean_sharpening_radius,
    mean_weights,
    peak_memory_mb,
    sharpness_of,
)
from .scene import Scene
from .second_sensor import SecondSensor
from .stages import TiledDenoiser, back_projected, restore_mean

STEP_PROJECTIONS = 1
"""SART iterations after a step that is not the last."""
FINAL_PROJECTIONS, FINAL_LEAST_EIGENVALUE = 2, 0.2
"""SART iterations at the end, with steps of unequal length (`relaxations`). They agree as well as
five of length 1."""
CG_ITERATIONS = 8
VISIBLE_LEVELS = 0.5
"""Smaller changes, in grey levels, are lost in the rounding to 8 bits."""
MAX_DB = 120.0
"""Exact agreement is reported as this."""
StepCallback = Callable[[int, float, Tensor], Tensor | None]
"""`(step, t, images)`: the present estimate `(B,3,H,W)`, not clamped. What it returns, if
anything, takes its place."""


class Sampler:
    """Restores a scene; every method that `stages` names is one stage."""

    def __init__(
        self,
        context: RunContext,
        scene: Scene,
        *,
        times: Sequence[float],
        detail: float,
        seeds: Sequence[int],
        consistency: str,
        on_step: StepCallback | None = None,
        denoise: float = 1.0,
        untouched: bool = True,
        noise: Tensor | None = None,
        told_share: float | None = None,
    ) -> None:
        """All inputs are checked. The scene may be measured later, but before the stages run.

        Args:
            context: the run.
            scene: the picture and the evidence.
            times: flow times from 1 to 0, steps + 1 of them; a single one means no flow.
            detail: 0..2.
            seeds: one for each picture.
            consistency: "ibp", "cg" or "off".
            on_step: called after every step.
            denoise: see `finish`.
            untouched: see `finish`.
            noise: unit Gaussian, a canvas, in place of that of the seeds; it is overwritten.
            told_share: how much of the measured noise the networks are told; None looks whether
                they have to be told more.
        """
        self._context = context
        self._scene = scene
        self._times = times
        self._detail = detail
        self._seeds = seeds
        self._on_step = on_step
        self._denoise_share = denoise
        self._untouched = untouched
        self._sensor: SecondSensor | None = None
        if scene.guide is not None and scene.has("guide"):
            self._sensor = SecondSensor(context, scene)
        # A picture of two sensors agrees with neither input alone.
        self._fused = self._sensor is not None and scene.guide_mode == "fuse"
        self._method = "off" if self._fused else consistency
        self._flow: RectifiedFlow | None = None
        self._denoising: TiledDenoiser | None = None
        self._noise: Future[Tensor] | None = None
        self._given_noise = noise
        self._told_share = told_share
        self._mean = self._result = self._images = scene.lr
        self._grain: Tensor | None = None  # of the first picture, where it is to be put back

    @property
    def _steps(self) -> int:
        return len(self._times) - 1 if self._detail else 0

    def stages(self) -> list[Stage]:
        """The mean, the second sensor, then flow and consistency for each step."""
        plan = [] if self._sensor is None else self._sensor.stages()
        plan.append(Stage("mean", self._restore_mean))
        if self._sensor is not None:
            plan.append(Stage("fusion", self._fuse))
        for step in range(self._steps):
            plan.append(Stage("flow", partial(self._denoise, step)))
            plan.append(Stage("consistency", partial(self._finish_step, step)))
        if not self._steps:
            plan.append(Stage("consistency", partial(self._project, last=True)))
        plan.append(Stage("finish", self._finish))
        return plan

    # -- stages -----------------------------------------------------------------------------------

    def _restore_mean(self) -> None:
        scene, net = self._scene, self._context.networks.mean_net_of(self._scene.scale)
        if self._told_share is not None:
            scene.told_noise_std = scene.estimate.noise_std * self._told_share
        on_gpu = scene.lr.device.type != "cpu"
        if self._steps and on_gpu and self._given_noise is None:  # the CPU is idle now
            shape = (*scene.lr.shape[:2], *scene.canvas_size)
            pool = ThreadPoolExecutor(max_workers=1)
            self._noise = pool.submit(seeded_noise, shape, self._seeds)
            pool.shutdown(wait=False)
        known, scene.first_mean = scene.first_mean, None
        if known is None or self._told_share is not None:
            back = back_projected(self._context, scene)
            mean = restore_mean(self._context, scene, back)
        else:
            back, mean = known
        if self._untouched and self._told_share is None:
            mean = self._with_the_right_noise(mean, back)
        self._keep(mean)
        said = scene.prompt is not None and scene.has("prompt")
        if said and not self._steps and not net.prompt_every and self._sensor is None:
            self._context.note(prompt_note(0.0))

    def _with_the_right_noise(self, mean: Tensor, back: Tensor) -> Tensor:
        """The mean again, where what it leaves of the input shows that the noise was wrong."""
        scene = self._scene
        if not bool((scene.estimate.noise_std > LEAST_NOISE).any()):
            return mean
        residual = scene.left_over(mean)
        other = without_repeated(scene.estimate, residual)
        if other is not None:
            self._context.note(TEXTURE_NOTE)
            scene.measure(other)
            mean = restore_mean(self._context, scene, back)
            residual = scene.left_over(mean)
        more = noise_to_tell(scene, residual)
        if bool((more > scene.told_noise_std).any()):
            scene.told_noise_std = more
            mean = restore_mean(self._context, scene, back)
        return mean

    def _fuse(self) -> None:
        if self._sensor is None:
            return
        if self._fused and self._denoise_share < 1:
            self._grain = grain(self._scene, self._scene.picture(self._mean))
        self._keep(self._sensor.fuse(self._mean))

    def _keep(self, mean: Tensor) -> None:
        self._mean = self._result = mean
        self._show(mean)

    def _denoise(self, step: int) -> None:
        net = self._context.networks.denoiser
        if self._flow is None or self._denoising is None:
            mean, guide = self._mean, None if self._sensor is None else self._sensor.canvas
            if self._given_noise is not None:
                noise, self._given_noise = self._given_noise.to(mean.device), None
            elif self._noise is None:
                noise = seeded_noise(mean.shape, self._seeds)
            else:
                noise, self._noise = self._noise.result().to(mean.device), None
            noise = noise.div_(self._scene.brightness.gain)  # as strong as usual where it is seen
            self._flow = RectifiedFlow(mean, noise, float(net.config["sigma_s"]), self._times)
            self._denoising = TiledDenoiser(self._context, self._scene, mean, guide)
        if step == 0 and self._denoising.prompt_mask is not None:
            effect = self._detail * self._denoising.prompt_effect(self._flow.z, self._times[step])
            self._context.note(prompt_note(effect))
        self._result = self._denoising(self._flow.z, self._times[step])
        self._show(self._result)

    def _finish_step(self, step: int) -> None:
        """The detail dial after the last step; agreement with the input after every step."""
        last = step == self._steps - 1
        if last and self._detail != 1:
            self._result = self._result.sub_(self._mean).mul_(self._detail).add_(self._mean)
        self._project(last)
        if self._on_step is not None:
            picture = self._scene.picture(self._result)
            own = self._scene.put_back(picture)
            changed = self._on_step(step, self._times[step], own)
            if changed is not None:
                picture.copy_(self._scene.filled(changed))
            elif own is not picture:  # it may have been changed in place
                picture.copy_(self._scene.filled(own))
        if last:  # canvases that nothing needs any more
            self._flow, self._mean = None, self._result
            if self._denoising is not None:
                self._denoising.release()
        elif self._flow is not None:
            self._flow.advance(step, self._result)

    def _project(self, last: bool) -> None:
        """Make the picture agree with the input, in place: after a step, or at the end."""
        scene, check = self._scene, self._context.check
        picture, noise = scene.picture(self._result), scene.unexplained_by_place
        if self._method == "ibp":
            back_project(
                picture,
                scene.lr,
                scene.operator,
                FINAL_PROJECTIONS if last else STEP_PROJECTIONS,
                noise,
                callback=check,
                least_eigenvalue=FINAL_LEAST_EIGENVALUE if last else 1,
            )
        elif self._method == "cg":
            conjugate_gradient(
                picture, scene.lr, scene.operator, CG_ITERATIONS, noise, callback=check
            )
        self._show(self._result)

    def _show(self, canvas: Tensor) -> None:
        self._context.show(self._scene.put_back(self._scene.picture(canvas)))

    def _finish(self) -> None:
        scene, picture = self._scene, self._scene.picture(self._result)
        if not self._fused:
            self._images = finish(scene, picture, self._denoise_share, self._untouched)
            return
        # What is flat or undamaged in the first picture need not be so in one picture of both.
        if self._grain is not None:
            picture = picture + (1 - self._denoise_share) * self._grain
        net = self._context.networks.fusion_net
        assert net is not None
        self._images = finish_fused(scene, limit_chroma(picture), net.preference[1])

    # -- results ----------------------------------------------------------------------------------

    def output(self, model: str, started: float, device: torch.device | str) -> RestorationOutput:
        """The restored pictures and the report on them, after all stages.

        Args:
            model: name of the weights, for the report.
            started: `time.perf_counter()` at the start of the run.
            device: where the results are wanted.
        """
        scene, maps = self._scene, self._denoising
        images = self._images
        weights = {} if maps is None else maps.last_weights()
        by_step = () if maps is None else tuple(maps.steps)
        mask = None if maps is None else maps.prompt_mask
        return RestorationOutput(
            images=images.to(device).contiguous(),
            report=self._report(images, weights, by_step, model, started),
            estimate=scene.estimate.to(device),
            weight_maps=_to(weights, device),
            weight_steps=tuple(_to(step, device) for step in by_step),
            prompt_mask=None if mask is None else mask.to(device),
        )

    def _report(
        self,
        images: Tensor,
        weights: dict[str, Tensor],
        by_step: Sequence[dict[str, Tensor]],
        model: str,
        started: float,
    ) -> RestorationReport:
        scene, context = self._scene, self._context
        estimate, (height, width) = scene.estimate, scene.wanted_size
        noise = scene.noise_of_input
        unexplained = torch.hypot(noise, jpeg_error_std(estimate.jpeg_quality))
        bicubic = scene.picture(scene.bicubic).clamp(0, 1)
        agreement = {
            name: agreement_db(scene, picture)
            for name, picture in (("before", bicubic), ("after", images))
        }
        return RestorationReport(
            input_size=(scene.given.shape[-1], scene.given.shape[-2]),
            output_size=(width, height),
            scale=scene.given_scale,
            steps=len(self._times) - 1,
            seed=list(self._seeds),
            detail=self._detail,
            consistency_db=agreement,
            blur_sigma_px=blur_range_px(estimate.kernel_field),
            noise_std=round(float(noise.mean()), 5),
            jpeg_quality=round(float(estimate.jpeg_quality.mean()), 1),
            errors=expected_errors(estimate),
            unexplained_std=round(float(unexplained.mean()), 5),
            modality_weights=mean_weights(weights),
            modality_weights_by_step=[mean_weights(maps) for maps in by_step],
            stage_seconds={name: round(value, 3) for name, value in context.seconds.items()},
            total_seconds=round(time.perf_counter() - started, 3),
            peak_memory_mb=round(peak_memory_mb(context.device), 1),
            device=str(context.device),
            dtype=str(context.dtype).removeprefix("torch."),
            tile=context.tiles.core,
            model=model,
            notes=list(dict.fromkeys((*estimate.notes, *context.notes))),
            sharpness=sharpness_of(estimate, scene.given_scale).to_dict(),
            sharpening=mean_sharpening(estimate),
            sharpening_radius_px=mean_sharpening_radius(estimate),
            fused=self._fused,
            unchanged=self._is_unchanged(images),
        )

    def _is_unchanged(self, images: Tensor) -> bool:
        given = self._scene.given
        if self._scene.given_scale != 1 or self._fused:
            return False
        return float((images - given).abs().max()) < UNSEEN_CHANGE


def unknown_words_note(words: Sequence[str]) -> str:
    """What the report says about words that the prompt encoder has not learned."""
    return f"the prompt encoder guesses these words from their letters: {', '.join(words)}"


def agreement_db(scene: Scene, images: Tensor) -> float:
    """PSNR in dB of a result, degraded as measured, against the input; at most `MAX_DB`.

    Args:
        scene: the measured picture.
        images: `(B,3,H,W)` of its wanted size, or of its own.
    """
    bottom, right = (w - i for w, i in zip(scene.size, images.shape[-2:], strict=True))
    if bottom or right:
        images = F.pad(images, (0, right, 0, bottom), mode="replicate")
    return round(min(float(decibels(scene.disagreement(images)).mean()), MAX_DB), 2)


def prompt_note(effect: float) -> str:
    """What the report says about a prompt that changes the picture by this std, 0..1 units."""
    levels = effect * 255
    if levels < VISIBLE_LEVELS:
        return f"the prompt has no visible effect ({levels:.2f} of 255)"
    return f"the prompt changes the picture by {levels:.1f} of 255"


def _to(maps: dict[str, Tensor], device: torch.device | str) -> dict[str, Tensor]:
    return {name: values.to(device) for name, values in maps.items()}
