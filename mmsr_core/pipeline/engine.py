"""The engine: estimate, refine, fuse, sample, report. What `load_pipeline` returns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..degradation import KernelField
from ..diffusion import flow_times
from ..models import MODALITIES
from ..types import SVKR_ROUNDS, ProgressCallback
from . import checks
from .estimation import EstimationEngine
from .evidence import Evidence, check_evidence, guide_passes
from .outputs import Conditioning, DegradationEstimate, RestorationOutput
from .report import Settings, build_report
from .run import Run
from .sampling import restore, sampling_passes
from .scene import adopt, make_scene
from .second_sensor import sense_guide
from .svkr import svkr_passes


class MMSREngine(EstimationEngine):
    """Blind restoration and super-resolution with a spatially varying, measured degradation.

    SSR (arXiv 2403.05808) on a mean-anchored rectified flow, with M3ESR's router (arXiv
    2605.10470), prompts as in PDN, and a second sensor as in FS-Diff. Load it with
    `mmsr_core.pipeline.load_pipeline`, which verifies the weights. `MMSRPipeline` is the same as a
    diffusers pipeline.
    """

    def fuse_modalities(
        self,
        lr: Tensor,
        estimate: DegradationEstimate,
        *,
        strengths: Mapping[str, float] | None = None,
        masks: Mapping[str, Tensor] | None = None,
        prompt: str | Sequence[str] | Tensor | None = None,
        guide: Tensor | None = None,
        guide_mode: str = "guide",
    ) -> Conditioning:
        """Weigh the evidence for the sampler.

        Args:
            lr: `(B,3,h,w)`, 0..1.
            estimate: what is wrong with it.
            strengths: 0..2 for "lr", "kernel", "depth", "prompt", "guide"; 1 where not given; 0 is
                exactly the same as leaving the modality out.
            masks: `(B,1,h,w)` in 0..1: where a modality acts.
            prompt: text, several texts, or an embedding `(1 or B,512)` from `encode_prompt`.
            guide: a registered picture of a second sensor, `(1 or B,1 or 3,gh,gw)` in 0..1, any
                resolution.
            guide_mode: "guide" restores `lr` with the structure of the guide; "fuse" makes one
                picture of both.
        """
        lr = checks.check_picture("lr", lr)
        full, placed = checks.check_modalities(
            dict(strengths or {}), dict(masks or {}), MODALITIES, lr
        )
        checks.check_kernel(estimate.kernel_field, lr, estimate.kernel_field.scale)
        checks.check_damage(estimate, lr)
        evidence = check_evidence(self, Evidence(prompt, guide, guide_mode), lr)
        scale = estimate.kernel_field.scale
        return Conditioning(lr, scale, estimate, full, placed, evidence)

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
        given = conditioning
        passes = sampling_passes(steps, detail) + guide_passes(
            given.evidence, given.lr, given.scale, given.strengths, given.masks
        )
        run = _run or self._run(tile, progress, passes)
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
            conditioning.evidence,
        )
        sensed = sense_guide(self.networks, scene, run)
        times = self.sampling_times(steps) if steps else [1.0]
        made = restore(self.networks, scene, sensed, times, detail, seeds, consistency, run)
        settings = Settings(steps, seeds, detail, self.model_label)
        report = build_report(scene, made, estimate, settings, run, time.perf_counter() - started)
        images = made.images.cpu().contiguous()
        return RestorationOutput(
            images, report, estimate, made.weight_maps, made.weight_steps, made.prompt_mask
        )

    def sampling_times(self, steps: int) -> list[float]:
        """Flow times from 1 to 0: `steps + 1` numbers."""
        return flow_times(steps, self.time_shift)

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
        iterations: int = SVKR_ROUNDS,
        gamma: float = 0.9,
        strengths: Mapping[str, float] | None = None,
        masks: Mapping[str, Tensor] | None = None,
        prompt: str | Sequence[str] | Tensor | None = None,
        guide: Tensor | None = None,
        guide_mode: str = "guide",
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
            iterations: SVKR's T, 1..16.
            gamma: SVKR's gamma; it counts from the second round on.
            strengths: see `fuse_modalities`.
            masks: see `fuse_modalities`.
            prompt: see `fuse_modalities`.
            guide: see `fuse_modalities`.
            guide_mode: see `fuse_modalities`.
            consistency: see `sample`.
            tile: see `sample`.
            progress: see `mmsr_core.types`.
        """
        # 1. Check everything before any work.
        checks.check_scale(scale)
        checks.check_sampling(steps, detail, consistency, tile)
        checks.check_svkr(iterations, gamma)
        lr = checks.check_picture("lr", lr)
        checks.check_depth(inverse_depth, lr)
        checks.check_seeds(seed, lr.shape[0])
        kernel = checks.check_kernel(kernel, lr, scale)
        full, placed = checks.check_modalities(
            dict(strengths or {}), dict(masks or {}), MODALITIES, lr
        )
        evidence = check_evidence(self, Evidence(prompt, guide, guide_mode), lr)
        started = time.perf_counter()
        measured = inverse_depth is not None
        rounds = 1 if measured or kernel is not None else iterations
        passes = svkr_passes(rounds, measured, False, measured) + sampling_passes(steps, detail)
        passes += guide_passes(evidence, lr, scale, full, placed)
        run = self._run(tile, progress, passes)

        # 2. Depth, kernels, noise, JPEG quality.
        estimate = self._refine(
            lr, scale, inverse_depth, None, rounds, gamma, measured, tile, None, run
        )  # fmt: skip
        if kernel is not None:
            estimate = replace(estimate, kernel_field=kernel.to("cpu"))  # as the rest of it

        # 3. Weigh the evidence, restore.
        conditioning = self.fuse_modalities(
            lr, estimate, strengths=strengths, masks=masks, prompt=evidence.prompt,
            guide=evidence.guide, guide_mode=guide_mode,
        )  # fmt: skip
        out = self.sample(
            conditioning, steps=steps, detail=detail, seed=seed, consistency=consistency,
            tile=tile, _run=run,
        )  # fmt: skip
        total = round(time.perf_counter() - started, 3)
        return replace(out, report=replace(out.report, total_seconds=total))
