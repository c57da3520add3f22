"""The sums of the degradation operator where a launch costs more than memory: a GPU.

One matrix of all windows (`unfold`), multiplied by the kernels. `operator_triton` is faster, where
there is Triton.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from .kernels import KERNEL_SIZE, KERNEL_TAPS


def _windows(padded: Tensor, scale: int, h: int, w: int) -> Tensor:
    """`(B,C,441,h,w)`: what every LR pixel sees of `padded`."""
    b, c = padded.shape[:2]
    tall, wide = scale * (h - 1) + KERNEL_SIZE, scale * (w - 1) + KERNEL_SIZE
    columns = F.unfold(padded[..., :tall, :wide], KERNEL_SIZE, stride=scale)
    return columns.view(b, c, KERNEL_TAPS, h, w)


def gather(padded: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """See `operator.gather_lr_pixels`."""
    h, w = kernels.shape[-2:]
    return (_windows(padded, scale, h, w) * kernels[:, None]).sum(2)


def scatter(lr_pixels: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """See `operator.scatter_lr_pixels`."""
    b, c, h, w = lr_pixels.shape
    columns = (lr_pixels[:, :, None] * kernels[:, None]).reshape(b, c * KERNEL_TAPS, h * w)
    tall, wide = scale * (h - 1) + KERNEL_SIZE, scale * (w - 1) + KERNEL_SIZE
    out = F.fold(columns, (tall, wide), KERNEL_SIZE, stride=scale)
    return F.pad(out, (0, -wide % scale, 0, -tall % scale))


def kernel_gradient(padded: Tensor, grad: Tensor, scale: int) -> Tensor:
    """See `tap_loop.kernel_gradient`."""
    h, w = grad.shape[-2:]
    return (_windows(padded, scale, h, w) * grad[:, :, None]).sum(1)
