"""Damaged pictures on demand, for training, tests and benchmarks."""

from .first_order import Synthesis, SynthesisConfig, sample_kernels, sigma_range_px, synthesise
from .layouts import BLUR_LAYOUTS, BLUR_SHAPES, add_damage, blur_field, layout_map
from .second_order import SecondOrder, SecondOrderConfig, degrade_second_order

__all__ = [
    "BLUR_LAYOUTS",
    "BLUR_SHAPES",
    "SecondOrder",
    "SecondOrderConfig",
    "Synthesis",
    "SynthesisConfig",
    "add_damage",
    "blur_field",
    "degrade_second_order",
    "layout_map",
    "sample_kernels",
    "sigma_range_px",
    "synthesise",
]
