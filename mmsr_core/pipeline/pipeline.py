"""The pipeline: estimate, refine, fuse, sample, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from torch import Tensor
from torch.nn import functional as F

from ..degradation import KernelField
from ..depth import DepthNet, estimate_depth_builtin
from ..diffusion import (
    back_project,
    conjugate_gradient,
    consistency_db,
    row_sums,
    sample_flow,
    seeded_noise,
)
from ..errors import InputError
from ..models import MODALITIES, Denoiser, KernelEstimator, MeanNet
from ..types import ProgressCallback
from . import checks
from .outputs import Conditioning, DegradationEstimate, RestorationOutput
from .report import RestorationReport, peak_memory_mb
from .run import Run, small_preview
from .stages import FlowStage, KernelStage, Scene, base_canvas, estimate_kernels, restore_mean

STEP_PROJECTIONS = 2
"""SART iterations after a step that is not the last."""
FINAL_PROJECTIONS = 5
"""SART iterations at the end."""
CG_ITERATIONS = 8
DENSE_SITES = 192 * 192
"""Kernel fields up to this many LR sites (65 MB) are expanded once; larger ones by windows."""


class MMSRPipeline(DiffusionPipeline):
    """Blind restoration and super-resolution with a spatially varying, measured degradation.

    SSR (arXiv 2403.05808) on a mean-anchored rectified flow. Load it with
    `mmsr_core.pipeline.load_pipeline` (verifies the weights) or `from_pretrained`.
    """

    model_cpu_offload_seq = "depth_estimator->kernel_estimator->mean_net->denoiser"

    def __init__(
        self,
        depth_estimator: DepthNet,
        kernel_estimator: KernelEstimator,
        mean_net: MeanNet,
        denoiser: Denoiser,
        scheduler: FlowMatchEulerDiscreteScheduler,
    ) -> None:
        """Args: the networks, and the scheduler that places the sampling times."""
        super().__init__()
        self.register_modules(
            depth_estimator=depth_estimator,
            kernel_estimator=kernel_estimator,
            mean_net=mean_net,
            denoiser=denoiser,
            scheduler=scheduler,
        )
        self.compute_dtype = torch.float32
        self.model_label = "custom"

    # -- stages ---------------------------------------------------------------------------------

    def _run(self, tile: int | None, progress: ProgressCallback | None, passes: int) -> Run:
        for name in ("kernel_estimator", "mean_net", "denoiser"):
            dtype = next(getattr(self, name).parameters()).dtype
            if dtype != torch.float32:
                raise InputError(
                    f"The weights of {name} are {dtype}, but must stay in float32: load with "
                    "load_pipeline(dtype=...), which runs the networks under autocast."
                )
        device = next(self.mean_net.parameters()).device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        return Run(device, self.compute_dtype, tile, progress, passes)

    @torch.no_grad()
    def estimate_depth(self, lr: Tensor) -> Tensor:
        """Inverse depth by the built-in net: `(B,3,h,w)` to `(B,1,h,w)`, 0..1, near = 1."""
        lr = checks.check_picture("lr", lr).to(next(self.depth_estimator.parameters()).device)
        return estimate_depth_builtin(self.depth_estimator, lr)

    def estimate_degradation(
        self,
        lr: Tensor,
        scale: int,
        inverse_depth: Tensor | None = None,
        *,
        tile: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> DegradationEstimate:
        """One pass of DKENet: kernels, noise, JPEG quality.

        Args:
            lr: `(B,3,h,w)`, 0..1.
            scale: SR factor the kernels are for, 1..16.
            inverse_depth: `(B,1,h,w)`, 0..1, near = 1; by default no depth is used.
            tile: tile core in grid cells (LR px here); None chooses.
            progress: see `mmsr_core.types`.
        """
        return self._refine(lr, scale, inverse_depth, None, 1, 1.0, True, tile, progress)

    def refine_kernel(
        self,
        lr: Tensor,
        scale: int,
        inverse_depth: Tensor | None = None,
        *,
        initial: DegradationEstimate | None = None,
        iterations: int = 3,
        gamma: float = 0.9,
        fixed_depth: bool = False,
        tile: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> DegradationEstimate:
        """SVKR (SSR, Algorithm 1): refine depth, kernel and picture in turn.

        `D <- DE(I)`, `K' <- DKENet(LR, D)`, `K <- gamma K' + (1 - gamma) K`, `I <- mean_net(LR,
        K)`. The first picture I is the LR input itself.

        Args:
            lr: `(B,3,h,w)`, 0..1.
            scale: SR factor, 1..16.
            inverse_depth: the first depth; estimated by the built-in net when None.
            initial: an estimate to blend into; the first K' is taken as it is when None.
            iterations: T, 1..16.
            gamma: weight of the new kernels, 0..1.
            fixed_depth: keep `inverse_depth` (a measured one) instead of estimating it again. More
                than one iteration then changes nothing but the blend.
            tile: tile core in grid cells; None chooses.
            progress: see `mmsr_core.types`.
        """
        return self._refine(
            lr, scale, inverse_depth, initial, iterations, gamma, fixed_depth, tile, progress
        )

    @torch.no_grad()
    def _refine(
        self,
        lr: Tensor,
        scale: int,
        inverse_depth: Tensor | None,
        initial: DegradationEstimate | None,
        iterations: int,
        gamma: float,
        fixed_depth: bool,
        tile: int | None,
        progress: ProgressCallback | None,
        run: Run | None = None,
    ) -> DegradationEstimate:
        checks.check_scale(scale)
        checks.check_number("iterations", iterations, 1, 16, whole=True)
        checks.check_number("gamma", gamma, 0, 1)
        checks.check_tile(tile)
        lr = checks.check_picture("lr", lr)
        passes = _svkr_passes(
            iterations, inverse_depth is not None, initial is not None, fixed_depth
        )
        run = run or self._run(tile, progress, passes)
        lr = lr.to(run.device)
        depth = checks.check_depth(inverse_depth, lr)
        field = None if initial is None else checks.check_kernel(initial.kernel_field, lr, scale)
        field = None if field is None else self._adopt(field, run.device)
        stage: KernelStage | None = None
        for index in range(iterations):
            if not fixed_depth and (index > 0 or depth is None):
                picture = lr
                if index > 0 and stage is not None and field is not None:
                    scene = self._scene(lr, scale, field, depth, stage, {}, {})
                    with run.stage("mean"):
                        restored = scene.picture(restore_mean(self.mean_net, scene, run))
                    picture = restored.clamp_(0, 1)
                with run.stage("depth"):
                    depth = estimate_depth_builtin(self.depth_estimator, picture)
                    depth = _to_size(depth, lr.shape[-2:])
            with run.stage("kernel"):
                stage = estimate_kernels(self.kernel_estimator, lr, scale, depth, run)
            fresh = KernelField.from_codes(stage.codes, scale, self._basis)
            field = fresh if field is None else _blend(fresh, field, gamma, self._basis)
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

    @property
    def _basis(self):
        """The estimator's PCA basis: one object per weights, so that fields can be told apart."""
        cached = self.__dict__.get("_basis_cache")
        if cached is None or cached.mean is not self.kernel_estimator.basis_mean:
            cached = self.kernel_estimator.basis
            self.__dict__["_basis_cache"] = cached
        return cached

    def _adopt(self, field: KernelField, device: torch.device) -> KernelField:
        """`field` on `device`. Codes in a copy of this basis are taken over, not encoded again."""
        own = field.basis
        if own is None:
            return field.to(device)
        pairs = zip(
            (own.mean, own.components, own.spread),
            (self._basis.mean, self._basis.components, self._basis.spread),
            strict=True,
        )
        same = own is self._basis or all(torch.equal(a.to(b), b) for a, b in pairs)
        if not same:
            return field.to(device)
        return KernelField(field.data.to(device), field.scale, self._basis, checked=True)

    def fuse_modalities(
        self,
        lr: Tensor,
        estimate: DegradationEstimate,
        *,
        strengths: Mapping[str, float] | None = None,
        masks: Mapping[str, Tensor] | None = None,
    ) -> Conditioning:
        """Weigh the evidence for the sampler.

        Args:
            lr: `(B,3,h,w)`, 0..1.
            estimate: what is wrong with it.
            strengths: 0..2 for "lr", "kernel", "depth"; 1 where not given; 0 is exactly the same as
                leaving the modality out.
            masks: `(B,1,h,w)` in 0..1: where a modality acts.
        """
        lr = checks.check_picture("lr", lr)
        full, placed = checks.check_modalities(
            dict(strengths or {}), dict(masks or {}), MODALITIES, lr
        )
        checks.check_kernel(estimate.kernel_field, lr, estimate.kernel_field.scale)
        return Conditioning(lr, estimate.kernel_field.scale, estimate, full, placed)

    def _scene(
        self,
        lr: Tensor,
        scale: int,
        field: KernelField,
        depth: Tensor | None,
        damage: KernelStage | DegradationEstimate,
        strengths: Mapping[str, float],
        masks: Mapping[str, Tensor],
    ) -> Scene:
        amounts: dict[str, Tensor] = {}
        for name in MODALITIES:
            strength = torch.full((1, 1, 1, 1), strengths.get(name, 1.0), device=lr.device)
            mask = masks.get(name)
            amount = strength if mask is None else strength * mask.to(lr.device)
            amounts[name] = amount.expand(lr.shape[0], -1, -1, -1)
        work = field.expanded(DENSE_SITES)
        return Scene(
            lr=lr,
            scale=scale,
            field=work,
            codes=field.codes(self._basis).expand(lr.shape[0], -1, -1, -1),
            depth=depth,
            amounts=amounts,
            noise_std=damage.noise_std.to(lr),
            jpeg_quality=damage.jpeg_quality.to(lr),
            sums=row_sums(work),
        )

    @torch.no_grad()
    def sample(
        self,
        conditioning: Conditioning,
        *,
        steps: int = 4,
        detail: float = 1.0,
        seed: int | Sequence[int] = 0,
        consistency: str = "ibp",
        tile: int | None = None,
        progress: ProgressCallback | None = None,
        _run: Run | None = None,
    ) -> RestorationOutput:
        """Restore: the mean, then `steps` steps of the flow, kept consistent with the input.

        Args:
            conditioning: from `fuse_modalities`.
            steps: 0 gives the mean (highest PSNR); 1..64 flow steps.
            detail: 0..2, how far from the mean towards the flow's picture (1).
            seed: a number (picture i of the batch gets seed + i), or one for each picture.
            consistency: "ibp" (back-projection), "cg" (conjugate gradient) or "off".
            tile: tile core in grid cells (4 output px), at least 16; None chooses.
            progress: see `mmsr_core.types`. Whatever it raises ends the run.
        """
        checks.check_sampling(steps, detail, consistency, tile)
        seeds = checks.check_seeds(seed, conditioning.lr.shape[0])
        started = time.perf_counter()
        run = _run or self._run(tile, progress, _sampling_passes(steps, detail))
        lr = conditioning.lr.to(run.device)
        estimate = conditioning.estimate
        field = self._adopt(estimate.kernel_field, run.device)
        depth = checks.check_depth(estimate.inverse_depth, lr)
        scene = self._scene(
            lr, conditioning.scale, field, depth, estimate,
            conditioning.strengths, conditioning.masks,
        )  # fmt: skip

        # 1. How well the plain enlargement agrees with the input, and the mean: (B,3,H',W').
        plain = base_canvas(lr, conditioning.scale, scene.size).clamp_(0, 1)
        before = float(consistency_db(plain, lr, field).mean())
        del plain
        with run.stage("mean"):
            mean = restore_mean(self.mean_net, scene, run)
        run.preview = lambda: small_preview(scene.picture(mean))

        def project(canvas: Tensor, iterations: int) -> Tensor:
            with run.stage("consistency"):
                return _project(canvas, scene, consistency, iterations, run.tick)

        # 2. The flow.
        flow = FlowStage(self.denoiser, scene, mean, run)
        result = mean
        if steps and detail:

            def denoise(z: Tensor, t: float, step: int) -> Tensor:
                with run.stage("flow"):
                    estimate = flow.denoise(z, t, keep_weights=step == steps - 1)
                run.preview = lambda: small_preview(scene.picture(estimate))
                return estimate

            noise = seeded_noise(mean.shape, seeds).to(run.device)
            times = self.sampling_times(steps)
            result = sample_flow(
                denoise,
                lambda x, step: x if step == steps - 1 else project(x, STEP_PROJECTIONS),
                mean,
                noise,
                float(self.denoiser.config["sigma_s"]),
                times,
            )
            del noise
            if detail != 1:  # 3. The fidelity / detail dial.
                result = result.sub_(mean).mul_(detail).add_(mean)
            flow.mean = result  # the mean's canvas is free now
            del mean

        # 4. Agreement with the input, at the end of whatever was done.
        result = project(result, FINAL_PROJECTIONS)
        run.preview = lambda: small_preview(scene.picture(result))
        images = scene.picture(result).clamp_(0, 1)
        after = float(consistency_db(images, lr, field).mean())
        agreement = {"before": round(before, 2), "after": round(after, 2)}
        report = self._report(scene, run, started, steps, seeds, detail, agreement, flow, estimate)
        return RestorationOutput(images.cpu().contiguous(), report, estimate, flow.weight_maps())

    def sampling_times(self, steps: int) -> list[float]:
        """Flow times from 1 to 0 as the scheduler places them: `steps + 1` numbers."""
        spaced = [1 - i / steps for i in range(steps)]
        self.scheduler.set_timesteps(sigmas=spaced)
        return [float(v) for v in self.scheduler.sigmas]

    # -- the whole run --------------------------------------------------------------------------

    @torch.no_grad()
    def __call__(
        self,
        lr: Tensor,
        *,
        scale: int = 4,
        steps: int = 4,
        detail: float = 1.0,
        seed: int | Sequence[int] = 0,
        kernel: KernelField | None = None,
        inverse_depth: Tensor | None = None,
        iterations: int = 3,
        gamma: float = 0.9,
        strengths: Mapping[str, float] | None = None,
        masks: Mapping[str, Tensor] | None = None,
        consistency: str = "ibp",
        tile: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> RestorationOutput:
        """Estimate, refine, restore.

        Args:
            lr: `(B,3,h,w)`, 0..1.
            scale: SR factor, 1..16; 1 restores without enlarging.
            steps: 0..64 flow steps, 0 for the mean alone.
            detail: 0..2.
            seed: see `sample`.
            kernel: a known kernel field; then only noise and JPEG are estimated.
            inverse_depth: a known depth `(B,1,h,w)`; then SVKR does not estimate it again.
            iterations: SVKR's T.
            gamma: SVKR's gamma.
            strengths: see `fuse_modalities`.
            masks: see `fuse_modalities`.
            consistency: see `sample`.
            tile: see `sample`.
            progress: see `mmsr_core.types`.
        """
        # 1. Check everything before any work.
        checks.check_scale(scale)
        checks.check_sampling(steps, detail, consistency, tile)
        checks.check_number("iterations", iterations, 1, 16, whole=True)
        checks.check_number("gamma", gamma, 0, 1)
        lr = checks.check_picture("lr", lr)
        checks.check_depth(inverse_depth, lr)
        checks.check_seeds(seed, lr.shape[0])
        kernel = checks.check_kernel(kernel, lr, scale)
        checks.check_modalities(dict(strengths or {}), dict(masks or {}), MODALITIES, lr)
        started = time.perf_counter()
        measured = inverse_depth is not None
        rounds = 1 if measured or kernel is not None else iterations
        passes = _svkr_passes(rounds, measured, False, measured) + _sampling_passes(steps, detail)
        run = self._run(tile, progress, passes)

        # 2. Depth, kernels, noise, JPEG quality.
        estimate = self._refine(
            lr, scale, inverse_depth, None, rounds, gamma, measured, tile, None, run
        )  # fmt: skip
        if kernel is not None:
            estimate = DegradationEstimate(
                kernel_field=self._adopt(kernel, run.device),
                inverse_depth=estimate.inverse_depth,
                noise_std=estimate.noise_std,
                jpeg_quality=estimate.jpeg_quality,
                notes=estimate.notes,
            )

        # 3. Weigh the evidence, restore.
        conditioning = self.fuse_modalities(lr, estimate, strengths=strengths, masks=masks)
        out = self.sample(
            conditioning, steps=steps, detail=detail, seed=seed, consistency=consistency,
            tile=tile, _run=run,
        )  # fmt: skip
        total = round(time.perf_counter() - started, 3)
        return _with_total(out, total)

    def _report(
        self,
        scene: Scene,
        run: Run,
        started: float,
        steps: int,
        seeds: list[int],
        detail: float,
        agreement: dict[str, float],
        flow: FlowStage,
        estimate: DegradationEstimate,
    ) -> RestorationReport:
        height, width = scene.size
        sigma = scene.field.moments().blur_sigma_px.prod(1).sqrt()
        weights = {k: round(float(v.mean()), 4) for k, v in flow.weight_maps().items()}
        return RestorationReport(
            input_size=(scene.lr.shape[-1], scene.lr.shape[-2]),
            output_size=(width, height),
            scale=scene.scale,
            steps=steps,
            seed=seeds,
            detail=detail,
            consistency_db=agreement,
            blur_sigma_px={
                "min": round(float(sigma.min()), 3),
                "mean": round(float(sigma.mean()), 3),
                "max": round(float(sigma.max()), 3),
            },
            noise_std=round(float(scene.noise_std.mean()), 5),
            jpeg_quality=round(float(scene.jpeg_quality.mean()), 1),
            modality_weights=weights,
            stage_seconds={k: round(v, 3) for k, v in run.seconds.items()},
            total_seconds=round(time.perf_counter() - started, 3),
            peak_memory_mb=round(peak_memory_mb(run.device), 1),
            device=str(run.device),
            dtype=str(run.dtype).removeprefix("torch."),
            tile=run.runner.core,
            model=self.model_label,
            notes=list(dict.fromkeys((*estimate.notes, *run.runner.notes))),
        )


def _svkr_passes(iterations: int, has_depth: bool, has_initial: bool, fixed_depth: bool) -> int:
    """Canvas passes of SVKR: depth, kernels, and the mean between two iterations."""
    if fixed_depth:
        return iterations if has_initial else 1
    return 3 * iterations - 1 - int(has_depth)


def _sampling_passes(steps: int, detail: float) -> int:
    """Canvas passes of the sampler: mean, then flow and consistency for each step."""
    return 1 + (2 * steps if steps and detail else 1)


def _with_total(out: RestorationOutput, seconds: float) -> RestorationOutput:
    from dataclasses import replace

    return replace(out, report=replace(out.report, total_seconds=seconds))


def _to_size(depth: Tensor, size: torch.Size) -> Tensor:
    if depth.shape[-2:] == size:
        return depth
    return F.interpolate(
        depth, size=tuple(size), mode="bilinear", align_corners=False, antialias=True
    ).clamp(0, 1)


def _blend(fresh: KernelField, old: KernelField, gamma: float, basis: object) -> KernelField:
    """`gamma * fresh + (1 - gamma) * old`, in codes."""
    codes = old.codes(fresh.basis) if old.basis is not basis and fresh.basis else old.data
    data = torch.lerp(codes.expand_as(fresh.data), fresh.data, gamma)
    if fresh.basis is None:
        raise RuntimeError("DKENet's kernels come as codes.")
    return KernelField.from_codes(data, fresh.scale, fresh.basis)


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
