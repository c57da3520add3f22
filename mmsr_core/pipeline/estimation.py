"""The first half of the engine: the networks, and what is measured with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from ..degradation import KernelBasis
from ..depth import DepthNet, estimate_depth_builtin
from ..errors import InputError
from ..models import Denoiser, KernelEstimator, MeanNet
from ..types import SVKR_ROUNDS, ProgressCallback
from . import checks
from .evidence import encode_prompt
from .networks import Networks
from .outputs import DegradationEstimate
from .run import Run
from .scene import adopt
from .svkr import refine, svkr_passes

if TYPE_CHECKING:
    from ..models.fusion_net import FusionNet
    from ..prompts import PromptTextEncoder

Self = TypeVar("Self", bound="EstimationEngine")


class EstimationEngine:
    """Holds the networks; measures depth and degradation. `MMSREngine` adds the restoration."""

    depth_estimator: DepthNet
    kernel_estimator: KernelEstimator
    mean_net: MeanNet
    denoiser: Denoiser
    prompt_encoder: PromptTextEncoder | None = None
    fusion_net: FusionNet | None = None
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
        time_shift: float = 1.0,
    ) -> None:
        """Args: the networks (the last two may be missing), and the shift of the flow times."""
        self.depth_estimator = depth_estimator
        self.kernel_estimator = kernel_estimator
        self.mean_net = mean_net
        self.denoiser = denoiser
        self.prompt_encoder = prompt_encoder
        self.fusion_net = fusion_net
        self.time_shift = time_shift

    @property
    def components(self) -> dict[str, nn.Module | None]:
        """The networks by name."""
        names = ("depth_estimator", "kernel_estimator", "mean_net", "denoiser")
        return {n: getattr(self, n) for n in (*names, "prompt_encoder", "fusion_net")}

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

    # -- stages ---------------------------------------------------------------------------------

    def _run(self, tile: int | None, progress: ProgressCallback | None, passes: int) -> Run:
        for name in ("kernel_estimator", "mean_net", "denoiser", "fusion_net"):
            network = getattr(self, name)
            dtype = torch.float32 if network is None else next(network.parameters()).dtype
            if dtype != torch.float32:
                raise InputError(
                    f"The weights of {name} are {dtype}, but must stay in float32: load with "
                    "load_pipeline(dtype=...), which runs the networks under autocast."
                )
        device = next(self.mean_net.parameters()).device  # DiffusionPipeline's differs: offloading
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        return Run(device, self.compute_dtype, tile, progress, passes)

    @torch.no_grad()
    def estimate_depth(self, lr: Tensor) -> Tensor:
        """Inverse depth by the built-in net: `(B,3,h,w)` to `(B,1,h,w)`, 0..1, near = 1."""
        lr = checks.check_picture("lr", lr).to(next(self.depth_estimator.parameters()).device)
        return estimate_depth_builtin(self.depth_estimator, lr)

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
        """
        return encode_prompt(self.prompt_encoder, texts, images, weights)

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
        iterations: int = SVKR_ROUNDS,
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
        checks.check_svkr(iterations, gamma)
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
        return refine(self.networks, lr, scale, depth, field, iterations, gamma, fixed_depth, run)

    @property
    def networks(self) -> Networks:
        """What the stages are given."""
        return Networks(
            self.depth_estimator,
            self.kernel_estimator,
            self.mean_net,
            self.denoiser,
            self._basis,
            self.fusion_net,
        )

    @property
    def _basis(self) -> KernelBasis:
        """The estimator's PCA basis: one object per weights, so that fields can be told apart."""
        cached = self.__dict__.get("_basis_cache")
        if cached is None or cached.mean is not self.kernel_estimator.basis_mean:
            cached = self.kernel_estimator.basis
            self.__dict__["_basis_cache"] = cached
        return cached
