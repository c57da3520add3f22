"""Adaptive multi-modal fusion (SSR) with modalities routed as experts (M3ESR, arXiv 2605.10470)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import ChannelNorm

_NEVER = -1e4  # stands for log(0): exp() of it is exactly 0 in every float format


@dataclass(frozen=True)
class Routing:
    """How a router weighed its experts."""

    weights: Tensor
    """`(B,M,h,w)`: at every place they sum to 1, or are all 0 if nothing is there."""
    log_errors: Tensor
    """`(B,M,h,w)` predicted log-error `s_m` of each expert; 0 where there is none."""


class ModalityExpert(nn.Module):
    """Features `f_m` of one modality at every level of the U-Net."""

    def __init__(self, channels: int, width: int, levels: int) -> None:
        """Args: channels of the modality, of its features, and the number of levels."""
        super().__init__()
        self.conv_in = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 1)
        )
        self.downs = nn.ModuleList([nn.Conv2d(width, width, 2, 2) for _ in range(levels - 1)])

    def forward(self, modality: Tensor) -> list[Tensor]:
        """`(B,Cm,h,w)` to `levels` features, each half the size of the one before."""
        features = [self.conv_in(modality)]
        for down in self.downs:
            features.append(down(F.silu(features[-1])))
        return features


class PromptExpert(nn.Module):
    """Features of a prompt: where the picture resembles it, and what it says.

    PDN's correlation: each place's projected features and the projected embedding are normalised,
    their likeness, times a learned zeta (50 at first), goes through a sigmoid and masks the
    features.
    """

    def __init__(self, channels: int, embedding: int, width: int, levels: int) -> None:
        """Args: channels of the picture, of the embedding, of the features; number of levels."""
        super().__init__()
        self.conv_in = nn.Conv2d(channels, width, 3, padding=1)
        self.key = nn.Conv2d(width, width, 1)
        self.query = nn.Linear(embedding, width)
        self.zeta = nn.Parameter(torch.tensor(50.0))
        self.value = nn.Linear(embedding, width)
        self.proj_out = nn.Conv2d(width, width, 1)
        self.downs = nn.ModuleList([nn.Conv2d(width, width, 2, 2) for _ in range(levels - 1)])

    def forward(self, picture: Tensor, prompt: Tensor) -> tuple[list[Tensor], Tensor]:
        """`picture (B,C,h,w)`, `prompt (B,E)`: features of each level, and the mask `(B,1,h,w)`."""
        x = F.silu(self.conv_in(picture))
        key = F.normalize(self.key(x).float(), dim=1)
        query = F.normalize(self.query(prompt).float(), dim=1)[:, :, None, None]
        mask = torch.sigmoid(self.zeta * (key * query).sum(1, keepdim=True))
        value = self.value(prompt)[:, :, None, None]
        features = [self.proj_out(mask.to(x.dtype) * (x + value))]
        for down in self.downs:
            features.append(down(F.silu(features[-1])))
        return features, mask


class AdaptiveFusion(nn.Module):
    """AMF at one level: `F + sum_m w_m [M_alpha,m(f_m) * Norm(F) + M_beta,m(f_m)]`.

    The router: `w_m(p,t) = softmax_m[(g_m(F, f_m, t) - s_m(p) + log a_m(p)) / tau(t)]`, where
    `a_m` is availability x strength x mask, `s_m` the expert's predicted log-error and `tau` a
    learned temperature. A modality with `a_m = 0` weighs exactly 0. Zero-initialised: uniform
    weights at first, and no effect. SSR's Eq. 3 is the case w = 1.
    """

    def __init__(self, modalities: tuple[str, ...], channels: int, width: int) -> None:
        """Args: names in a fixed order, channels of F, channels of f_m."""
        super().__init__()
        self.modalities = modalities
        self.norm = ChannelNorm()
        self.affine = nn.ModuleDict({m: nn.Conv2d(width, 2 * channels, 1) for m in modalities})
        self.gate = nn.Conv2d(channels, len(modalities), 1)
        self.gate_expert = nn.ModuleDict({m: nn.Conv2d(width, 1, 1) for m in modalities})
        self.log_error = nn.ModuleDict({m: nn.Conv2d(width, 1, 1) for m in modalities})
        self.temperature = nn.Linear(1, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                nn.init.zeros_(module.weight)
                nn.init.zeros_(module.bias)

    def tau(self, t: Tensor) -> Tensor:
        """Temperature `(B,)` at the flow times `(B,)`: 0.5 or more, higher where noisy."""
        return 0.5 + torch.exp(self.temperature(t[:, None].float()) + t[:, None].float())[:, 0]

    def route(
        self, f: Tensor, experts: dict[str, Tensor], amounts: dict[str, Tensor], t: Tensor
    ) -> Routing:
        """Weigh the experts.

        Args:
            f: `(B,C,h,w)` normalised features of the U-Net.
            experts: `f_m (B,width,h,w)` for each available modality.
            amounts: `a_m`, broadcastable to `(B,1,h,w)`, at least 0.
            t: `(B,)` flow time, 1 = noise.
        """
        gates = self.gate(f).float()
        scores = torch.full_like(gates, _NEVER)
        present, log_errors = torch.zeros_like(gates), torch.zeros_like(gates)
        for i, name in enumerate(self.modalities):
            if name not in experts:
                continue
            error = self.log_error[name](experts[name]).float()
            own = self.gate_expert[name](experts[name]).float() - error
            amount = amounts[name].to(gates).expand(-1, -1, *gates.shape[-2:])
            log_amount = torch.where(amount > 0, amount.clamp_min(1e-6).log(), _NEVER)
            scores[:, i : i + 1] = gates[:, i : i + 1] + own + log_amount
            present[:, i : i + 1] = (amount > 0).to(gates)
            log_errors[:, i : i + 1] = error
        weights = torch.softmax(scores / self.tau(t).view(-1, 1, 1, 1), 1) * present
        return Routing(weights / weights.sum(1, keepdim=True).clamp_min(1e-12), log_errors)

    def forward(
        self, f: Tensor, experts: dict[str, Tensor], amounts: dict[str, Tensor], t: Tensor
    ) -> tuple[Tensor, Routing]:
        """Returns the fused features `(B,C,h,w)` and how the experts were weighed."""
        normed = self.norm(f)
        routing = self.route(normed, experts, amounts, t)
        out = f
        for i, name in enumerate(self.modalities):
            if name in experts:
                alpha, beta = self.affine[name](experts[name]).chunk(2, 1)
                weight = routing.weights[:, i : i + 1].to(f.dtype)
                out = torch.addcmul(out, weight, torch.addcmul(beta, alpha, normed))
        return out, routing
