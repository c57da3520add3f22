"""A discriminator that sees a picture beside its mean, and its losses.

A U-Net whose convolutions are spectrally normalised, with an opinion at every place (Real-ESRGAN,
arXiv 2107.10833). The losses are relativistic (arXiv 1807.00734): how much more real the truth
looks than the restoration of the same input, at the same place. So there is nothing to gain from
places where both are alike.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2


class Discriminator(nn.Module):
    """Logits at every 2x2 px of a picture, given the mean that it was drawn from."""

    def __init__(self, width: int = 32) -> None:
        """Args: channels at the finest level."""
        super().__init__()

        def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
            size, pad = (3, 1) if stride == 1 else (4, 1)
            return spectral_norm(nn.Conv2d(inputs, outputs, size, stride, pad))

        self.conv_in = conv(24, width)
        self.down1, self.block1 = conv(width, 2 * width, 2), conv(2 * width, 2 * width)
        self.down2, self.block2 = conv(2 * width, 4 * width, 2), conv(4 * width, 4 * width)
        self.up1, self.up0 = conv(4 * width, 2 * width), conv(2 * width, width)
        self.block0 = conv(width, width)
        self.conv_out = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, picture: Tensor, mean: Tensor) -> Tensor:
        """`(B,3,H,W)` both, 0..1, sides multiples of 8; returns logits `(B,1,H/2,W/2)`."""
        pair = torch.cat((picture - 0.5, 4 * (picture - mean)), 1)
        fine = F.leaky_relu(self.conv_in(F.pixel_unshuffle(pair, 2)), SLOPE)
        middle = F.leaky_relu(self.block1(F.leaky_relu(self.down1(fine), SLOPE)), SLOPE)
        coarse = F.leaky_relu(self.block2(F.leaky_relu(self.down2(middle), SLOPE)), SLOPE)
        middle = middle + F.leaky_relu(self.up1(_twice(coarse)), SLOPE)
        fine = fine + F.leaky_relu(self.up0(_twice(middle)), SLOPE)
        return self.conv_out(F.leaky_relu(self.block0(fine), SLOPE))


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def adversarial_losses(
    net: nn.Module, picture: Tensor, truth: Tensor, mean: Tensor
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """What the discriminator learns from, and what the picture does.

    Args:
        net: a `Discriminator`.
        picture: `(B,3,H,W)`, with gradients.
        truth: `(B,3,H,W)`.
        mean: `(B,3,H,W)`, without gradients.

    Returns:
        The discriminator's loss, which moves it alone; the loss of the picture, at every place
        `(B,1,H/2,W/2)`, which moves the picture alone; and what to log.
    """
    real, fake = net(truth, mean), net(picture.detach(), mean)
    own = F.softplus(fake - real).mean()
    frozen: Mapping[str, Tensor] = {
        name: value.detach() for name, value in (*net.named_parameters(), *net.named_buffers())
    }
    drawn = F.softplus(real.detach() - functional_call(net, dict(frozen), (picture, mean)))
    return own, drawn, {"d_loss": own.detach(), "d_right": (real > fake).float().mean()}


def doubt(mean: Tensor, truth: Tensor) -> Tensor:
    """How far the mean is from the truth around each 2x2 px, over its average: `(B,1,H/2,W/2)`.

    0..2. Where the input tells what is there, little is to be invented.
    """
    error = F.avg_pool2d((mean - truth).abs().mean(1, keepdim=True), 2)
    error = F.avg_pool2d(error, 9, 1, 4, count_include_pad=False)
    return (error / error.mean((1, 2, 3), keepdim=True).clamp_min(1e-4)).clamp(max=2)


class BalancedWeight:
    """A weight that makes one loss pull as hard on the last layer as another (VQGAN's).

    Source: arXiv 2012.09841, equation 7. Measured every few steps, and averaged.
    """

    def __init__(self, share: float, every: int = 10, memory: float = 0.9) -> None:
        """Args: share of the other loss's pull, steps between measurements, 0..1."""
        self.share = share
        self._every = every
        self._memory = memory
        self._turn = 0
        self._weight: Tensor | None = None

    def __call__(self, loss: Tensor, other: Tensor, last: Tensor) -> Tensor:
        """The weight of `other`, from the gradients of both at the parameter `last`."""
        if self._weight is None or self._turn % self._every == 0:
            pull, push = (
                torch.autograd.grad(part, last, retain_graph=True)[0].norm()
                for part in (loss, other)
            )
            now = (pull / push.clamp_min(1e-8)).clamp(max=10)
            before = now if self._weight is None else self._weight
            self._weight = torch.lerp(now, before, self._memory)
        self._turn += 1
        return self.share * self._weight
