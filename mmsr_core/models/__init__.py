"""The networks. Each declares its receptive radius and stride, which exact tiling relies on."""

from .denoiser import MODALITIES, Denoiser, DenoiserOutput
from .dynamic_correlation import DynamicCorrelationModule, set_prompt_progress
from .kernel_estimator import KernelEstimate, KernelEstimator, whole_picture_damage
from .mean_net import MeanNet, condition_globals
from .prompt_insertion import PromptedModel, insert_dynamic_correlation

__all__ = [
    "MODALITIES",
    "Denoiser",
    "DenoiserOutput",
    "DynamicCorrelationModule",
    "KernelEstimate",
    "KernelEstimator",
    "MeanNet",
    "PromptedModel",
    "condition_globals",
    "insert_dynamic_correlation",
    "set_prompt_progress",
    "whole_picture_damage",
]
