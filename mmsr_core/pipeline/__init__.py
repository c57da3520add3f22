"""The pipeline and what it hands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..optional import require
from .alpha import enlarge_alpha, share_progress
from .diffusers_guidance import HoldToInput
from .engine import MMSREngine
from .guidance import MeasuredGuide
from .loading import load_pipeline
from .masking import restored_within
from .post_cfg import HostAutoencoder, PostCfgGuide, flow_noise_over_signal
from .prior import PriorResult, combine_prior
from .prior_model import PriorModel, load_prior_model
from .results import (
    Conditioning,
    DegradationEstimate,
    Overrides,
    RestorationOutput,
    RestorationReport,
)

if TYPE_CHECKING:
    from .diffusers_pipeline import MMSRPipeline

__all__ = [
    "Conditioning",
    "DegradationEstimate",
    "HoldToInput",
    "HostAutoencoder",
    "MMSREngine",
    "MMSRPipeline",
    "MeasuredGuide",
    "Overrides",
    "PostCfgGuide",
    "PriorModel",
    "PriorResult",
    "RestorationOutput",
    "RestorationReport",
    "combine_prior",
    "enlarge_alpha",
    "flow_noise_over_signal",
    "load_pipeline",
    "load_prior_model",
    "restored_within",
    "share_progress",
]


def __getattr__(name: str) -> Any:
    if name == "MMSRPipeline":  # imports diffusers, which takes longer than a small picture
        require("diffusers", "diffusers", "MMSRPipeline")
        from .diffusers_pipeline import MMSRPipeline

        return MMSRPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
