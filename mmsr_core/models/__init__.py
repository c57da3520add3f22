"""The networks. Each declares its receptive radius and stride, which exact tiling relies on."""

from .denoiser import MODALITIES, Denoiser, DenoiserOutput
from .kernel_estimator import KernelEstimate, KernelEstimator, whole_picture_damage
from .mean_net import MeanNet, condition_globals

__all__ = [
    "MODALITIES",
    "Denoiser",
    "DenoiserOutput",
    "KernelEstimate",
    "KernelEstimator",
    "MeanNet",
    "condition_globals",
    "whole_picture_damage",
]
