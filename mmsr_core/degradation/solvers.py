"""Agreement with the input: back-projection (SART) and conjugate gradient on whole canvases.

Everything walks over windows of LR pixels, so dense kernels exist for one window at a time, and the
result does not depend on the windows: `A` is evaluated on the whole canvas, then `A^T` is added to
it.

SART (Andersen & Kak 1984; convergence: Jiang & Wang 2003): `x <- x + A^T D^-1 (y - A x)` with
`D = diag(A A^T 1)`. A and A^T are non-negative, so `D^-1 A A^T` is row-stochastic, its spectrum
lies in [0, 1], and no step size has to be guessed for any kernel or scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ShapeError
from ..precision import as_float64
from .field import KernelField
from .operator import add_window, gather_lr_pixels, pad_window, scatter_lr_pixels, window_length

_GAIN_RADIUS = 3  # LR px; the residual's local energy is measured over 7x7 LR pixels
_NOISE_MARGIN = 1.25
"""Local energies of pure noise scatter: nine in ten are below this many times their mean."""
KERNEL_ERROR = 0.3
"""How far off an estimated kernel is: the part of a picture's own detail that a residual has for
this reason alone. Chosen on pictures of real cameras (docs/method.md)."""


Callback = Callable[[], None]
"""Called after every window of LR pixels. It may raise, to end a long computation."""


def _nothing() -> None:
    return None


def _windows(
    field: KernelField, size: int, callback: Callback
) -> Iterator[tuple[int, int, Tensor]]:
    for rows, cols, kernels in field.windows(size):
        yield rows.start, cols.start, kernels
        callback()


def degrade_canvas(
    hr: Tensor, field: KernelField, window: int = 128, callback: Callback = _nothing
) -> Tensor:
    """`A hr` in bounded memory: `(B,C,H,W)` to `(B,C,h,w)`."""
    expected = (field.height * field.scale, field.width * field.scale)
    if hr.ndim != 4 or hr.shape[-2:] != expected:
        raise ShapeError("hr", f"(B,C,{expected[0]},{expected[1]})", hr.shape)
    out = hr.new_empty((*hr.shape[:2], field.height, field.width))
    for row, col, kernels in _windows(field, window, callback):
        h, w = kernels.shape[-2:]
        padded = pad_window(hr, row, h, col, w, field.scale)
        out[..., row : row + h, col : col + w] = gather_lr_pixels(padded, kernels, field.scale)
    return out


def add_adjoint_canvas(
    canvas: Tensor, lr: Tensor, field: KernelField, window: int = 128, callback: Callback = _nothing
) -> Tensor:
    """`canvas += A^T lr` in bounded memory, in place; returns the canvas."""
    for row, col, kernels in _windows(field, window, callback):
        h, w = kernels.shape[-2:]
        lr_pixels = lr[..., row : row + h, col : col + w].contiguous()
        add_window(
            canvas, scatter_lr_pixels(lr_pixels, kernels, field.scale), row, col, field.scale
        )
    return canvas


def sart_weights(field: KernelField, window: int = 128) -> Tensor:
    """`D = A A^T 1`, `(B,1,h,w)`: what one SART step divides by. Always positive.

    `A^T 1` is made for each window with the LR pixels around it that reach it, not for the canvas.
    """
    scale = field.scale
    reach = -(-window_length(1, scale) // scale)
    ones = field.data.new_empty((field.batch, 1, field.height, field.width), dtype=torch.float32)
    for rows, cols, kernels in field.windows(window):
        r0, c0 = max(0, rows.start - 2 * reach), max(0, cols.start - 2 * reach)
        r1 = min(field.height, rows.stop + 2 * reach)
        c1 = min(field.width, cols.stop + 2 * reach)
        around = field.dense(slice(r0, r1), slice(c0, c1))
        # A window's own border reflects where the canvas does not; `2 * reach` LR pixels hide that.
        total = around.new_zeros((field.batch, 1, (r1 - r0) * scale, (c1 - c0) * scale))
        lr_pixels = around.new_ones((field.batch, 1, r1 - r0, c1 - c0))
        add_window(total, scatter_lr_pixels(lr_pixels, around, scale), 0, 0, scale)
        h, w = kernels.shape[-2:]
        padded = pad_window(total, rows.start - r0, h, cols.start - c0, w, scale)
        ones[..., rows, cols] = gather_lr_pixels(padded, kernels, scale)
    return ones


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
        noise_std: `(B,)` std of noise and JPEG damage, 0..1 units.
        kernel_error: relative error of the kernels.
    """
    detail = lr - F.avg_pool2d(lr, 3, 1, 1, count_include_pad=False)
    noise = noise_std.to(lr).view(-1, 1, 1, 1).square()
    return _NOISE_MARGIN * noise + kernel_error**2 * _local_energy(detail)


def signal_gain(residual: Tensor, variance: Tensor) -> Tensor:
    """How much of a residual is signal: `max(0, 1 - variance / local energy)`, `(B,1,h,w)`.

    The Wiener gain, with the residual's energy over 7x7 LR pixels as the estimate of signal plus
    doubt. A residual no larger than the doubt is left alone: it is noise until proved otherwise
    (Morozov's discrepancy principle, by place).
    """
    return (1 - variance / _local_energy(residual).clamp_min(1e-12)).clamp(0, 1)


def back_project(
    canvas: Tensor,
    lr: Tensor,
    field: KernelField,
    iterations: int,
    noise_std: Tensor | None = None,
    weights: Tensor | None = None,
    window: int = 128,
    callback: Callback = _nothing,
) -> Tensor:
    """SART iterations on `canvas`, in place.

    Args:
        canvas: `(B,C,H,W)` picture to correct; it is overwritten.
        lr: `(B,C,h,w)` the input it has to agree with.
        field: its kernels.
        iterations: 0 or more.
        noise_std: `(B,)`, 0..1 units: the correction stops at the noise and at the kernels' own
            error (see `signal_gain`). None: the input is taken to be exact, and so the kernels.
        weights: `sart_weights(field)`, where they are known already.
        window: side of a window, LR pixels.
        callback: see `Callback`.

    Returns:
        `canvas`.
    """
    if iterations <= 0:
        return canvas
    weights = sart_weights(field, window) if weights is None else weights
    variance = None if noise_std is None else doubt_variance(lr, noise_std)
    for _ in range(iterations):
        residual = lr - degrade_canvas(canvas, field, window, callback)
        if variance is not None:
            residual = residual * signal_gain(residual, variance)
        add_adjoint_canvas(canvas, residual / weights, field, window, callback)
    return canvas


def conjugate_gradient(
    canvas: Tensor,
    lr: Tensor,
    field: KernelField,
    iterations: int,
    noise_std: Tensor | None = None,
    window: int = 128,
    callback: Callback = _nothing,
) -> Tensor:
    """Nearest picture to `canvas` that agrees with `lr`: `min |x - canvas|^2 + |A x - y|^2 / lam`.

    Solved at LR by conjugate gradient on `(A A^T + lam I) u = y - A canvas`, `x = canvas + A^T u`;
    `lam` is the doubt (`doubt_variance`) times 100 (the picture's own uncertainty is about 0.1), at
    least 1e-4.

    Args:
        canvas: `(B,C,H,W)`; it is overwritten. Two LR-sized and one HR-sized buffer are used.
        lr: `(B,C,h,w)`.
        field: kernels.
        iterations: number of CG steps, 0 or more.
        noise_std: `(B,)`, 0..1 units.
        window: side of a window, LR pixels.
        callback: see `Callback`.
    """
    if iterations <= 0:
        return canvas
    lam = lr.new_zeros((lr.shape[0], 1, 1, 1))
    if noise_std is not None:
        lam = 100 * doubt_variance(lr, noise_std)
    return conjugate_gradient_from(
        canvas, lr, field, iterations, lam.clamp_min(1e-4), window, callback
    )


def conjugate_gradient_from(
    canvas: Tensor,
    lr: Tensor,
    field: KernelField,
    iterations: int,
    damping: Tensor,
    window: int = 128,
    callback: Callback = _nothing,
) -> Tensor:
    """`conjugate_gradient` with a given `lam`: `damping (B,1,1,1)` or `(B,1,h,w)`, above 0."""
    lam = damping

    def normal(v: Tensor) -> Tensor:
        lifted = add_adjoint_canvas(torch.zeros_like(canvas), v, field, window, callback)
        return degrade_canvas(lifted, field, window, callback) + lam * v

    def dot(a: Tensor, b: Tensor) -> Tensor:
        # In float64 on the CPU (MPS has none), so that tiles do not change the steps.
        product = (a * b).cpu().double().sum((1, 2, 3), keepdim=True)
        return product.to(a.device, a.dtype)

    residual = lr - degrade_canvas(canvas, field, window)
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
    return add_adjoint_canvas(canvas, solution, field, window)


def consistency_db(canvas: Tensor, lr: Tensor, field: KernelField, window: int = 128) -> Tensor:
    """PSNR of `A canvas` against `lr`, all channels, peak 1, not rounded.

    Returns:
        `(B,)` float64 on the CPU, dB; infinite when they agree exactly.
    """
    return decibels(as_float64(degrade_canvas(canvas, field, window)) - as_float64(lr))


def decibels(difference: Tensor) -> Tensor:
    """PSNR `(B,)` of two pictures `(B,C,h,w)` with this difference, peak 1, float64 on the CPU."""
    return -10 * torch.log10(as_float64(difference).square().mean((1, 2, 3))).cpu()
