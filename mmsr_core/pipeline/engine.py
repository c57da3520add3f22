"""The engine: estimate, refine, fuse, sample, report. What `load_pipeline` returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from ..degradation import KernelBasis, KernelField, Sharpening, check_scale
from ..depth import estimate_depth_builtin
from ..diffusion import flow_times
from ..errors import InputError, ShapeError
from ..models import Denoiser, KernelEstimator, MeanNet
from ..types import (
    DEFAULT_DETAIL,
    DEFAULT_STEPS,
    DEFAULT_TRUST,
    MODALITIES,
    SVKR_ROUNDS,
    ProgressCallback,
)
from ..weights import OPTIONAL_COMPONENTS
from . import inputs
from .clip import CLIP_REACH, MAX_CLIP_REACH, ClipRun
from .context import Networks, RunContext, halves
from .prior import PriorResult, combine_prior, prior_scale
from .prior_match import complaint_of_prior
from .refinement import Refinement
from .restoration import Restoration
from .results import Conditioning, DegradationEstimate, Overrides, RestorationOutput
from .sampling import Sampler, StepCallback, unknown_words_note
from .scene import Scene
from .stages import estimate_damage

if TYPE_CHECKING:
    from ..models import (
        DamageEstimator,
        DepthNet,
        FusionNet,
        PromptTextEncoder,
        SharpeningEstimator,
    )

Self = TypeVar("Self", bound="MMSREngine")

StepEndCallback = Callable[["MMSREngine", int, float, dict[str, Any]], Mapping[str, Any] | None]
"""`(engine, step, t, {"images": (B,3,H,W)})`, as diffusers' `callback_on_step_end`. The pictures
are the estimate after the step, not clamped. A mapping with other `images` takes their place."""


UNDER_AUTOCAST = (
    "sharpening_estimator",
    "damage_estimator",
    "kernel_estimator",
    "mean_net",
    "mean_net_low",
    "denoiser",
    "fusion_net",
)
"""The networks whose own weights stay in float32."""


class MMSREngine:
    """Blind restoration and super-resolution with a spatially varying, measured degradation.

    SSR (arXiv 2403.05808) on a mean-anchored rectified flow, with M3ESR's router (arXiv
    2605.10470), prompts as in PDN, and a second sensor as in FS-Diff. Load it with
    `mmsr_core.load_pipeline`, which verifies the weights. `MMSRPipeline` is the same as a
    diffusers pipeline.

    A batch `(B,3,h,w)` goes through the networks as one; pictures of different sizes need a call
    each. Results come back on the device of `lr`.
    """

    depth_estimator: DepthNet
    kernel_estimator: KernelEstimator
    mean_net: MeanNet
    denoiser: Denoiser
    prompt_encoder: PromptTextEncoder | None = None
    fusion_net: FusionNet | None = None
    damage_estimator: DamageEstimator | None = None
    mean_net_low: MeanNet | None = None
    sharpening_estimator: SharpeningEstimator | None = None
    time_shift: float = 1.0
    """Shift of the flow times, as in diffusers' FlowMatchEulerDiscreteScheduler."""
    compute_dtype: torch.dtype = torch.float32
    model_label: str = "custom"

    def __init__(
        self,
        depth_estimator: DepthNet,
        kernel_estimator: KernelEstimator,
        mean_net: MeanNet,
        denoiser: Denoiser,
        prompt_encoder: PromptTextEncoder | None = None,
        fusion_net: FusionNet | None = None,
        damage_estimator: DamageEstimator | None = None,
        time_shift: float = 1.0,
        mean_net_low: MeanNet | None = None,
        sharpening_estimator: SharpeningEstimator | None = None,
    ) -> None:
        """Make an engine.

        Args:
            depth_estimator: see `Networks`.
            kernel_estimator: see `Networks`.
            mean_net: see `Networks`.
            denoiser: see `Networks`.
            prompt_encoder: may be missing.
            fusion_net: may be missing.
            damage_estimator: may be missing.
            time_shift: of the flow times.
            mean_net_low: the mean net of scales 1 and 2; it may be missing.
            sharpening_estimator: may be missing.
        """
        self.depth_estimator = depth_estimator
        self.kernel_estimator = kernel_estimator
        self.mean_net = mean_net
        self.denoiser = denoiser
        self.prompt_encoder = prompt_encoder
        self.fusion_net = fusion_net
        self.damage_estimator = damage_estimator
        self.mean_net_low = mean_net_low
        self.sharpening_estimator = sharpening_estimator
        self.time_shift = time_shift

    @property
    def components(self) -> dict[str, nn.Module | None]:
        """The networks by name."""
        names = ("depth_estimator", "kernel_estimator", "mean_net", "denoiser")
        return {name: getattr(self, name) for name in (*names, *OPTIONAL_COMPONENTS)}

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.mean_net.parameters()).device

    def to(self: Self, device: str | torch.device) -> Self:
        """Move every network to a device."""
        for network in self.components.values():
            if network is not None:
                network.to(device)
        return self

    # -- single stages ----------------------------------------------------------------------------

    @torch.no_grad()
    def estimate_depth(self, lr: Tensor) -> Tensor:
        """Inverse depth by the built-in net: `(B,3,h,w)` to `(B,1,h,w)`, 0..1, near = 1."""
        return estimate_depth_builtin(self.depth_estimator, inputs.check_picture("lr", lr))

    @torch.no_grad()
    def encode_prompt(
        self,
        texts: str | Sequence[str] = (),
        images: Sequence[Tensor] = (),
        weights: Sequence[float] | None = None,
    ) -> Tensor:
        """Prompts as one embedding `(1,512)` of unit length.

        Args:
            texts: one or several; mixed.
            images: reference pictures; they need a CLIP image encoder (`mmsr_core.prompts`),
                which the built-in text encoder is not.
            weights: of the texts, then the images; equal when None.

        Raises:
            InputError: no prompt encoder in these weights, no text, or pictures.
        """
        if self.prompt_encoder is None:
            raise InputError("These weights have no prompt encoder; give an embedding instead.")
        if images:
            raise InputError(
                "The built-in prompt encoder reads text only; reference pictures need CLIP: see "
                "mmsr_core.prompts.ClipPromptEncoder."
            )
        from ..models.text_encoder import encode_texts
        from ..prompts import mix_prompts

        lines = [texts] if isinstance(texts, str) else list(texts)
        if not lines:
            raise InputError("encode_prompt needs at least one text.")
        return mix_prompts(encode_texts(self.prompt_encoder, lines), weights)

    def unknown_words(self, texts: str | Sequence[str]) -> list[str]:
        """Words that the built-in prompt encoder guesses from their letters, each once, in order.

        Args:
            texts: one or several prompts; blank ones are left out.
        """
        if self.prompt_encoder is None:
            return []
        lines = [line for line in ([texts] if isinstance(texts, str) else texts) if line.strip()]
        found = [self.prompt_encoder.unknown_words(line) for line in lines]
        return list(dict.fromkeys(word for words in found for word in words))

    @torch.no_grad()
    def estimate_degradation(
        self,
        lr: Tensor,
        scale: int,
        inverse_depth: Tensor | None = None,
        *,
        use_depth: bool = True,
        overrides: Overrides | None = None,
        tile: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> DegradationEstimate:
        """One pass: noise, JPEG damage and blur with their errors, then DKENet's kernels.

        Args:
            lr: `(B,3,h,w)`, 0..1.
            scale: SR factor the kernels are for, 1..16.
            inverse_depth: `(B,1,h,w)`, 0..1, near = 1; estimated by the built-in net when None.
            use_depth: False leaves depth out where none is given.
            overrides: what is known of noise, JPEG damage and sharpening.
            tile: tile core in grid cells (LR px here); None chooses.
            progress: see `mmsr_core.types`.
        """
        fixed = inverse_depth is not None or not use_depth
        return self.refine_kernel(
            lr,
            scale,
            inverse_depth,
            iterations=1,
            fixed_depth=fixed,
            overrides=overrides,
            tile=tile,
            progress=progress,
        )

    @torch.no_grad()
    def refine_kernel(
        self,
        lr: Tensor,
        scale: int,
        inverse_depth: Tensor | None = None,
        *,
        initial: DegradationEstimate | None = None,
        iterations: int = SVKR_ROUNDS,
        gamma: float = 0.9,
        fixed_depth: bool = False,
        overrides: Overrides | None = None,
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
            gamma: weight of the new kernels, 0..1; it counts from the second round on, or from
                the first with `initial`.
            fixed_depth: keep `inverse_depth` (a measured one, or none at all) instead of
                estimating it again. More than one iteration then changes nothing but the blend.
            overrides: what is known of noise, JPEG damage and sharpening.
            tile: tile core in grid cells; None chooses.
            progress: see `mmsr_core.types`.
        """
        check_scale(scale)
        inputs.check_svkr(iterations, gamma)
        inputs.check_tile(tile)
        inputs.check_overrides(overrides)
        picture = inputs.check_picture("lr", lr)
        depth = inputs.check_depth(inverse_depth, picture)
        field = None if initial is None else initial.kernel_field
        inputs.check_kernel(field, picture, scale)
        context = self._context(tile, progress)
        scene = Scene(picture.to(context.device), scale, context.networks.basis)
        refinement = Refinement(
            context,
            scene,
            depth=depth,
            initial=field,
            iterations=iterations,
            gamma=gamma,
            fixed_depth=fixed_depth,
            overrides=overrides,
            sharpening=None if initial is None else initial.sharpening,
            name_motion=True,
        )
        context.execute(refinement.stages())
        return refinement.estimate().to(lr.device)

    @torch.no_grad()
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
        """Weigh the evidence for the sampler. Everything is checked here.

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
        picture = inputs.check_picture("lr", lr)
        inputs.check_kind("estimate", estimate, DegradationEstimate)
        evidence = self._check_evidence(
            picture,
            strengths=strengths,
            masks=masks,
            prompt=prompt,
            guide=guide,
            guide_mode=guide_mode,
        )
        scale = estimate.kernel_field.scale
        checked = inputs.check_estimate(estimate, picture, scale)
        return Conditioning(picture, scale, checked, **evidence)

    @torch.no_grad()
    def sample(
        self,
        conditioning: Conditioning,
        *,
        steps: int = DEFAULT_STEPS,
        detail: float = DEFAULT_DETAIL,
        seed: int | Sequence[int] = 0,
        consistency: str = "ibp",
        denoise: float = 1.0,
        tile: int | None = None,
        progress: ProgressCallback | None = None,
        callback_on_step_end: StepEndCallback | None = None,
    ) -> RestorationOutput:
        """Restore: the mean, then `steps` steps of the flow, kept consistent with the input.

        Args:
            conditioning: from `fuse_modalities`.
            steps: 0 gives the mean (highest PSNR); 1..64 flow steps.
            detail: 0..2, how far from the mean towards the flow's picture (1).
            seed: a number (picture i of the batch gets seed + i), or one for each picture.
            consistency: "ibp" (back-projection), "cg" (conjugate gradient) or "off".
            denoise: 0..1, how much of the measured noise is taken away; 0 keeps all of the grain.
            tile: tile core in grid cells (4 output px), at least 16; None chooses.
            progress: see `mmsr_core.types`. Whatever it raises ends the run.
            callback_on_step_end: see `StepEndCallback`.
        """
        started = time.perf_counter()
        inputs.check_kind("conditioning", conditioning, Conditioning)
        inputs.check_sampling(steps, detail, consistency, tile)
        inputs.check_number("denoise", denoise, 0, 1)
        seeds = inputs.check_seeds(seed, conditioning.lr.shape[0])
        context = self._context(tile, progress)
        scene = Scene.of(conditioning, context.networks.basis, context.device)
        sampler = Sampler(
            context,
            scene,
            times=self._times(steps),
            detail=detail,
            seeds=seeds,
            consistency=consistency,
            on_step=self._on_step(callback_on_step_end),
            denoise=denoise,
        )
        context.execute(sampler.stages())
        return sampler.output(self.model_label, started, conditioning.lr.device)

    # -- the whole run ----------------------------------------------------------------------------

    @torch.no_grad()
    def __call__(
        self,
        lr: Tensor,
        *,
        scale: int = 4,
        size: tuple[int, int] | None = None,
        steps: int = DEFAULT_STEPS,
        detail: float = DEFAULT_DETAIL,
        seed: int | Sequence[int] = 0,
        kernel: KernelField | None = None,
        blur_sigma_px: float | None = None,
        overrides: Overrides | None = None,
        denoise: float = 1.0,
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
        callback_on_step_end: StepEndCallback | None = None,
    ) -> RestorationOutput:
        """Estimate, refine, restore.

        Args:
            lr: `(B,3,h,w)`, 0..1.
            scale: SR factor, 1..16; 1 restores without enlarging.
            size: (height, width) of the pictures that are handed out, where it shall be another
                than that of `scale`: they are resized to it, antialiased. See `TargetSize`. The
                maps and the report's agreement belong to the result of `scale`.
            steps: 0..64 flow steps, 0 for the mean alone.
            detail: 0..2.
            seed: see `sample`.
            kernel: a known kernel field; then only noise and JPEG are estimated.
            blur_sigma_px: a known blur, the same everywhere: std of a Gaussian in px of the result,
                above 0 to 4.5. Not together with `kernel`.
            overrides: what is known of noise, JPEG damage and sharpening.
            denoise: see `sample`.
            inverse_depth: a known depth `(B,1,h,w)`; then SVKR does not estimate it again.
            iterations: SVKR's T, 1..16.
            gamma: SVKR's gamma; see `refine_kernel`.
            strengths: see `fuse_modalities`.
            masks: see `fuse_modalities`.
            prompt: see `fuse_modalities`.
            guide: see `fuse_modalities`.
            guide_mode: see `fuse_modalities`.
            consistency: see `sample`.
            tile: see `sample`.
            progress: see `mmsr_core.types`.
            callback_on_step_end: see `StepEndCallback`.
        """
        # 1. Check everything before any work.
        started = time.perf_counter()
        picture = inputs.check_picture("lr", lr)  # (B,3,h,w)
        inputs.check_size(size)
        depth = inputs.check_depth(inverse_depth, picture)  # (B,1,h,w)
        seeds = inputs.check_seeds(seed, picture.shape[0])
        asked = self._asked(
            picture=picture,
            scale=scale,
            steps=steps,
            detail=detail,
            consistency=consistency,
            tile=tile,
            denoise=denoise,
            iterations=iterations,
            gamma=gamma,
            overrides=overrides,
            kernel=kernel,
            blur_sigma_px=blur_sigma_px,
            strengths=strengths,
            masks=masks,
            prompt=prompt,
            guide=guide,
            guide_mode=guide_mode,
        )
        context = self._context(tile, progress)
        self._note_unknown_words(context, prompt)

        # 2. Depth, kernels, noise, JPEG quality; 3. mean, flow, agreement with the input.
        scene = asked.scene(context, picture)
        refinement = asked.refinement(context, scene, depth, may_reduce=True)
        on_step = self._on_step(callback_on_step_end)
        sampler = asked.sampler(context, scene, seeds, on_step=on_step)
        context.execute([*refinement.stages(), *sampler.stages()])

        # 4. The pictures (B,3,H,W), and the report on them.
        return sampler.output(self.model_label, started, lr.device).resized(size)

    @torch.no_grad()
    def merge_prior(
        self,
        lr: Tensor,
        prior: Tensor,
        *,
        scale: int | None = None,
        size: tuple[int, int] | None = None,
        trust: float = DEFAULT_TRUST,
        mask: Tensor | None = None,
        estimate: DegradationEstimate | None = None,
        overrides: Overrides | None = None,
        tile: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> PriorResult:
        """Measure and restore a picture faithfully, then take in another upscaler's picture of it.

        Args:
            lr: `(B,3,h,w)`, 0..1.
            prior: `(1 or B,3,ph,pw)`, 0..1: the same picture by any other upscaler.
            scale: SR factor of the result, 1..16; None takes the whole factor nearest to the
                prior's, or the estimate's. The prior is resized to it.
            size: (height, width) of the pictures and the weight map that are handed out, where it
                shall be another than that of `scale`: resized, antialiased. See `TargetSize`.
            trust: see `combine_prior`.
            mask: see `combine_prior`.
            estimate: what is wrong with `lr`, where it is known; it sets the scale.
            overrides: what is known of noise, JPEG damage and sharpening. Not together with
                `estimate`.
            tile: tile core in grid cells; None chooses.
            progress: see `mmsr_core.types`.

        Raises:
            InputError: the prior is no enlargement of `lr`, the scale is not the estimate's, or a
                value is out of its range.
        """
        started = time.perf_counter()
        inputs.check_number("trust", trust, 0, 1)
        inputs.check_size(size)
        inputs.check_overrides(overrides)
        picture = inputs.check_picture("lr", lr)
        given = inputs.check_picture("prior", prior)
        if given.shape[0] not in (1, picture.shape[0]):
            raise ShapeError("prior", f"(1 or {picture.shape[0]},3,ph,pw)", tuple(given.shape))
        if mask is not None:
            mask = inputs.check_mask("mask", mask, picture.shape[0])
        nearest = prior_scale(picture, given)
        if estimate is not None:
            inputs.check_kind("estimate", estimate, DegradationEstimate)
            inputs.check_kernel(
                estimate.kernel_field, picture, scale or estimate.kernel_field.scale
            )
        scale = nearest if scale is None else scale
        check_scale(scale)
        restoring = progress
        if estimate is None:
            measuring, restoring = halves(progress)
            estimate = self.estimate_degradation(
                picture, scale, overrides=overrides, tile=tile, progress=measuring
            )
        elif overrides is not None:
            raise InputError("Give an estimate or overrides, not both.")
        conditioning = self.fuse_modalities(picture, estimate)
        faithful = self.sample(conditioning, steps=0, tile=tile, progress=restoring)
        merged = combine_prior(picture, faithful.estimate, faithful.images, given, trust, mask)
        complaints = {complaint_of_prior(one, given[i : i + 1] if len(given) > 1 else given)
                      for i, one in enumerate(picture.split(1))}  # fmt: skip
        return replace(
            merged.resized(size),
            prior_noise_std=self._noise_of(given, tile) if trust else None,
            notes=(*sorted(complaints - {""}), *faithful.report.notes),
            total_seconds=round(time.perf_counter() - started, 3),
            device=faithful.report.device,
        )

    @torch.no_grad()
    def _noise_of(self, picture: Tensor, tile: int | None) -> float | None:
        """The noise (std) of pictures, 0..1 units; None without a damage estimator."""
        context = self._context(tile, None)
        scene = Scene(picture.to(context.device), 1, context.networks.basis)
        damage = estimate_damage(context, scene)
        return None if damage is None else round(float(damage.whole().noise_std.mean()), 5)

    def restore_clip(
        self,
        frames: Iterable[Tensor],
        *,
        scale: int = 4,
        size: tuple[int, int] | None = None,
        steps: int = DEFAULT_STEPS,
        detail: float = DEFAULT_DETAIL,
        seed: int = 0,
        reach: int = CLIP_REACH,
        kernel: KernelField | None = None,
        blur_sigma_px: float | None = None,
        overrides: Overrides | None = None,
        denoise: float = 1.0,
        inverse_depths: Iterable[Tensor] | None = None,
        iterations: int = SVKR_ROUNDS,
        gamma: float = 0.9,
        strengths: Mapping[str, float] | None = None,
        prompt: str | Sequence[str] | Tensor | None = None,
        consistency: str = "ibp",
        tile: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> Iterator[RestorationOutput]:
        """Restore pictures as the frames of one clip, so that they do not flicker.

        Damage is measured over the shot, kernels and depth over the neighbouring frames. The noise
        of the flow moves with the scene. Each result is averaged with its neighbours' along the
        motion, where that can be trusted. A cut of the scene starts anew. A frame's own shake is
        not taken back. See `pipeline/clip.py`.

        Args:
            frames: `(3,h,w)` or `(1,3,h,w)` each, 0..1, in order and of one size; an iterator is
                read as far as needed, its first frame at once. At most `4 * reach + 1` are held.
            scale: see `__call__`.
            size: see `__call__`.
            steps: see `__call__`.
            detail: see `__call__`.
            seed: one for the whole clip.
            reach: 0..8, frames before and after that a frame is averaged with.
            kernel: see `__call__`; the same for all frames, as are all that follow.
            blur_sigma_px: see `__call__`.
            overrides: see `__call__`.
            denoise: see `sample`. Grain that is kept is not averaged either.
            inverse_depths: known depth, `(1,1,h,w)` for each frame.
            iterations: see `__call__`.
            gamma: see `__call__`.
            strengths: see `__call__`.
            prompt: see `__call__`.
            consistency: see `sample`.
            tile: see `sample`.
            progress: see `mmsr_core.types`; counts over the clip. Where the number of frames is not
                known, its total grows.

        Returns:
            An iterator over the result of each frame, in order; see `__call__`.

        Raises:
            InputError: there is no frame, they differ in size, or a value is out of its range. What
                concerns a later frame is raised when that is read.
        """
        inputs.check_number("reach", reach, 0, MAX_CLIP_REACH, whole=True)
        inputs.check_size(size)
        inputs.check_kind("frames", frames, Iterable)
        if inverse_depths is not None:
            inputs.check_kind("inverse_depths", inverse_depths, Iterable)
        (seed,) = inputs.check_seeds(seed, 1)
        checked = inputs.check_frames("frames", frames)
        first = next(checked, None)
        if first is None:
            raise InputError("frames is empty: a clip needs at least one frame.")
        asked = self._asked(
            picture=first,
            scale=scale,
            steps=steps,
            detail=detail,
            consistency=consistency,
            tile=tile,
            denoise=denoise,
            iterations=iterations,
            gamma=gamma,
            overrides=overrides,
            kernel=kernel,
            blur_sigma_px=blur_sigma_px,
            strengths=strengths,
            prompt=prompt,
        )
        depths = None if inverse_depths is None else iter(inverse_depths)

        def measure(
            context: RunContext, frame: Tensor, factor: int, sharpening: Sharpening | None
        ) -> tuple[Scene, int]:
            depth = None if depths is None else next(depths, None)
            if depths is not None and depth is None:
                raise InputError("inverse_depths holds fewer maps than there are frames.")
            depth = inputs.check_depth(depth, frame)
            scene = asked.scene(context, frame)
            refinement = asked.refinement(
                context, scene, depth, reduce_by=factor, sharpening=sharpening
            )
            context.execute(refinement.stages())
            return scene, refinement.reduced_by

        def make_sampler(
            context: RunContext, scene: Scene, noise: Tensor | None, told_share: float | None
        ) -> Sampler:
            return asked.sampler(context, scene, [seed], noise=noise, told_share=told_share)

        def start(told: ProgressCallback | None) -> RunContext:
            context = self._context(tile, told)
            self._note_unknown_words(context, prompt)
            return context

        run = ClipRun(
            start,
            measure,
            make_sampler,
            reach=reach,
            share=float(denoise),
            seed=seed,
            flows=bool(steps and detail),
            model=self.model_label,
            count=len(frames) if isinstance(frames, Sized) else None,
            progress=progress,
        )
        results = run.results(chain([first], checked))
        return (result.resized(size) for result in results)

    def sampling_times(self, steps: int) -> list[float]:
        """Flow times from 1 to 0: `steps + 1` numbers."""
        return flow_times(steps, self.time_shift)

    # -- what every run needs ---------------------------------------------------------------------

    @property
    def networks(self) -> Networks:
        """What the stages are given."""
        return Networks(
            depth_estimator=self.depth_estimator,
            kernel_estimator=self.kernel_estimator,
            mean_net=self.mean_net,
            denoiser=self.denoiser,
            basis=self._basis,
            fusion_net=self.fusion_net,
            damage_estimator=self.damage_estimator,
            mean_net_low=self.mean_net_low,
            sharpening_estimator=self.sharpening_estimator,
        )

    @property
    def _basis(self) -> KernelBasis:
        """The estimator's PCA basis: one object per weights, so that fields can be told apart."""
        cached = self.__dict__.get("_basis_cache")
        if cached is None or cached.mean is not self.kernel_estimator.basis_mean:
            cached = self.kernel_estimator.basis
            self.__dict__["_basis_cache"] = cached
        return cached

    def _context(self, tile: int | None, progress: ProgressCallback | None) -> RunContext:
        for name in UNDER_AUTOCAST:
            network = getattr(self, name)
            dtype = torch.float32 if network is None else next(network.parameters()).dtype
            if dtype != torch.float32:
                raise InputError(
                    f"The weights of {name} are {dtype}, but must stay in float32: load with "
                    "load_pipeline(torch_dtype=...), which runs the networks under autocast."
                )
        device = next(self.mean_net.parameters()).device  # DiffusionPipeline's differs: offloading
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        return RunContext(self.networks, device, self.compute_dtype, tile, progress)

    def _asked(
        self,
        *,
        picture: Tensor,
        scale: int,
        steps: int,
        detail: float,
        consistency: str,
        tile: int | None,
        denoise: float,
        iterations: int,
        gamma: float,
        overrides: Overrides | None,
        kernel: KernelField | None,
        blur_sigma_px: float | None,
        strengths: Mapping[str, float] | None,
        prompt: str | Sequence[str] | Tensor | None,
        masks: Mapping[str, Tensor] | None = None,
        guide: Tensor | None = None,
        guide_mode: str = "guide",
    ) -> Restoration:
        """Arguments of `__call__`, checked; `picture` is `lr`, checked before."""
        check_scale(scale)
        inputs.check_sampling(steps, detail, consistency, tile)
        inputs.check_svkr(iterations, gamma)
        inputs.check_overrides(overrides)
        inputs.check_number("denoise", denoise, 0, 1)
        kernel = inputs.check_kernel(kernel, picture, scale)
        kernel = inputs.check_blur(blur_sigma_px, kernel, picture, scale)
        evidence = self._check_evidence(
            picture,
            strengths=strengths,
            masks=masks,
            prompt=prompt,
            guide=guide,
            guide_mode=guide_mode,
        )
        return Restoration(
            scale=scale,
            times=self._times(steps),
            detail=detail,
            consistency=consistency,
            denoise=float(denoise),
            iterations=iterations,
            gamma=gamma,
            overrides=overrides,
            kernel=kernel,
            evidence=evidence,
        )

    def _times(self, steps: int) -> list[float]:
        return self.sampling_times(steps) if steps else [1.0]

    def _on_step(self, callback: StepEndCallback | None) -> StepCallback | None:
        """A caller's callback, as the sampler calls it."""
        if callback is None:
            return None

        def on_step(step: int, t: float, images: Tensor) -> Tensor | None:
            changed = callback(self, step, t, {"images": images})
            if changed is None:
                return None
            inputs.check_kind("what callback_on_step_end returns", changed, Mapping)
            return inputs.check_changed(changed.get("images"), images)

        return on_step

    def _note_unknown_words(
        self, context: RunContext, prompt: str | Sequence[str] | Tensor | None
    ) -> None:
        unknown = [] if prompt is None or isinstance(prompt, Tensor) else self.unknown_words(prompt)
        if unknown:
            context.note(unknown_words_note(unknown))

    def _check_evidence(
        self,
        lr: Tensor,
        *,
        strengths: Mapping[str, float] | None,
        masks: Mapping[str, Tensor] | None,
        prompt: str | Sequence[str] | Tensor | None,
        guide: Tensor | None,
        guide_mode: str,
    ) -> dict[str, Any]:
        """Checked evidence, by the names that `Conditioning` and `Scene` have for it."""
        for name, given in (("strengths", strengths), ("masks", masks)):
            if given is not None:
                inputs.check_kind(name, given, Mapping)
        full, placed = inputs.check_modalities(
            dict(strengths or {}), dict(masks or {}), MODALITIES, lr
        )
        guide = inputs.check_guide(guide, guide_mode, lr)
        meaning = inputs.check_prompt(prompt, lr, self.encode_prompt)
        uses_prompts = self.mean_net.prompt_every or "prompt" in self.denoiser.modalities
        if meaning is not None and not uses_prompts:
            raise InputError(f"The model {self.model_label!r} was trained without prompts.")
        if guide is not None and self.fusion_net is None:
            raise InputError(
                f"The model {self.model_label!r} has no fusion network: it takes no guide."
            )
        return {
            "strengths": full,
            "masks": placed,
            "prompt": meaning,
            "guide": guide,
            "guide_mode": guide_mode,
        }
