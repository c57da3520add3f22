"""The networks. Each declares its receptive radius and stride, which exact tiling relies on."""

from .denoiser import Denoiser, DenoiserOutput
from .depth_net import DepthNet
from .dynamic_correlation import DynamicCorrelationModule, set_prompt_progress
from .fusion_net import FusionNet
from .kernel_estimator import KernelEstimator, KernelEstimatorOutput, whole_picture_damage
from .mean_net import MeanNet, condition_globals
from .prompt_insertion import PromptedModel, insert_dynamic_correlation
from .text_encoder import PromptTextEncoder

__all__ = [
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
    "condition_globals",
    "insert_dynamic_correlation",
    "set_prompt_progress",
    "whole_picture_damage",
]
