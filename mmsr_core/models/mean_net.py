"""The mean net: a regression network that estimates the posterior mean.

Trained with L1 and L2 losses, its output is the average of all sharp pictures that fit the input:
the answer with the highest PSNR. The literature calls such a network a regressor.

A plain residual body on the HR / 4 grid. (SSR uses RRDB, which at equal size is five times slower
on a CPU.) The kernel acts twice: as PCA codes that modulate every block (SFT), and through the
back-projected picture, two SART iterations with the degradation operator from the bicubic one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError, ShapeError
from ..types import PROMPT_DIM
from .blocks import FeatureTransform, grid_to_residual, pixels_to_grid, residual_to_grid
from .dynamic_correlation import DynamicCorrelationModule
from .network import Network, records_config

BACK_PROJECTIONS = 2
"""SART iterations that make the net's second input, in training and in use."""
GLOBALS = 3
"""Numbers per picture: log2(scale), noise, JPEG damage (see `condition_globals`)."""
NOISE = 1
"""The place of the noise among them."""


def condition_globals(scale: int, noise_std: Tensor, jpeg_quality: Tensor) -> Tensor:
    """The conditions that hold for a whole picture, `(B,3)`, each of about unit range.

    Args:
        scale: SR factor.
        noise_std: `(B,)`, 0..1 units.
        jpeg_quality: `(B,)`, 1..100.
    """
    level = torch.full_like(noise_std, float(scale)).log2() - 2
    return torch.stack((level, noise_condition(noise_std), (100 - jpeg_quality) / 30), 1)


def noise_condition(noise_std: Tensor) -> Tensor:
    """A noise std in 0..1 units as the networks are told it, same shape."""
    return torch.log(noise_std + 0.5 / 255) + 5


class ConditionedBlock(nn.Module):
    """Residual block: conv, SFT by the condition, ReLU, conv."""

    def __init__(self, channels: int, condition_channels: int) -> None:
        """Args: channels of the body and of the condition."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.transform = FeatureTransform(condition_channels, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`x (B,C,h,w)`, `condition (B,Cc,h,w)`."""
        inner = F.relu(self.transform(self.conv1(x), condition), inplace=True)
        return torch.add(x, self.conv2(inner), alpha=0.25)


class MeanNet(Network):
    """Posterior mean on the HR / 4 grid, for any scale from 1 to 16."""

    total_stride = 1

    @records_config
    def __init__(
        self,
        channels: int = 64,
        blocks: int = 16,
        kernel_codes: int = 20,
        condition_channels: int = 32,
        prompt_every: int = 0,
    ) -> None:
        """Build the net.

        Args:
            channels: width of the body.
            blocks: its length.
            kernel_codes: PCA codes used.
            condition_channels: width of the condition.
            prompt_every: a DCM after every so many blocks; 0 is none, and prompts have no effect.
        """
        super().__init__()
        if prompt_every < 0:
            raise InputError(f"prompt_every must be 0 (no DCM) or more, but is {prompt_every}.")
        self.conv_in = nn.Conv2d(51 + 48, channels, 3, padding=1)
        self.condition = nn.Sequential(
            nn.Conv2d(kernel_codes + 2 + GLOBALS, condition_channels, 1),
            nn.SiLU(),
            nn.Conv2d(condition_channels, condition_channels, 1),
        )
        self.body = nn.ModuleList(
            [ConditionedBlock(channels, condition_channels) for _ in range(blocks)]
        )
        self.conv_out = nn.Conv2d(channels, 48, 3, padding=1)
        self.prompt_every = prompt_every
        self.correlations = nn.ModuleList(
            [DynamicCorrelationModule(channels, PROMPT_DIM) for _ in range(self._correlations())]
        )

    def _correlations(self) -> int:
        return len(self.body) // self.prompt_every if self.prompt_every else 0

    @property
    def receptive_radius(self) -> int:
        """How far, in grid px (4 HR px), an output looks at most."""
        return 2 + 2 * len(self.body) + sum(m.receptive_radius for m in self._dcms())

    def _dcms(self) -> list[DynamicCorrelationModule]:
        return [m for m in self.correlations if isinstance(m, DynamicCorrelationModule)]

    def forward(
        self,
        base: Tensor,
        back_projected: Tensor,
        codes: Tensor,
        global_conditions: Tensor,
        inverse_depth: Tensor | None = None,
        depth_amount: Tensor | None = None,
        prompt: Tensor | None = None,
        prompt_amount: Tensor | None = None,
    ) -> Tensor:
        """Estimate the mean.

        Args:
            base: `(B,3,H,W)` bicubic enlargement, 0..1, sides multiples of 4.
            back_projected: `(B,3,H,W)` the same after back-projection with the kernels.
            codes: `(B,R,H/4,W/4)` PCA codes of the kernels, resampled to the grid.
            global_conditions: `(B,3)`, see `condition_globals`; of each place `(B,3,H/4,W/4)`.
            inverse_depth: `(B,1,H/4,W/4)`, 0..1; None is "not available".
            depth_amount: how far to trust it, 0..1, broadcastable to it; 0 is exactly None.
            prompt: `(B or 1,512)` embedding in CLIP ViT-B/32's space; None is no prompt.
            prompt_amount: `(B,)` or `(B or 1,1,H/4 or 1,W/4 or 1)`, scales what the prompt adds;
                0 is exactly None.

        Returns:
            `(B,3,H,W)`, not clamped.
        """
        if base.shape != back_projected.shape or base.shape[-1] % 4 or base.shape[-2] % 4:
            raise ShapeError("base", "that of back_projected, sides multiples of 4", base.shape)
        stacked = stack_conditions(codes, global_conditions, inverse_depth, depth_amount)
        condition = self.condition(stacked)
        x = torch.cat((pixels_to_grid(base), residual_to_grid(back_projected - base)), 1)
        x = first = self.conv_in(x)
        dcms = self._dcms() if prompt is not None else []
        for i, block in enumerate(self.body, 1):
            x = block(x, condition)
            if dcms and i % self.prompt_every == 0:
                x = dcms[i // self.prompt_every - 1](x, prompt, prompt_amount)
        return base + grid_to_residual(self.conv_out(x + first))


def stack_conditions(
    codes: Tensor,
    global_conditions: Tensor,
    inverse_depth: Tensor | None,
    depth_amount: Tensor | None = None,
) -> Tensor:
    """`(B,R+5,h,w)`: codes, depth with its availability, and the globals spread over the grid."""
    b, _, h, w = codes.shape
    if inverse_depth is None:
        depth = codes.new_zeros((b, 2, h, w))
    else:
        depth = torch.cat((inverse_depth - 0.5, torch.ones_like(inverse_depth)), 1).to(codes.dtype)
        depth = depth if depth_amount is None else depth * depth_amount.to(codes.dtype)
    spread = global_conditions.to(codes.dtype)
    if spread.ndim == 2:
        spread = spread[:, :, None, None].expand(-1, -1, h, w)
    return torch.cat((codes, depth, spread), 1)
