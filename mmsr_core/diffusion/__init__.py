"""Sampling and consistency. Everything here sees callables and operators, never networks."""

from .consistency import (
    add_adjoint_canvas,
    back_project,
    conjugate_gradient,
    consistency_db,
    degrade_canvas,
    noise_gain,
    row_sums,
)
from .flow import flow_times, sample_flow, seeded_noise

__all__ = [
    "add_adjoint_canvas",
    "back_project",
    "conjugate_gradient",
    "consistency_db",
    "degrade_canvas",
    "flow_times",
    "noise_gain",
    "row_sums",
    "sample_flow",
    "seeded_noise",
]
