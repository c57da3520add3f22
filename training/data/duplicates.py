"""Near duplicates of pictures, by perceptual hashes (imagehash).

A picture is reduced to its `phash` of 256 bits. Resizing, compression, grey and small changes of
tone move few of them; a crop moves many. So windows of 92 % of each side are hashed, too, and
mirrored: a picture and its crop share a window nearly. Measured in training/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mmsr_core.errors import InputError
from mmsr_core.image import load_image
from mmsr_core.optional import require

from .folders import find_pictures, to_image
from .photos import shard_pictures, shards_of

LIMIT_BITS = 70
"""Pictures that differ by no more of the 256 bits are taken for the same."""
_HASH_SIDE = 16
_THUMB_SIDE = 256
"""Shorter side of what is hashed, in px: windows of the whole picture would cost more."""
_WINDOW = 0.92
_ONES = np.array([bin(value).count("1") for value in range(256)], np.uint8)
"""How many bits of a byte are set; `np.bitwise_count` needs numpy 2."""

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("benchmarks/guard", "assets", "demo/mmsr_demo/examples")
"""Folders of this repository with pictures that are measured or shown: never training data."""


class Match(NamedTuple):
    """A picture that is nearly the same."""

    name: str
    bits: int
    """Of 256 that differ."""


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """The hashes of one picture."""

    windows: NDArray[np.uint8]
    """`(16,32)` bytes: the whole picture first, then its windows."""
    mirrored: NDArray[np.uint8]
    """The same of the mirrored picture."""


def fingerprint(picture: Image.Image) -> Fingerprint:
    """Hash a picture of any size and mode."""
    hashing = require("imagehash", "train", "Finding near duplicates")
    grey = picture.convert("L")
    factor = _THUMB_SIDE / min(grey.size)
    if factor < 1:
        size = (max(1, round(grey.width * factor)), max(1, round(grey.height * factor)))
        grey = grey.resize(size, Image.Resampling.BOX)

    def hashes(whole: Image.Image) -> NDArray[np.uint8]:
        found = [hashing.phash(part, _HASH_SIDE).hash.ravel() for part in _windows(whole)]
        return np.packbits(np.stack(found), axis=1)

    return Fingerprint(hashes(grey), hashes(ImageOps.mirror(grey)))


def _windows(picture: Image.Image) -> Iterator[Image.Image]:
    yield picture
    for across, down in ((_WINDOW, _WINDOW), (1.0, _WINDOW), (_WINDOW, 1.0)):
        width, height = round(picture.width * across), round(picture.height * down)
        free = (picture.width - width, picture.height - height)
        across_at = (0, free[0] // 2, free[0]) if across < 1 else (0,)
        down_at = (0, free[1] // 2, free[1]) if down < 1 else (0,)
        for x in across_at:
            for y in down_at:
                yield picture.crop((x, y, x + width, y + height))


class PictureIndex:
    """Pictures that others are compared with."""

    def __init__(self, limit_bits: int = LIMIT_BITS) -> None:
        """Args: how many of 256 bits may differ."""
        self.limit_bits = limit_bits
        self._names: list[str] = []
        self._rows = np.zeros((0, 0, 0), np.uint8)
        """`(capacity,2k,32)`: windows and mirrored windows; more rows than are used."""

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str, prints: Fingerprint) -> None:
        """Remember a picture."""
        row = np.concatenate((prints.windows, prints.mirrored))
        count = len(self._names)
        if count == len(self._rows):
            grown = np.zeros((max(64, 2 * count), *row.shape), np.uint8)
            if count:
                grown[:count] = self._rows
            self._rows = grown
        self._rows[count] = row
        self._names.append(name)

    def closest(self, prints: Fingerprint) -> Match | None:
        """The picture that lies nearest, if one is within the limit.

        The whole picture is compared with the others' windows, and its windows with the whole of
        the others, each of them mirrored, too.
        """
        if not self._names:
            return None
        rows = self._rows[: len(self._names)]
        half = rows.shape[1] // 2
        bits = _distance(rows, prints.windows[0]).min(1)
        for window in prints.windows[1:]:
            bits = np.minimum(bits, _distance(rows[:, (0, half)], window).min(1))
        best = int(bits.argmin())
        found = Match(self._names[best], int(bits[best]))
        return found if found.bits <= self.limit_bits else None


def _distance(rows: NDArray[np.uint8], one: NDArray[np.uint8]) -> NDArray[np.int64]:
    return _ONES[np.bitwise_xor(rows, one)].sum(-1, dtype=np.int64)


def add_folder(index: PictureIndex, folder: str | Path) -> int:
    """Remember every picture in a folder and below it, and in its `photos_*.tar`.

    Args:
        index: what to add to.
        folder: pictures that others must not be like, such as a test set.

    Returns:
        The number of pictures.

    Raises:
        InputError: there is none, or one cannot be read: it could not be kept out.
    """
    before = len(index)
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is not a folder. Give one with the pictures to keep out.")
    for path in find_pictures(Path(folder)):
        index.add(str(path), fingerprint(to_image(load_image(path).visible_rgb)))
    for shard in shards_of(folder):
        for name, picture in shard_pictures(shard):
            index.add(f"{shard}: {name}", fingerprint(picture))
    if len(index) == before:
        raise InputError(f"{folder} has no pictures. Give a folder with the pictures to keep out.")
    return len(index) - before


def add_shipped(index: PictureIndex) -> int:
    """Remember the guard's and the examples' pictures of this repository; returns their number."""
    return sum(add_folder(index, ROOT / folder) for folder in SHIPPED)
