"""All photographs in the memory of one device, cropped there: no loop over the items of a batch.

`photos.patches` crops one photograph after the other on the CPU. On a GPU that is what training
waits for. Here the pixels of all photographs lie in one row, and a batch is one gather from it.
All patches of a batch are reduced by the same factor; the batches differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.errors import InputError

from .photos import Photo

_DEPTH_SIDE = 96
"""Depth maps are kept at this size: they are smooth."""


class PhotoStore:
    """Photographs, their depth and the embeddings of their captions, on one device."""

    def __init__(
        self,
        photos: list[Photo],
        device: torch.device,
        prompts: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Move everything to the device.

        Args:
            photos: at least one.
            device: where patches are made.
            prompts: embeddings `(k,512)` by the name of the photograph.
        """
        heights, widths = zip(
            *((p.pixels.shape[0], p.pixels.shape[1]) for p in photos), strict=True
        )
        areas = np.array(heights) * np.array(widths)
        starts = np.concatenate(([0], areas.cumsum()[:-1]))
        rows = [torch.from_numpy(p.pixels.copy()).reshape(-1, 3) for p in photos]
        self.device = device
        self._pixels = torch.cat(rows).to(device)
        self._start = torch.from_numpy(starts).to(device)
        self._height = torch.tensor(heights, device=device)
        self._width = torch.tensor(widths, device=device)
        self._shortest = [min(h, w) for h, w in zip(heights, widths, strict=True)]
        self._weight = torch.from_numpy(areas**0.5).float().to(device)
        self._depth = torch.stack([_small_depth(p.depth) for p in photos]).to(device)
        known = [_captions(prompts, p.name) for p in photos]
        self._captions = torch.cat(known).to(device)
        counts = torch.tensor([len(k) for k in known])
        self._caption_count = counts.to(device)
        self._caption_start = (counts.cumsum(0) - counts).to(device)

    def batches(
        self, count: int, size: int, seed: int, shrink: tuple[float, float] = (0.55, 0.95)
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Endless batches: `(B,3,size,size)`, depth `(B,1,size/4,size/4)`, prompts `(B,512)`.

        0..1 both; NaN throughout where a photograph has no depth, or no caption.

        Args:
            count: patches of a batch.
            size: HR px a side, a multiple of 4, at most the shortest side of all photographs.
            seed: of everything random.
            shrink: range of the factor by which the patches of a batch are reduced.

        Raises:
            InputError: a photograph is smaller than `size`.
        """
        shortest = min(self._shortest)
        if shortest < size:
            raise InputError(
                f"A photograph has a side of {shortest} px, but patches have {size} px. Make "
                "--patch smaller, or leave such photographs out."
            )
        generator = torch.Generator(self.device).manual_seed(seed)
        dice = np.random.default_rng(seed)  # of what holds for a whole batch
        while True:
            span = min(round(size / float(dice.uniform(*shrink))), shortest)
            yield self._batch(count, size, span, generator)

    def _batch(
        self, count: int, size: int, span: int, g: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        def rand(n: int) -> Tensor:
            return torch.rand(n, generator=g, device=self.device)

        chosen = torch.multinomial(self._weight, count, replacement=True, generator=g)
        height, width = self._height[chosen], self._width[chosen]
        top = (rand(count) * (height - span + 1)).long()
        left = (rand(count) * (width - span + 1)).long()
        turned, down, across = (rand(count) < 0.5 for _ in range(3))
        rows, cols = _turned_grid(span, turned, down, across, self.device)
        at = (top[:, None, None] + rows) * width[:, None, None] + left[:, None, None] + cols
        picture = self._pixels[self._start[chosen][:, None, None] + at]
        picture = picture.permute(0, 3, 1, 2).float() / 255
        if span != size:
            picture = F.interpolate(picture, size=(size, size), mode="bicubic", antialias=True)
        depth = self._depth_of(chosen, top, left, height, width, span, (turned, down, across), size)
        pick = self._caption_start[chosen] + (rand(count) * self._caption_count[chosen]).long()
        return picture.clamp(0, 1), depth, self._captions[pick]

    def _depth_of(
        self,
        chosen: Tensor,
        top: Tensor,
        left: Tensor,
        height: Tensor,
        width: Tensor,
        span: int,
        turn: tuple[Tensor, Tensor, Tensor],
        size: int,
    ) -> Tensor:
        rows, cols = _turned_grid(size // 4, *turn, self.device)
        step = 4 * span / size
        y = (top[:, None, None] + (rows + 0.5) * step) / height[:, None, None]
        x = (left[:, None, None] + (cols + 0.5) * step) / width[:, None, None]
        grid = torch.stack((x, y), -1) * 2 - 1
        found = F.grid_sample(self._depth[chosen], grid, "bilinear", "border", align_corners=False)
        return found.clamp(0, 1)


def _turned_grid(
    side: int, turned: Tensor, down: Tensor, across: Tensor, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Row and column `(B,side,side)` that each place of a flipped and turned patch comes from."""
    line = torch.arange(side, device=device)
    rows = line.view(1, -1, 1).expand(len(turned), side, side)
    cols = line.view(1, 1, -1).expand(len(turned), side, side)
    turned, down, across = (flag.view(-1, 1, 1) for flag in (turned, down, across))
    rows, cols = torch.where(turned, cols, rows), torch.where(turned, rows, cols)
    return torch.where(down, side - 1 - rows, rows), torch.where(across, side - 1 - cols, cols)


def _small_depth(depth: np.ndarray | None) -> Tensor:
    if depth is None:
        return torch.full((1, _DEPTH_SIDE, _DEPTH_SIDE), float("nan"))
    whole = torch.from_numpy(depth.copy())[None, None].float() / 255
    size = (_DEPTH_SIDE, _DEPTH_SIDE)
    return F.interpolate(whole, size=size, mode="bilinear", antialias=True)[0]


def _captions(prompts: Mapping[str, Tensor] | None, name: str) -> Tensor:
    known = None if prompts is None else prompts.get(name)
    if known is None or not len(known):
        return torch.full((1, 512), float("nan"))
    return known.float()
