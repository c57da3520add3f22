"""The networks a run uses, apart from the pipeline that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..degradation import KernelBasis
from ..depth import DepthNet
from ..models import Denoiser, KernelEstimator, MeanNet

if TYPE_CHECKING:
    from ..models.fusion_net import FusionNet


@dataclass(frozen=True)
class Networks:
    """One of each, on one device, and the basis that kernel codes refer to."""

    depth_estimator: DepthNet
    kernel_estimator: KernelEstimator
    mean_net: MeanNet
    denoiser: Denoiser
    basis: KernelBasis
    fusion_net: FusionNet | None = None
