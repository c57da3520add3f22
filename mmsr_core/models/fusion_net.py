"""A second sensor (after FS-Diff): guided restoration, or one fused picture of two sources.

Both sources come restored on the HR canvas. FS-Diff's ideas, made local and batch-invariant: how
clear each source is, **at every place** (its release picks one winner from the first picture of a
batch), bidirectional Mamba features (its release calls the block in one direction only), and the
prompt's meaning as a condition. Of the guide only the luminance is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ShapeError
from ..image import luminance
from ..types import PROMPT_DIM, GuideMode
from .blocks import GRID, FeatureTransform, grid_to_residual, pixels_to_grid
from .network import Network, records_config
from .selective_scan import WindowMamba
from .starlet import fuse_starlets, starlet_reach

PREFERENCE = 8.0
"""How firmly an untrained net takes the stronger source."""


@dataclass(frozen=True)
class FusionFeatures:
    """What both heads read."""

    body: Tensor
    """`(B,C,h,w)`."""
    agreement: Tensor
    """`(B,3,h,w)`, see `structural_agreement`."""


def structural_agreement(visible: Tensor, guide: Tensor) -> Tensor:
    """Do two luminances have the same structures? `(B,1,H,W)` twice to `(B,3,h,w)` on the grid.

    Channels: the correlation (-1..1) of the deviations from each cell's mean over 3x3 cells, its
    absolute value (sensors often disagree about the sign of an edge), and the guide's share of the
    two contrasts (0..1). A guide without structure has correlation 0 and share 0.
    """
    parts = []
    for picture in (visible.float(), guide.float()):
        cells = F.pixel_unshuffle(picture, GRID)
        parts.append(cells - cells.mean(1, keepdim=True))
    a, b = parts
    sums = torch.cat([(u * v).sum(1, keepdim=True) for u, v in ((a, b), (a, a), (b, b))], 1)
    cross, own, other = F.avg_pool2d(sums, 3, 1, 1).split(1, 1)
    floor = 16 * (1 / 255) ** 2  # one 8-bit step in every pixel is no structure
    alike = cross * torch.rsqrt((own + floor) * (other + floor))
    return torch.cat((alike, alike.abs(), other / (own + other + floor)), 1)


class FusionBlock(nn.Module):
    """Convolutions, then Mamba in windows; the prompt and the clarity modulate the first."""

    def __init__(
        self, channels: int, condition: int, prompt: int, heads: int, state: int, window: int
    ) -> None:
        """Args: widths of body, condition and prompt features; heads, state and window of Mamba."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.transform = FeatureTransform(condition, channels)
        self.prompt = nn.Linear(prompt, 2 * channels)
        nn.init.zeros_(self.prompt.weight)
        nn.init.zeros_(self.prompt.bias)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.mamba = WindowMamba(channels, heads, state, window)

    def forward(self, x: Tensor, condition: Tensor, prompt: Tensor | None) -> Tensor:
        """`x (B,C,h,w)`, `condition (B,Cc,h,w)`, `prompt (B,P)` or None (exactly no effect)."""
        y = self.transform(self.conv1(x), condition)
        if prompt is not None:
            gamma, beta = self.prompt(prompt)[:, :, None, None].chunk(2, 1)
            y = torch.addcmul(y + beta, y, gamma)
        return self.mamba(x + 0.25 * self.conv2(F.relu(y)))


class FusionNet(Network):
    """Guided restoration and fusion on the HR / 4 grid, for any scale from 1 to 16."""

    @records_config
    def __init__(
        self,
        channels: int = 48,
        blocks: int = 2,
        condition_channels: int = 16,
        prompt_channels: int = 32,
        heads: int = 4,
        state: int = 8,
        window: int = 8,
        levels: int = 5,
    ) -> None:
        """Args: body width and length, widths of the conditions, Mamba's sizes, starlet levels."""
        super().__init__()
        self.condition = nn.Sequential(
            nn.Conv2d(4, condition_channels, 1),
            nn.SiLU(),
            nn.Conv2d(condition_channels, condition_channels, 1),
        )
        self.conv_visible = nn.Conv2d(51, channels, 3, padding=1)
        self.conv_guide = nn.Conv2d(17, channels, 3, padding=1)
        self.visible_by_guide = FeatureTransform(channels + condition_channels, channels)
        self.guide_by_visible = FeatureTransform(channels + condition_channels, channels)
        self.merge = nn.Conv2d(2 * channels + 3, channels, 3, padding=1)
        self.embed_prompt = nn.Linear(PROMPT_DIM, prompt_channels)
        self.body = nn.ModuleList(
            [
                FusionBlock(channels, condition_channels, prompt_channels, heads, state, window)
                for _ in range(blocks)
            ]
        )
        self.gate = nn.Sequential(
            nn.Conv2d(channels + 3, channels // 2, 1), nn.SiLU(), nn.Conv2d(channels // 2, 1, 1)
        )
        self.guide_head = nn.Conv2d(channels, 3 * GRID * GRID, 3, padding=1)
        self.fusion_head = nn.Conv2d(channels, (levels + 2) * GRID * GRID, 3, padding=1)
        self.preference = nn.Parameter(torch.tensor((PREFERENCE, PREFERENCE)))
        for layer in (self.guide_head, self.fusion_head):
            nn.init.zeros_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    @property
    def total_stride(self) -> int:
        """Sides of an input are multiples of this many grid cells; the side of Mamba's windows."""
        return int(self.config["window"])

    @property
    def receptive_radius(self) -> int:
        """How far, in grid cells (4 HR px), an output looks at most."""
        body = 3 + len(self.body) * (2 + self.total_stride - 1)
        return max(body, -(-starlet_reach(int(self.config["levels"])) // GRID))

    def features(
        self,
        visible: Tensor,
        guide: Tensor,
        clarity: Tensor,
        scale: int,
        prompt: Tensor | None = None,
    ) -> FusionFeatures:
        """The features that both heads read; arguments as of `forward`."""
        self._check(visible, guide, clarity, prompt)
        level = math.log2(scale) - 2
        spread = clarity.new_full((clarity.shape[0], 1, *clarity.shape[-2:]), level)
        own, other = clarity.split(1, 1)
        condition = self.condition(torch.cat((2 * own - 1, 2 * other - 1, other - own, spread), 1))
        luma = luminance(visible)
        agreement = structural_agreement(luma, guide)
        v = F.relu(self.conv_visible(pixels_to_grid(visible)))
        g = F.relu(self.conv_guide(pixels_to_grid(guide)))
        v, g = (
            self.visible_by_guide(v, torch.cat((g, condition), 1)),
            self.guide_by_visible(g, torch.cat((v, condition), 1)),
        )
        x = first = self.merge(torch.cat((v, g, agreement.to(v.dtype)), 1))
        meaning = None if prompt is None else F.silu(self.embed_prompt(F.normalize(prompt, dim=1)))
        for block in self.body:
            x = block(x, condition, meaning)
        return FusionFeatures(x + first, agreement)

    def guide_residual(self, features: FusionFeatures) -> Tensor:
        """What the guided restoration adds to the visible picture: `(B,3,H,W)`."""
        return grid_to_residual(self.guide_head(features.body)) * F.interpolate(
            self.gate_map(features), scale_factor=GRID, mode="nearest"
        )

    def gate_map(self, features: FusionFeatures) -> Tensor:
        """How far the guide is trusted at every place: `(B,1,h,w)`, 0..1."""
        seen = torch.cat((features.body, features.agreement.to(features.body.dtype)), 1)
        return torch.sigmoid(self.gate(seen).float())

    def fused_luminance(self, features: FusionFeatures, visible: Tensor, guide: Tensor) -> Tensor:
        """The fused luminance `(B,1,H,W)`: at every place and level the stronger detail, and more.

        Both are split into planes from fine to coarse (the starlet). A plane of the result is a
        weighted mean of the two; the weight is a sigmoid of a prediction and of the difference
        of the local log-strengths, or, of what is left below the coarsest, of the brightness
        (both times a learned `preference`). So an untrained net takes the stronger one, softly.
        A predicted detail comes on top.
        """
        made = F.pixel_shuffle(self.fusion_head(features.body).float(), GRID)
        *logits, detail = made.split(1, 1)
        own, other = luminance(visible).float(), guide.float()
        return fuse_starlets(own, other, logits, self.preference) + 0.1 * detail

    def forward(
        self,
        visible: Tensor,
        guide: Tensor,
        clarity: Tensor,
        scale: int,
        mode: GuideMode = "guide",
        prompt: Tensor | None = None,
    ) -> Tensor:
        """Restore or fuse.

        Args:
            visible: `(B,3,H,W)`, about 0..1, sides multiples of `4 * total_stride`.
            guide: `(B,3,H,W)` or `(B,1,H,W)`, the other sensor, registered.
            clarity: `(B,2,H/4,W/4)`, 0..1: how clear the visible picture and the guide are.
            scale: SR factor.
            mode: "guide": the visible picture, restored with the guide's structures. "fuse": one
                picture with the visible picture's chroma.
            prompt: `(B,512)` embedding; None is exactly no effect.

        Returns:
            `(B,3,H,W)`, not clamped.
        """
        guide = luminance(guide)
        features = self.features(visible, guide, clarity, scale, prompt)
        if mode == "guide":
            return visible + self.guide_residual(features)
        fused = self.fused_luminance(features, visible, guide)
        return visible + (fused - luminance(visible).float())

    def _check(
        self, visible: Tensor, guide: Tensor, clarity: Tensor, prompt: Tensor | None
    ) -> None:
        unit = GRID * self.total_stride
        sides = f"(B,3,H,W) with sides that are multiples of {unit}"
        if visible.ndim != 4 or visible.shape[1] != 3 or any(v % unit for v in visible.shape[-2:]):
            raise ShapeError("visible", sides, tuple(visible.shape))
        b, _, height, width = visible.shape
        if guide.shape != (b, 1, height, width):
            raise ShapeError(
                "guide", f"that of visible, {tuple(visible.shape)}", tuple(guide.shape)
            )
        grid = (b, 2, height // GRID, width // GRID)
        if clarity.shape != grid:
            raise ShapeError("clarity", str(grid), tuple(clarity.shape))
        if prompt is not None and prompt.shape != (b, PROMPT_DIM):
            raise ShapeError("prompt", f"({b},{PROMPT_DIM})", tuple(prompt.shape))
