"""The denoiser of the flow: a 3-level U-Net on the HR / 4 grid with AMF at every level.

`conv_in`, `encoder0`, `down1`, `encoder1`, `down2`, `bottleneck`, `up1`, `decoder1`, `up0`,
`decoder0`, `conv_out`; the fusions act before the blocks of each level on the way down.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError, ShapeError
from ..types import MODALITIES, PROMPT_DIM
from .blocks import grid_to_residual, pixels_to_grid, residual_to_grid, timestep_features
from .mean_net import GLOBALS
from .network import Network, records_config
from .router import AdaptiveFusion, ModalityExpert, PromptExpert, Routing


@dataclass(frozen=True)
class DenoiserOutput:
    """One evaluation of the denoiser."""

    sample: Tensor
    """`(B,3,H,W)` estimate of the clean picture (x0), not clamped."""
    weights: Tensor
    """`(B,M,H/4,W/4)` router weights of the finest level, in the order of `modalities`."""
    routings: tuple[Routing, ...]
    """How the experts were weighed at each level, finest first."""
    prompt_mask: Tensor | None
    """`(B,1,H/4,W/4)`, 0..1: where the prompt found its likeness; None without a prompt."""
    feature_l1: Tensor
    """Mean absolute value of the expert features (the sparsity term of SSR's Eq. 5), a scalar."""


class TimedBlock(nn.Module):
    """Residual block whose inner features are scaled and shifted by the flow time."""

    def __init__(self, channels: int, time_channels: int) -> None:
        """Args: channels, and channels of the time embedding."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.time_proj = nn.Linear(time_channels, 2 * channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.time_proj.weight)
        nn.init.zeros_(self.time_proj.bias)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """`x (B,C,h,w)`, `time (B,Ct)`."""
        gamma, beta = self.time_proj(time)[:, :, None, None].chunk(2, 1)
        y = self.conv1(x)
        inner = F.silu(torch.addcmul(beta, y, 1 + gamma))
        return torch.add(x, self.conv2(inner), alpha=0.25)


class Denoiser(Network):
    """x0-parameterised denoiser of `z_t = (1 - t) x0 + t (mean + sigma eps)`."""

    total_stride = 4

    @records_config
    def __init__(
        self,
        widths: tuple[int, int, int] = (64, 96, 160),
        blocks: tuple[int, int, int] = (2, 2, 3),
        expert_width: int = 24,
        kernel_codes: int = 20,
        modalities: tuple[str, ...] = MODALITIES,
        sigma_s: float = 0.1,
    ) -> None:
        """Args: channels and blocks per level, expert width, codes, modality names, sigma_s.

        `sigma_s` is the noise level that the flow starts from; it belongs to the weights.
        """
        super().__init__()
        if unknown := set(modalities) - set(MODALITIES):
            raise InputError(f"Unknown modalities {sorted(unknown)}; known are {MODALITIES}.")
        time = 128
        w0, w1, w2 = widths
        self.modalities = tuple(modalities)
        self.time_embedding = nn.Sequential(
            nn.Linear(32 + GLOBALS, time), nn.SiLU(), nn.Linear(time, time), nn.SiLU()
        )
        channels = {"lr": 51, "kernel": kernel_codes, "depth": 1, "guide": 51}
        self.experts = nn.ModuleDict(
            {
                m: PromptExpert(51, PROMPT_DIM, expert_width, 3)
                if m == "prompt"
                else ModalityExpert(channels[m], expert_width, 3)
                for m in self.modalities
            }
        )
        self.fusions = nn.ModuleList(
            [AdaptiveFusion(self.modalities, w, expert_width) for w in widths]
        )
        self.conv_in = nn.Conv2d(48 + 51, w0, 3, padding=1)

        def stage(width: int, count: int) -> nn.ModuleList:
            return nn.ModuleList([TimedBlock(width, time) for _ in range(count)])

        self.encoder0, self.encoder1 = stage(w0, blocks[0]), stage(w1, blocks[1])
        self.bottleneck = stage(w2, blocks[2])
        self.decoder1, self.decoder0 = stage(w1, blocks[1]), stage(w0, blocks[0])
        self.down1, self.down2 = nn.Conv2d(w0, w1, 2, 2), nn.Conv2d(w1, w2, 2, 2)
        self.up1, self.up0 = nn.ConvTranspose2d(w2, w1, 2, 2), nn.ConvTranspose2d(w1, w0, 2, 2)
        self.conv_out = nn.Conv2d(w0, 48, 3, padding=1)

    @property
    def receptive_radius(self) -> int:
        """How far, in grid px (4 HR px), an output looks at most."""
        n0, n1, n2 = self.config["blocks"]
        # two convs a block at strides 1, 2, 4, on the way down and up; the phase of the strides
        return 2 + 2 * 2 * n0 + 2 * 2 * 2 * n1 + 4 * 2 * n2 + 6 + 2

    def forward(
        self,
        noisy: Tensor,
        mean: Tensor,
        t: Tensor,
        modalities: dict[str, Tensor],
        amounts: dict[str, Tensor],
        global_conditions: Tensor,
    ) -> DenoiserOutput:
        """Estimate the clean picture.

        Args:
            noisy: `(B,3,H,W)` z_t, sides multiples of 16.
            mean: `(B,3,H,W)` the posterior mean the flow is anchored to.
            t: `(B,)` flow time in 0..1, 1 at the start.
            modalities: available ones of "lr" `(B,3,H,W)`, "kernel" `(B,R,H/4,W/4)` codes,
                "depth" `(B,1,H/4,W/4)`, "prompt" `(B,512)`, "guide" `(B,3,H,W)`.
            amounts: strength x mask of each, broadcastable to `(B,1,H/4,W/4)`, at least 0. All
                zero is exactly the same as leaving the modality out.
            global_conditions: `(B,3)`.
        """
        if noisy.shape != mean.shape or noisy.shape[-1] % 16 or noisy.shape[-2] % 16:
            raise ShapeError("noisy", "that of mean, sides multiples of 16", noisy.shape)
        time = self.time_embedding(
            torch.cat((timestep_features(t, 32), global_conditions.float()), 1)
        )
        picture = pixels_to_grid(mean)
        features, mask = {}, None
        for name, modality in modalities.items():
            if name == "prompt" and name in self.modalities:
                features[name], mask = self.experts[name](picture, modality)
            else:
                features[name] = self._expert(name, modality)
        levels = [_at_level(amounts, level) for level in range(3)]

        def fuse(level: int, x: Tensor) -> tuple[Tensor, Routing]:
            here = {name: f[level] for name, f in features.items()}
            return self.fusions[level](x, here, levels[level], t)

        x = self.conv_in(torch.cat((residual_to_grid(noisy - mean) * 0.5, picture), 1))
        x, routing0 = fuse(0, x)
        for block in self.encoder0:
            x = block(x, time)
        skip0 = x
        x, routing1 = fuse(1, self.down1(x))
        for block in self.encoder1:
            x = block(x, time)
        skip1 = x
        x, routing2 = fuse(2, self.down2(x))
        for block in self.bottleneck:
            x = block(x, time)
        x = skip1 + self.up1(x)
        for block in self.decoder1:
            x = block(x, time)
        x = skip0 + self.up0(x)
        for block in self.decoder0:
            x = block(x, time)
        sparsity = x.new_zeros(())
        if self.training:
            terms = [f.abs().mean() for levels_of in features.values() for f in levels_of]
            sparsity = torch.stack(terms).mean() if terms else sparsity
        sample = mean + grid_to_residual(self.conv_out(x))
        routings = (routing0, routing1, routing2)
        return DenoiserOutput(sample, routing0.weights, routings, mask, sparsity)

    def _expert(self, name: str, modality: Tensor) -> list[Tensor]:
        if name not in self.modalities:
            raise InputError(f"Unknown modality {name!r}; this denoiser has {self.modalities}.")
        if name in ("lr", "guide"):
            modality = pixels_to_grid(modality)
        elif name == "depth":
            modality = (modality - 0.5) * 4
        return self.experts[name](modality)


def _at_level(amounts: dict[str, Tensor], level: int) -> dict[str, Tensor]:
    if level == 0:
        return amounts
    size = 2**level
    return {
        name: a if a.shape[-1] == 1 and a.shape[-2] == 1 else F.avg_pool2d(a, size)
        for name, a in amounts.items()
    }
