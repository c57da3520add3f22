"""A scene: everything the mean net and the denoiser are given, before it is cut into tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..degradation import KernelBasis, KernelField, jpeg_error_std, row_sums
from ..models import MODALITIES
from ..tiling import Tile, grid_window
from .evidence import Evidence

CANVAS_MULTIPLE = 16
DENSE_SITES = 192 * 192
"""Kernel fields up to this many LR sites (65 MB) are expanded once; larger ones by windows."""


class Damage(Protocol):
    """What both a kernel stage and a degradation estimate know about noise and JPEG."""

    @property
    def noise_std(self) -> Tensor:
        """`(B,)`, 0..1 units."""
        ...

    @property
    def jpeg_quality(self) -> Tensor:
        """`(B,)`, 1..100."""
        ...


@dataclass(frozen=True)
class Scene:
    """What the mean net and the denoiser are given, before it is cut into tiles."""

    lr: Tensor
    scale: int
    field: KernelField
    codes: Tensor
    """`(B,R,h',w')` in the estimator's basis: at the LR sites, or at blocks of them."""
    codes_scale: int
    """HR px from one code to the next: the scale times the block."""
    depth: Tensor | None
    amounts: dict[str, Tensor]
    """Strength x mask of each modality: `(B,1,1,1)` or `(B,1,h,w)`."""
    noise_std: Tensor
    jpeg_quality: Tensor
    sums: Tensor
    """`row_sums(field)`."""
    prompt: Tensor | None = None
    """`(B,512)` embedding."""
    guide: Tensor | None = None
    """`(B,3,gh,gw)`: a second sensor's picture as it came."""
    guide_mode: str = "guide"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the HR picture."""
        return self.lr.shape[-2] * self.scale, self.lr.shape[-1] * self.scale

    @property
    def canvas_size(self) -> tuple[int, int]:
        """(height, width) of the padded HR canvas."""
        height, width = self.size
        return height + -height % CANVAS_MULTIPLE, width + -width % CANVAS_MULTIPLE

    @property
    def unexplained_std(self) -> Tensor:
        """Std `(B,)` of what blur does not explain in the input: noise and JPEG, 0..1 units."""
        return torch.hypot(self.noise_std, jpeg_error_std(self.jpeg_quality))

    def picture(self, canvas: Tensor) -> Tensor:
        """The picture's part of a canvas."""
        height, width = self.size
        return canvas[..., :height, :width]

    def has(self, name: str) -> bool:
        """Whether a modality has any effect, anywhere in the batch."""
        return bool((self.amounts[name] > 0).any())

    def amount(self, name: str, tile: Tile) -> Tensor:
        """Strength x mask of a modality on a window of the grid, or `(B,1,1,1)`."""
        amount = self.amounts[name]
        if tuple(amount.shape[-2:]) == (1, 1):
            return amount
        return grid_window(amount, self.scale, tile)


def make_scene(
    basis: KernelBasis,
    lr: Tensor,
    scale: int,
    field: KernelField,
    depth: Tensor | None,
    damage: Damage,
    strengths: Mapping[str, float],
    masks: Mapping[str, Tensor],
    evidence: Evidence | None = None,
) -> Scene:
    """Bring the evidence about `lr` together on its device."""
    amounts: dict[str, Tensor] = {}
    for name in MODALITIES:
        strength = torch.full((1, 1, 1, 1), strengths.get(name, 1.0), device=lr.device)
        mask = masks.get(name)
        amount = strength if mask is None else strength * mask.to(lr.device)
        amounts[name] = amount.expand(lr.shape[0], -1, -1, -1)
    work = field.expanded(DENSE_SITES)
    extra = evidence or Evidence()
    prompt = extra.prompt.to(lr) if isinstance(extra.prompt, Tensor) else None
    return Scene(
        lr=lr,
        scale=scale,
        field=work,
        codes=field.codes(basis).expand(lr.shape[0], -1, -1, -1),
        codes_scale=scale * (field.block if field.basis is basis else 1),
        depth=depth,
        amounts=amounts,
        noise_std=damage.noise_std.to(lr).expand(lr.shape[0]),
        jpeg_quality=damage.jpeg_quality.to(lr).expand(lr.shape[0]),
        sums=row_sums(work),
        prompt=prompt,
        guide=extra.guide,
        guide_mode=extra.guide_mode,
    )


def adopt(field: KernelField, basis: KernelBasis, device: torch.device) -> KernelField:
    """`field` on `device`. Codes in a copy of `basis` are taken over, not encoded again."""
    own = field.basis
    if own is None:
        return field.to(device)
    pairs = zip(
        (own.mean, own.components, own.spread),
        (basis.mean, basis.components, basis.spread),
        strict=True,
    )
    if own is basis or all(torch.equal(a.to(b), b) for a, b in pairs):
        return field.stored_as(field.data.to(device), basis)
    return field.to(device)
