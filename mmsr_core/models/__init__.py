"""The networks. Each declares its receptive radius and stride, which exact tiling relies on.

Those that not every run needs are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .damage_estimator import DamageEstimator, DamageMaps, WholeDamage
from .denoiser import Denoiser, DenoiserOutput
from .dynamic_correlation import DynamicCorrelationModule, set_prompt_progress
from .kernel_estimator import KernelEstimator
from .kernel_features import KernelEstimatorOutput, whole_picture_damage
from .mean_net import MeanNet, condition_globals
from .prompt_insertion import PromptedModel, insert_dynamic_correlation
from .sharpening_estimator import SharpeningEstimator, SharpeningMaps

if TYPE_CHECKING:
    from .depth_net import DepthNet
    from .fusion_net import FusionNet
    from .text_encoder import PromptTextEncoder

__all__ = [
    "DamageEstimator",
    "DamageMaps",
    "Denoiser",
    "DenoiserOutput",
    "DepthNet",
    "DynamicCorrelationModule",
    "FusionNet",
    "KernelEstimator",
    "KernelEstimatorOutput",
    "MeanNet",
    "PromptTextEncoder",
    "PromptedModel",
    "SharpeningEstimator",
    "SharpeningMaps",
    "WholeDamage",
    "condition_globals",
    "insert_dynamic_correlation",
    "set_prompt_progress",
    "whole_picture_damage",
]

_WHEN_USED = {
    "DepthNet": ".depth_net",
    "FusionNet": ".fusion_net",
    "PromptTextEncoder": ".text_encoder",
}


def __getattr__(name: str) -> Any:
    if name not in _WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHEN_USED[name], __name__), name)
