"""Registered pairs of a visible and an infrared picture, and a pool of restored crops of them.

Restoring is the costly part of training the fusion net, so crops are degraded and restored once
(`restore_pool`), and training draws smaller, turned windows from the pool.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.degradation import KernelField, SynthesisConfig, synthesise
from mmsr_core.image import luminance
from mmsr_core.models import KernelEstimator, MeanNet
from mmsr_core.pipeline.second_sensor import clarity_map

from ..losses.fusion import fusion_target
from .restoration import prepare_conditions, to_grid, whole_damage

BYTES, HALVES = ("hr_visible", "hr_guide", "target"), ("visible", "guide", "clarity")
POOL_KEYS = (*BYTES, *HALVES, "scale")
"""What a pool holds: of HR pictures bytes, of restored ones and their clarity float16."""


BLOCK = 5
"""Neighbouring pictures of a drive look alike, so pairs are held out in blocks of this many."""
EVERY = 6
"""One block in so many is held out."""


def held_out_pairs(names: Sequence[str]) -> list[str]:
    """The names that are set aside for measuring: of 181, 30. Training never sees them.

    Sorted by name and cut into blocks of five; the sixth block of every six is held out.
    """
    ordered = sorted(names)
    blocks = [ordered[i : i + BLOCK] for i in range(0, len(ordered), BLOCK)]
    return [name for block in blocks[EVERY - 1 :: EVERY] for name in block]


@dataclass(frozen=True, eq=False)
class Pair:
    """One scene seen by two sensors."""

    name: str
    visible: np.ndarray
    """`(H,W,3)` uint8."""
    infrared: np.ndarray
    """`(H,W)` uint8."""


def load_pairs(archive: str | Path) -> list[Pair]:
    """All pairs of `infrared_visible.tar` (`roadscene/visible|infrared`, `msrs/vi|ir`), by name."""
    found: dict[str, dict[str, np.ndarray]] = {}
    kinds = {"visible": "visible", "vi": "visible", "infrared": "infrared", "ir": "infrared"}
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            handle = tar.extractfile(member) if member.isfile() else None
            if handle is None or len(parts) < 3 or parts[-2] not in kinds:
                continue
            kind = kinds[parts[-2]]
            mode = "RGB" if kind == "visible" else "L"
            picture = np.asarray(Image.open(io.BytesIO(handle.read())).convert(mode))
            found.setdefault(f"{parts[-3]}/{Path(parts[-1]).stem}", {})[kind] = picture
    whole = {k: v for k, v in found.items() if len(v) == 2}
    return [Pair(k, v["visible"], v["infrared"]) for k, v in sorted(whole.items())]


def split_pairs(pairs: list[Pair], validation: int = 10) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs; the pairs held out for `mmsr bench fusion` are in neither.

    Validation pairs are the RoadScene pairs before each held-out block.
    """
    road = [p.name for p in pairs if p.name.startswith("roadscene/")]
    held_out = set(held_out_pairs(road))
    before = [a for a, b in pairwise(road) if b in held_out and a not in held_out]
    near = [road[road.index(name) - 1] for name in before]
    chosen = set((before + near)[:validation])
    train = [p for p in pairs if p.name not in held_out and p.name not in chosen]
    return train, [p for p in pairs if p.name in chosen]


@lru_cache(maxsize=8)
def _whole_pair(pair: Pair, levels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Both pictures and their `fusion_target`: `(3,H,W)` and twice `(1,H,W)`, 0..1."""
    visible = torch.from_numpy(pair.visible.copy()).permute(2, 0, 1).float() / 255
    infrared = torch.from_numpy(pair.infrared.copy())[None].float() / 255
    return visible, infrared, fusion_target(visible[None], infrared[None], levels)[0]


def crop_pair(
    pair: Pair, size: int, levels: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A random window of both pictures and of what they fuse to, 0..1.

    `(3,size,size)` and twice `(1,size,size)`; the last cut from the whole's `fusion_target`.
    """
    height, width = pair.infrared.shape
    top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    window = np.s_[..., top : top + size, left : left + size]
    visible, infrared, target = (part[window].clone() for part in _whole_pair(pair, levels))
    return visible, infrared, target


class Restorer:
    """The frozen first stages on crops: DKENet without depth, back-projection, the mean net."""

    def __init__(self, estimator: KernelEstimator, mean_net: MeanNet) -> None:
        """Args: the trained networks, in eval mode."""
        self.estimator = estimator
        self.mean_net = mean_net

    @torch.no_grad()
    def __call__(self, lr: Tensor, scale: int) -> tuple[Tensor, Tensor]:
        """`(B,3,h,w)` (sides multiples of 4) to the restored `(B,3,H,W)` and clarity at h, w."""
        found = self.estimator(lr, scale, None)
        kernels = found.kernels
        noise_std, quality = whole_damage(found)
        codes = self.mean_net.config["kernel_codes"]
        given = prepare_conditions(
            lr, scale, kernels, noise_std, quality, self.estimator.basis, codes
        )
        restored = self.mean_net(
            given.base, given.back_projected, given.codes, given.global_conditions
        )
        field = KernelField(kernels, scale, None, checked=True)
        return restored, clarity_map(field, noise_std, quality)


def restore_pool(
    pairs: list[Pair],
    restore: Restorer,
    count: int,
    size: int,
    seed: int,
    plain_share: float = 0.17,
    levels: int = 5,
) -> Iterator[dict[str, Tensor]]:
    """`count` crops, degraded (each source on its own) and restored; see `POOL_KEYS`.

    Scales: 4 for 80 % of the crops, 2 for 8 %, 8 for 12 %. 60 % of the sources are blurred only.
    Of the crops, `plain_share` are reduced bicubically instead, as in many published comparisons.
    `levels` is that of the net's starlet.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    config = SynthesisConfig(clean_share=0.6)
    for index in range(count):
        scale = int(rng.choice((4, 2, 8), p=(0.80, 0.08, 0.12)))
        pair = pairs[index * len(pairs) // count]  # crops of one pair follow each other
        visible, infrared, target = crop_pair(pair, size, levels, rng)
        item = {"hr_visible": visible, "hr_guide": infrared, "target": target}
        item["scale"] = torch.tensor(scale)
        clarities = []
        plain = bool(rng.random() < plain_share)
        for key, hr in (("visible", visible), ("guide", infrared.expand(3, -1, -1))):
            if plain:
                small = (size // scale, size // scale)
                lr = F.interpolate(hr[None], size=small, mode="bicubic", antialias=True)
                lr = lr.clamp(0, 1).mul(255).round().div(255)
            else:
                lr = synthesise(hr[None].contiguous(), scale, generator, config).lr
            restored, clarity = restore(lr, scale)
            restored = restored.clamp(0, 1)
            item[key] = (restored if key == "visible" else luminance(restored))[0]
            clarities.append(to_grid(clarity, (size // 4, size // 4))[0])
        yield item | {"clarity": torch.cat(clarities)}


def stack_pool(items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """A pool in little memory: HR pictures as bytes, the rest in fp16."""
    pool = {key: torch.stack([item[key] for item in items]) for key in POOL_KEYS}
    for key in BYTES:
        pool[key] = pool[key].mul(255).round().byte()
    for key in HALVES:
        pool[key] = pool[key].half()
    return pool
