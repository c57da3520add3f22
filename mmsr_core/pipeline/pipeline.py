"""The pipeline: estimate, refine, fuse, sample, report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from torch import Tensor

from ..degradation import KernelBasis, KernelField
from ..depth import DepthNet, estimate_depth_builtin
from ..errors import InputError
from ..models import MODALITIES, Denoiser, KernelEstimator, MeanNet
from ..types import ProgressCallback
from . import checks
from .networks import Networks
from .outputs import Conditioning, DegradationEstimate, RestorationOutput
from .report import Settings, build_report
from .run import Run
from .sampling import restore, sampling_passes
from .scene import adopt, make_scene
from .svkr import refine, svkr_passes


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
        passes = svkr_passes(
            iterations, inverse_depth is not None, initial is not None, fixed_depth
        )
        run = run or self._run(tile, progress, passes)
        lr = lr.to(run.device)
        depth = checks.check_depth(inverse_depth, lr)
        field = None if initial is None else checks.check_kernel(initial.kernel_field, lr, scale)
        field = None if field is None else adopt(field, self._basis, run.device)
        return refine(self._networks, lr, scale, depth, field, iterations, gamma, fixed_depth, run)

    @property
    def _networks(self) -> Networks:
        return Networks(
            self.depth_estimator, self.kernel_estimator, self.mean_net, self.denoiser, self._basis
        )

    @property
    def _basis(self) -> KernelBasis:
        """The estimator's PCA basis: one object per weights, so that fields can be told apart."""
        cached = self.__dict__.get("_basis_cache")
        if cached is None or cached.mean is not self.kernel_estimator.basis_mean:
            cached = self.kernel_estimator.basis
            self.__dict__["_basis_cache"] = cached
        return cached

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
        run = _run or self._run(tile, progress, sampling_passes(steps, detail))
        lr = conditioning.lr.to(run.device)
        estimate = conditioning.estimate
        scene = make_scene(
            self._basis,
            lr,
            conditioning.scale,
            adopt(estimate.kernel_field, self._basis, run.device),
            checks.check_depth(estimate.inverse_depth, lr),
            estimate,
            conditioning.strengths,
            conditioning.masks,
        )
        times = self.sampling_times(steps) if steps else [1.0]
        made = restore(self._networks, scene, times, detail, seeds, consistency, run)
        settings = Settings(steps, seeds, detail, self.model_label)
        report = build_report(scene, made, estimate, settings, run, time.perf_counter() - started)
        images = made.images.cpu().contiguous()
        return RestorationOutput(images, report, estimate, made.weight_maps)

    def sampling_times(self, steps: int) -> list[float]:
        """Flow times from 1 to 0 as the scheduler places them: `steps + 1` numbers.

        The denoiser was trained for t from 0.1 to 1, so many steps end there, not at 1 / steps.
        """
        last = max(0.1, 1 / steps)
        spaced = [1 - (1 - last) * i / max(1, steps - 1) for i in range(steps)]
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
        passes = svkr_passes(rounds, measured, False, measured) + sampling_passes(steps, detail)
        run = self._run(tile, progress, passes)

        # 2. Depth, kernels, noise, JPEG quality.
        estimate = self._refine(
            lr, scale, inverse_depth, None, rounds, gamma, measured, tile, None, run
        )  # fmt: skip
        if kernel is not None:
            estimate = DegradationEstimate(
                kernel_field=adopt(kernel, self._basis, run.device),
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
        return replace(out, report=replace(out.report, total_seconds=total))
