"""Photographs as training patches: decoded once, kept in memory as bytes, cropped at random."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.errors import InputError
from mmsr_core.image import INPUT_SUFFIXES

HELD_OUT = 24
"""Photographs of a data folder that training never sees: the validation set of the trainers."""
SHARD_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
"""Pictures in `photos_*.tar`."""
LIST_FILE = "photos.json"
"""Beside them: a list of objects with `name`, `source`, `licence`, `captions` and more."""


@dataclass(frozen=True)
class Photo:
    """One photograph and, where it is known, its relative inverse depth."""

    name: str
    pixels: np.ndarray
    """`(H,W,3)` uint8."""
    depth: np.ndarray | None
    """`(h,w)` uint8 inverse depth of the whole picture, near = 255."""


def load_photos(folder: str | Path, depth_file: str | Path | None = None) -> list[Photo]:
    """All pictures of `photos_*.tar` in `folder`, in the order of their names.

    Args:
        folder: where the shards are.
        depth_file: npz made by `training.data.photo_depth`; without it pictures have no depth.

    Raises:
        InputError: there are no shards.
    """
    depths: dict[str, np.ndarray] = {}
    if depth_file is not None and Path(depth_file).is_file():
        with np.load(depth_file) as archive:
            depths = {name: archive[name] for name in archive.files}
    photos = []
    for shard in shards_of(folder, needed=True):
        for name, picture in shard_pictures(shard):
            depth = depths.get(name, depths.get(Path(name).stem))
            photos.append(Photo(name, np.asarray(picture), depth))
    return sorted(photos, key=lambda p: p.name)


def shards_of(folder: str | Path, needed: bool = False) -> list[Path]:
    """`photos_*.tar` of a folder, sorted.

    Raises:
        InputError: there are none, and they are `needed`.
    """
    found = sorted(Path(folder).glob("photos_*.tar"))
    if needed and not found:
        plain = sum(p.suffix.lower() in INPUT_SUFFIXES for p in Path(folder).rglob("*"))
        remedy = (
            f"Its {plain} picture files must be packed first: "
            f"python -m training.tools.pack_photos --photos {folder} --out DIR"
            if plain
            else "Expected a folder made by python -m training.tools.pack_photos."
        )
        raise InputError(f"{folder} has no photos_*.tar. {remedy}")
    return found


def shard_pictures(shard: Path) -> Iterator[tuple[str, Image.Image]]:
    """Name and picture (RGB) of everything in a shard, in its order."""
    with tarfile.open(shard) as tar:
        for member in tar:
            handle = tar.extractfile(member) if member.isfile() else None
            if handle is None or Path(member.name).suffix.lower() not in SHARD_SUFFIXES:
                continue
            with Image.open(io.BytesIO(handle.read())) as picture:
                yield Path(member.name).name, picture.convert("RGB")


def read_list(folder: str | Path) -> list[dict[str, Any]]:
    """What `photos.json` says of each picture; nothing where there is no such file.

    Raises:
        InputError: it is no list of objects with names.
    """
    path = Path(folder) / LIST_FILE
    return read_rows(path) if path.is_file() else []


def read_rows(path: Path, *needed: str) -> list[dict[str, Any]]:
    """The objects of a `photos.json`.

    Raises:
        InputError: it cannot be read, or an object lacks its name or a `needed` list.
    """
    try:
        rows: Any = json.loads(path.read_text(encoding="utf-8"))
        for row in rows:
            for key in needed:
                list(row[key])
        return [{**row, "name": str(row["name"])} for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be used ({error}). "
            f"Expected a list of objects with {' and '.join(('name', *needed))}."
        ) from error


def only_named(photos: list[Photo], patterns: Sequence[str]) -> list[Photo]:
    """The photographs whose name fits one of the patterns, such as `hires_*`.

    Raises:
        InputError: none does.
    """
    found = [p for p in photos if any(fnmatchcase(p.name, pattern) for pattern in patterns)]
    if not found:
        kinds = sorted({p.name.split("_")[0] + "_*" for p in photos})[:12]
        raise InputError(
            f"No photograph is called {' or '.join(patterns)}. Names here: {', '.join(kinds)}."
        )
    return found


def split(photos: list[Photo], held_out: int = HELD_OUT) -> tuple[list[Photo], list[Photo]]:
    """Training and validation pictures: every n-th by name is held out.

    Args:
        photos: sorted by name.
        held_out: how many; of few photographs at most a tenth, but one.
    """
    held_out = min(held_out, max(1, len(photos) // 10))
    step = max(1, len(photos) // held_out)
    validation = photos[::step][:held_out]
    names = {p.name for p in validation}
    return [p for p in photos if p.name not in names], validation


def crop_patch(
    photo: Photo, size: int, rng: np.random.Generator, shrink: tuple[float, float]
) -> tuple[Tensor, Tensor | None]:
    """A random patch `(3,size,size)` in 0..1 and its depth `(1,size/4,size/4)`.

    The picture is downscaled by a random factor of `shrink` (which cleans the slight compression of
    the photographs), the patch flipped and turned at random.
    """
    height, width = photo.pixels.shape[:2]
    factor = rng.uniform(*shrink) * (1.0 if min(height, width) < 700 else rng.uniform(0.6, 1.0))
    factor = min(1.0, max(factor, size / min(height, width)))
    span = min(round(size / factor), height, width)
    top, left = int(rng.integers(height - span + 1)), int(rng.integers(width - span + 1))
    pixels = photo.pixels[top : top + span, left : left + span]
    patch = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    if span != size:
        patch = F.interpolate(patch, size=(size, size), mode="bicubic", antialias=True).clamp_(0, 1)
    depth = None
    if photo.depth is not None:
        h, w = photo.depth.shape
        y0, y1 = (
            int(top / height * h),
            max(int((top + span) / height * h), int(top / height * h) + 2),
        )
        x0, x1 = (
            int(left / width * w),
            max(int((left + span) / width * w), int(left / width * w) + 2),
        )
        piece = photo.depth[y0:y1, x0:x1].copy()
        depth = torch.from_numpy(piece)[None, None].float() / 255
        depth = F.interpolate(depth, size=(size // 4, size // 4), mode="bilinear")[0]
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    patch = torch.rot90(patch[0], turns, (-2, -1))
    depth = None if depth is None else torch.rot90(depth, turns, (-2, -1))
    if flip:
        patch = patch.flip(-1)
        depth = None if depth is None else depth.flip(-1)
    return patch, depth


def patches(
    photos: list[Photo],
    batch: int,
    size: int,
    seed: int,
    shrink: tuple[float, float] = (0.55, 0.95),
    on_choice: Callable[[list[Photo]], None] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches: pictures `(B,3,size,size)` and depth `(B,1,size/4,size/4)`, 0..1.

    Where a photograph has no depth the map is NaN throughout. `on_choice` is told the photographs
    of each batch before it comes.
    """
    rng = np.random.default_rng(seed)
    weights = np.array([p.pixels.shape[0] * p.pixels.shape[1] for p in photos], float) ** 0.5
    weights /= weights.sum()
    missing = torch.full((1, size // 4, size // 4), float("nan"))
    while True:
        chosen = rng.choice(len(photos), batch, p=weights)
        if on_choice is not None:
            on_choice([photos[i] for i in chosen])
        pairs = [crop_patch(photos[i], size, rng, shrink) for i in chosen]
        yield (
            torch.stack([p for p, _ in pairs]),
            torch.stack([missing if d is None else d for _, d in pairs]),
        )
