"""The networks. Each declares its receptive radius and stride, which exact tiling relies on."""

from .denoiser import Denoiser, DenoiserOutput
from .dynamic_correlation import DynamicCorrelationModule, set_prompt_progress
from .kernel_estimator import KernelEstimator, KernelEstimatorOutput, whole_picture_damage
from .mean_net import MeanNet, condition_globals
from .prompt_insertion import PromptedModel, insert_dynamic_correlation

__all__ = [
    "Denoiser",
    "DenoiserOutput",
    "DynamicCorrelationModule",
    "KernelEstimator",
    "KernelEstimatorOutput",
    "MeanNet",
    "PromptedModel",
    "condition_globals",
    "insert_dynamic_correlation",
    "set_prompt_progress",
    "whole_picture_damage",
]
