"""Agreement with the input: back-projection (SART) and conjugate gradient on whole canvases.

`A` is evaluated on the whole canvas, then `A^T` is added to it (`FieldOperator`), so the result
does not depend on windows.

SART (Andersen & Kak 1984; convergence: Jiang & Wang 2003): `x <- x + A^T D^-1 (y - A x)` with
`D = diag(A A^T 1)`. A and A^T are non-negative, so `D^-1 A A^T` is row-stochastic, its spectrum
lies in [0, 1], and no step size has to be guessed for any kernel or scale.

Steps of unequal length come further in as many steps: those of the Chebyshev semi-iterative method
(Golub & Varga 1961) leave the least of every component whose eigenvalue is above a given one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..precision import as_float64
from .field_operator import Callback, Kernels, as_operator, no_callback

_GAIN_RADIUS = 3  # LR px; the residual's local energy is measured over 7x7 LR pixels
_NOISE_MARGIN = 1.25
"""Local energies of pure noise scatter: nine in ten are below this many times their mean."""
KERNEL_ERROR = 0.3
"""How far off an estimated kernel is: the part of a picture's own detail that a residual has for
this reason alone. Chosen on pictures of real cameras (docs/method.md)."""


def _local_energy(values: Tensor) -> Tensor:
    """Mean square over the channels and 7x7 LR pixels: `(B,C,h,w)` to `(B,1,h,w)`."""
    energy = values.square().mean(1, keepdim=True)
    size = 2 * _GAIN_RADIUS + 1
    return F.avg_pool2d(energy, size, 1, _GAIN_RADIUS, count_include_pad=False)


def doubt_variance(lr: Tensor, noise_std: Tensor, kernel_error: float = KERNEL_ERROR) -> Tensor:
    """Variance that a residual may have though the picture is right, `(B,1,h,w)`.

    Noise, and what a wrong kernel makes of the picture's detail.

    Args:
        lr: `(B,C,h,w)`, the input.
        noise_std: `(B,)` or `(B,1,h,w)` std of noise and JPEG damage, 0..1 units.
        kernel_error: relative error of the kernels.
    """
    detail = lr - F.avg_pool2d(lr, 3, 1, 1, count_include_pad=False)
    by_place = noise_std if noise_std.ndim == 4 else noise_std.view(-1, 1, 1, 1)
    noise = by_place.to(lr).square()
    return _NOISE_MARGIN * noise + kernel_error**2 * _local_energy(detail)


def signal_gain(residual: Tensor, variance: Tensor) -> Tensor:
    """How much of a residual is signal: `max(0, 1 - variance / local energy)`, `(B,1,h,w)`.

    The Wiener gain, with the residual's energy over 7x7 LR pixels as the estimate of signal plus
    doubt. A residual no larger than the doubt is left alone: it is noise until proved otherwise
    (Morozov's discrepancy principle, by place).
    """
    return (1 - variance / _local_energy(residual).clamp_min(1e-12)).clamp(0, 1)


def relaxations(iterations: int, least_eigenvalue: float) -> list[float]:
    """Lengths of SART steps, from short to long: the inverse Chebyshev nodes of an interval.

    After them at most `1 / T_n((1 + a) / (1 - a))` is left of any component of the residual whose
    eigenvalue of `D^-1 A A^T` lies in [a, 1], with the Chebyshev polynomial `T_n`.

    Args:
        iterations: n, 0 or more.
        least_eigenvalue: a, above 0 and at most 1. With 1 every step has the length 1.
    """
    middle, half = (1 + least_eigenvalue) / 2, (1 - least_eigenvalue) / 2
    angles = (math.pi * (2 * k + 1) / (2 * iterations) for k in range(iterations))
    return [1 / (middle + half * math.cos(angle)) for angle in angles]


def back_project(
    canvas: Tensor,
    lr: Tensor,
    kernels: Kernels,
    iterations: int,
    noise_std: Tensor | None = None,
    callback: Callback = no_callback,
    least_eigenvalue: float = 1.0,
) -> Tensor:
    """SART iterations on `canvas`, in place.

    Args:
        canvas: `(B,C,H,W)` picture to correct; it is overwritten.
        lr: `(B,C,h,w)` the input it has to agree with.
        kernels: a field, or its operator.
        iterations: 0 or more.
        noise_std: `(B,)` or `(B,1,h,w)`, 0..1 units: the correction stops at the noise and at the
            kernels' own error (see `signal_gain`). None: both are taken to be exact.
        callback: see `Callback`.
        least_eigenvalue: above 0, at most 1; see `relaxations`. 1 is plain SART.

    Returns:
        `canvas`.
    """
    if iterations <= 0:
        return canvas
    operator = as_operator(kernels)
    variance = None if noise_std is None else doubt_variance(lr, noise_std)
    for length in relaxations(iterations, least_eigenvalue):
        residual = lr - operator.degrade(canvas, callback)
        if variance is not None:
            residual = residual * signal_gain(residual, variance)
        operator.add_adjoint(canvas, residual * (length / operator.row_sums), callback)
    return canvas


def conjugate_gradient(
    canvas: Tensor,
    lr: Tensor,
    kernels: Kernels,
    iterations: int,
    noise_std: Tensor | None = None,
    callback: Callback = no_callback,
) -> Tensor:
    """Nearest picture to `canvas` that agrees with `lr`: `min |x - canvas|^2 + |A x - y|^2 / lam`.

    Solved at LR by conjugate gradient on `(A A^T + lam I) u = y - A canvas`, `x = canvas + A^T u`;
    `lam` is the doubt (`doubt_variance`) times 100 (the picture's own uncertainty is about 0.1), at
    least 1e-4.

    Args:
        canvas: `(B,C,H,W)`; it is overwritten. Two LR-sized and one HR-sized buffer are used.
        lr: `(B,C,h,w)`.
        kernels: a field, or its operator.
        iterations: number of CG steps, 0 or more.
        noise_std: `(B,)` or `(B,1,h,w)`, 0..1 units.
        callback: see `Callback`.
    """
    if iterations <= 0:
        return canvas
    lam = lr.new_zeros((lr.shape[0], 1, 1, 1))
    if noise_std is not None:
        lam = 100 * doubt_variance(lr, noise_std)
    return conjugate_gradient_from(canvas, lr, kernels, iterations, lam.clamp_min(1e-4), callback)


def conjugate_gradient_from(
    canvas: Tensor,
    lr: Tensor,
    kernels: Kernels,
    iterations: int,
    damping: Tensor,
    callback: Callback = no_callback,
) -> Tensor:
    """`conjugate_gradient` with a given `lam`: `damping (B,1,1,1)` or `(B,1,h,w)`, above 0."""
    operator, lam = as_operator(kernels), damping

    def normal(v: Tensor) -> Tensor:
        lifted = operator.add_adjoint(torch.zeros_like(canvas), v, callback)
        return operator.degrade(lifted, callback) + lam * v

    def dot(a: Tensor, b: Tensor) -> Tensor:
        # In float64, so that tiles do not change the steps.
        return as_float64(a * b).sum((1, 2, 3), keepdim=True).to(a)

    residual = lr - operator.degrade(canvas, callback)
    solution, direction = torch.zeros_like(residual), residual.clone()
    energy = dot(residual, residual)
    for _ in range(iterations):
        image = normal(direction)
        step = energy / dot(direction, image).clamp_min(1e-20)
        solution += step * direction
        residual = residual - step * image
        fresh = dot(residual, residual)
        direction = residual + (fresh / energy.clamp_min(1e-20)) * direction
        energy = fresh
    return operator.add_adjoint(canvas, solution, callback)
