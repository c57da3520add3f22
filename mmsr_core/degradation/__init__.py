"""The degradation: kernels, kernel fields, the operator and its adjoint, noise, JPEG, synthesis."""

from .basis import KernelBasis
from .edit import KernelEdit, edit_field, scale_kernels
from .field import KernelField, KernelMoments, constant_kernel_field, read_sharpening
from .field_operator import FieldOperator, consistency_db, cut_negligible, decibels, degrade_canvas
from .jpeg import NO_JPEG_QUALITY, jpeg, jpeg_error_std, with_jpeg_steps_times
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
from .motion import MotionBlur, find_motion, redo_motion, undo_motion
from .noise import add_gaussian_noise, add_poisson_noise
from .operator import adjoint, degrade
from .sharpening import (
    Sharpening,
    from_log_gains,
    log_gains,
    noise_gain,
    sharpen,
    unsharpen,
)
from .shrinkage import relative_variances, shrink_codes
from .solvers import (
    back_project,
    conjugate_gradient,
    conjugate_gradient_from,
    doubt_variance,
    signal_gain,
)
from .synthesis.first_order import (
    Synthesis,
    SynthesisConfig,
    sample_kernels,
    sigma_range_px,
    synthesise,
)
from .synthesis.layouts import BLUR_LAYOUTS, BLUR_SHAPES, add_damage, blur_field, layout_map
from .synthesis.second_order import SecondOrder, SecondOrderConfig, degrade_second_order

__all__ = [
    "BLUR_LAYOUTS",
    "BLUR_SHAPES",
    "KERNEL_RADIUS",
    "KERNEL_SIZE",
    "KERNEL_TAPS",
    "NO_JPEG_QUALITY",
    "FieldOperator",
    "KernelBasis",
    "KernelEdit",
    "KernelField",
    "KernelMoments",
    "MotionBlur",
    "SecondOrder",
    "SecondOrderConfig",
    "Sharpening",
    "Synthesis",
    "SynthesisConfig",
    "add_damage",
    "add_gaussian_noise",
    "add_poisson_noise",
    "adjoint",
    "back_project",
    "blur_field",
    "centre_shift_px",
    "check_scale",
    "conjugate_gradient",
    "conjugate_gradient_from",
    "consistency_db",
    "constant_kernel_field",
    "cut_negligible",
    "decibels",
    "degrade",
    "degrade_canvas",
    "degrade_second_order",
    "disk_kernels",
    "doubt_variance",
    "edit_field",
    "find_motion",
    "from_log_gains",
    "gaussian_kernels",
    "isotropic_gaussian",
    "jpeg",
    "jpeg_error_std",
    "layout_map",
    "log_gains",
    "motion_kernels",
    "noise_gain",
    "normalise_kernels",
    "read_sharpening",
    "redo_motion",
    "relative_variances",
    "resize_kernel",
    "sample_kernels",
    "scale_kernels",
    "sharpen",
    "shrink_codes",
    "sigma_range_px",
    "signal_gain",
    "synthesise",
    "undo_motion",
    "unsharpen",
    "window_offsets_px",
    "with_jpeg_steps_times",
]
