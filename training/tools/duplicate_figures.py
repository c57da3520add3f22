"""How many altered copies of photographs `data/duplicates.py` finds, and how many strangers.

`python -m training.tools.duplicate_figures --data DIR`
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..command import COUNT, Parser, run_main
from ..data.duplicates import LIMIT_BITS, PictureIndex, fingerprint
from ..data.photos import shard_pictures, shards_of

Alter = Callable[[Image.Image, np.random.Generator], Image.Image]
_ALL_BITS = 256


def resized(picture: Image.Image, factor: float) -> Image.Image:
    """The picture with both sides multiplied by a factor."""
    size = (round(picture.width * factor), round(picture.height * factor))
    return picture.resize(size, Image.Resampling.BICUBIC)


def compressed(picture: Image.Image, quality: int) -> Image.Image:
    """The picture as it comes back from a JPEG file."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue()))


def cropped(picture: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """The picture without a share of both sides, somewhere."""
    width, height = (round(side * (1 - share)) for side in picture.size)
    left = int(rng.integers(picture.width - width + 1))
    top = int(rng.integers(picture.height - height + 1))
    return picture.crop((left, top, left + width, top + height))


def one_side_cut(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture without a tenth on its left, right, upper or lower side."""
    left, top, right, bottom = 0, 0, *picture.size
    side = int(rng.integers(4))
    across, down = round(right / 10), round(bottom / 10)
    boxes = (
        (across, top, right, bottom),
        (left, top, right - across, bottom),
        (left, down, right, bottom),
        (left, top, right, bottom - down),
    )
    return picture.crop(boxes[side])


_GAMMA = [round(255 * (value / 255) ** 0.6) for value in range(256)]
ALTERED: dict[str, Alter] = {
    "half of the size": lambda p, rng: resized(p, 0.5),
    "a quarter of the size": lambda p, rng: resized(p, 0.25),
    "JPEG quality 40": lambda p, rng: compressed(p, 40),
    "mirrored": lambda p, rng: ImageOps.mirror(p),
    "grey": lambda p, rng: ImageOps.grayscale(p),
    "brighter (gamma .6)": lambda p, rng: p.point(_GAMMA * 3),
    "10 % of both sides cropped": lambda p, rng: cropped(p, 0.1, rng),
    "10 % cut off one side": lambda p, rng: one_side_cut(p, rng),
    "10 % cropped, mirrored, grey, half, JPEG 60": lambda p, rng: compressed(
        ImageOps.grayscale(resized(ImageOps.mirror(cropped(p, 0.1, rng)), 0.5)), 60
    ),
    "15 % of both sides cropped": lambda p, rng: cropped(p, 0.15, rng),
    "20 % of both sides cropped": lambda p, rng: cropped(p, 0.2, rng),
}  # fmt: skip


def main(given: Sequence[str] | None = None) -> None:
    """Print the share of copies that are found, and how near strangers come."""
    parser = Parser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos_*.tar")
    parser.add_argument("--every", type=COUNT, default=4, help="copies of every n-th photograph")
    args = parser.parse_args(given)
    photos = [pair for shard in shards_of(args.data, needed=True) for pair in shard_pictures(shard)]
    index, nearest = PictureIndex(_ALL_BITS), []
    for name, picture in photos:
        prints = fingerprint(picture)
        if match := index.closest(prints):
            nearest.append((match.bits, name, match.name))
        index.add(name, prints)
    wrong = sum(bits <= LIMIT_BITS for bits, *_ in nearest)
    pairs = len(photos) * (len(photos) - 1) // 2
    print(f"{len(photos)} photographs, {pairs} pairs: {wrong} taken for the same; the nearest:")
    for bits, *names in sorted(nearest)[:3]:
        print(f"  {bits} bits: {', '.join(names)}")
    chosen = photos[:: args.every]
    print(f"copies of {len(chosen)} photographs, found at most {LIMIT_BITS} bits away:")
    for title, alter in ALTERED.items():
        rng = np.random.default_rng(0)
        bits = []
        for _, picture in chosen:
            own = PictureIndex(_ALL_BITS)
            own.add("", fingerprint(picture))
            match = own.closest(fingerprint(alter(picture, rng)))
            bits.append(_ALL_BITS if match is None else match.bits)
        found = sum(b <= LIMIT_BITS for b in bits)
        median, most = int(np.median(bits)), max(bits)
        print(f"  {title:44s} {found:4d} of {len(bits)}; bits: median {median}, most {most}")


if __name__ == "__main__":
    sys.exit(run_main(main))
