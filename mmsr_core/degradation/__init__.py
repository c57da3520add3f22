"""The degradation: kernels, kernel fields, the operator and its adjoint, noise, JPEG, synthesis."""

from .basis import KernelBasis
from .field import KernelField, KernelMoments, constant_kernel_field
from .jpeg import jpeg
from .kernels import (
    KERNEL_RADIUS,
    KERNEL_SIZE,
    KERNEL_TAPS,
    centre_shift_px,
    check_scale,
    disk_kernels,
    gaussian_kernels,
    isotropic_gaussian,
    motion_kernels,
    normalise_kernels,
    resize_kernel,
    window_offsets_px,
)
from .noise import add_gaussian_noise, add_poisson_noise
from .operator import adjoint, degrade
from .second_order import SecondOrder, SecondOrderConfig, degrade_second_order
from .synthesis import Synthesis, SynthesisConfig, sample_kernels, sigma_range_px, synthesise

__all__ = [
    "KERNEL_RADIUS",
    "KERNEL_SIZE",
    "KERNEL_TAPS",
    "KernelBasis",
    "KernelField",
    "KernelMoments",
    "SecondOrder",
    "SecondOrderConfig",
    "Synthesis",
    "SynthesisConfig",
    "add_gaussian_noise",
    "add_poisson_noise",
    "adjoint",
    "centre_shift_px",
    "check_scale",
    "constant_kernel_field",
    "degrade",
    "degrade_second_order",
    "disk_kernels",
    "gaussian_kernels",
    "isotropic_gaussian",
    "jpeg",
    "motion_kernels",
    "normalise_kernels",
    "resize_kernel",
    "sample_kernels",
    "sigma_range_px",
    "synthesise",
    "window_offsets_px",
]
