"""Training pictures for depth: RGB-D frames and rendered scenes, softened like small photos."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from mmsr_core.errors import InputError

from ..losses.depth import resize_masked
from ..scenes.render import render_scene
from ..scenes.textures import TextureBank
from .photos import shard_pictures

HELD_OUT_FRAMES = 14
HELD_OUT_SEED = 10_000_000
INVALID_DEPTHS = (0, 65535)


@dataclass
class DepthSet:
    """Pictures of one size with inverse depth."""

    images: NDArray[np.uint8]
    """`(N,H,W,3)`."""
    inverse: NDArray[np.float32]
    """`(N,H,W)` in 1/m; 0 is infinitely far, NaN unknown."""

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: NDArray) -> tuple[Tensor, Tensor, Tensor]:
        """Images `(B,3,H,W)` 0..1, inverse depth and validity `(B,1,H,W)`."""
        images = torch.from_numpy(self.images[index]).permute(0, 3, 1, 2).float() / 255
        inverse = torch.from_numpy(self.inverse[index].astype(np.float32))[:, None]
        valid = torch.isfinite(inverse)
        return images, torch.where(valid, inverse, 0.0), valid


def read_photos(
    path: Path, limit: int | None = None, only: Sequence[str] = ("*",)
) -> list[NDArray[np.uint8]]:
    """The photographs of a shard whose name fits a pattern, at most 640 px on the long side.

    Raises:
        InputError: there are none.
    """
    photos = []
    for name, picture in shard_pictures(path):
        if not any(fnmatchcase(name, pattern) for pattern in only):
            continue
        picture.thumbnail((640, 640), Image.Resampling.BOX)
        photos.append(np.asarray(picture))
        if len(photos) == limit:
            break
    if not photos:
        raise InputError(f"{path} has no picture called {' or '.join(only)}. See --only.")
    return photos


def read_rgbd(path: Path, size: tuple[int, int] = (240, 320)) -> tuple[DepthSet, DepthSet]:
    """The RGB-D frames of a tar file as (training, held-out) sets; the last frames are held out."""
    images, inverse = [], []
    with tarfile.open(path) as archive:
        names = sorted(n for n in archive.getnames() if n.endswith(".color.jpg"))
        for name in names:
            colour = archive.extractfile(name)
            depth = archive.extractfile(name.replace(".color.jpg", ".depth.png"))
            if colour is None or depth is None:
                raise InputError(f"{path} has no depth picture for {name}.")
            picture = Image.open(io.BytesIO(colour.read())).convert("RGB")
            images.append(np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BOX)))
            millimetres = np.asarray(Image.open(io.BytesIO(depth.read()))).astype(np.float32)
            millimetres = (
                millimetres[1::2, 1::2]
                if millimetres.shape[0] == 2 * size[0]
                else np.asarray(
                    Image.fromarray(millimetres).resize(
                        (size[1], size[0]), Image.Resampling.NEAREST
                    )
                )
            )
            unknown = np.isin(millimetres, INVALID_DEPTHS)
            inverse.append(np.where(unknown, np.nan, 1000 / np.maximum(millimetres, 1)))
    stacked = DepthSet(np.stack(images), np.stack(inverse).astype(np.float32))
    cut = len(stacked) - HELD_OUT_FRAMES
    return (
        DepthSet(stacked.images[:cut], stacked.inverse[:cut]),
        DepthSet(stacked.images[cut:], stacked.inverse[cut:]),
    )


def render_set(
    count: int, first_seed: int, bank: TextureBank, size: tuple[int, int], cache: Path | None = None
) -> DepthSet:
    """Render scenes, or read them back from `cache` if they are there."""
    if cache is not None and cache.is_file():
        with np.load(cache) as stored:
            if stored["images"].shape == (count, *size, 3):
                return DepthSet(stored["images"], stored["inverse"])
    images = np.empty((count, *size, 3), np.uint8)
    inverse = np.empty((count, *size), np.float32)
    for k in tqdm(range(count), desc="rendering scenes", mininterval=5):
        scene = render_scene(first_seed + k, *size, bank=bank)
        images[k] = (scene.image.transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)
        inverse[k] = scene.inverse_depth
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = cache.with_suffix(".tmp")
        with temporary.open("wb") as handle:
            np.savez(handle, images=images, inverse=inverse)
        os.replace(temporary, cache)
    return DepthSet(images, inverse)


def normalised_target(
    inverse: Tensor, valid: Tensor, low: float = 0.02, high: float = 0.98
) -> Tensor:
    """Inverse depth mapped to 0..1 between two quantiles of the valid pixels, per picture."""
    result = torch.zeros_like(inverse)
    for k in range(inverse.shape[0]):
        known = inverse[k][valid[k]]
        if known.numel() < 16:
            continue
        known = known.sort().values
        a, b = known[int(low * (known.numel() - 1))], known[int(high * (known.numel() - 1))]
        result[k] = ((inverse[k] - a) / (b - a).clamp_min(1e-6)).clamp(-0.1, 1.1)
    return result


def soften(images: Tensor, inverse: Tensor, rng: np.random.Generator) -> Tensor:
    """Colour changes, blur (even, or out of focus by depth), noise and JPEG."""
    count = images.shape[0]

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, 1, 1, 1)).astype(np.float32))

    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (count, 3, 1, 1)).astype(np.float32))
    mean = images.mean((1, 2, 3), keepdim=True)
    images = ((images - mean) * draw(0.6, 1.3) + mean) * gain * draw(0.75, 1.25)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * draw(0.0, 1.4)
    if rng.random() < 0.6:
        images = _blur(images, inverse, rng)
    if rng.random() < 0.6:
        images = images + torch.from_numpy(rng.standard_normal(images.shape, np.float32)) * draw(
            0, 0.08
        )
    images = images.clamp(0, 1)
    for k in np.flatnonzero(rng.random(count) < 0.3):
        images[k] = _jpeg(images[k], int(rng.integers(25, 95)))
    return images


def _blur(images: Tensor, inverse: Tensor, rng: np.random.Generator) -> Tensor:
    sigma = rng.uniform(0.4, 2.2)
    soft = _gaussian(images, sigma)
    if rng.random() < 0.5:
        return soft
    lowest, highest = inverse.amin((2, 3), keepdim=True), inverse.amax((2, 3), keepdim=True)
    focus = 1.0 if rng.random() < 0.6 else rng.random()
    near = (inverse - lowest) / (highest - lowest).clamp_min(1e-6)
    amount = ((near - focus).abs() * 2 * rng.uniform(0.5, 1.5)).clamp(0, 2)
    amount = _gaussian(amount, 1.0)
    softer = _gaussian(soft, 2 * sigma)
    first, second = amount.clamp(0, 1), (amount - 1).clamp(0, 1)
    return images + (soft - images) * first + (softer - soft) * second


def _gaussian(x: Tensor, sigma: float) -> Tensor:
    radius = max(1, int(2.5 * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).tolist()
    # Shifted sums: single-channel convolutions with odd window shapes can stall on some CPUs.
    for axis in (-1, -2):
        pad = (radius, radius, 0, 0) if axis == -1 else (0, 0, radius, radius)
        padded, length = F.pad(x, pad, mode="replicate"), x.shape[axis]
        x = padded.narrow(axis, 0, length) * taps[0]
        for k in range(1, len(taps)):
            x.add_(padded.narrow(axis, k, length), alpha=taps[k])
    return x


def _jpeg(image: Tensor, quality: int) -> Tensor:
    array = (image.permute(1, 2, 0) * 255 + 0.5).to(torch.uint8).numpy()
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(buffer)).astype(np.float32) / 255
    return torch.from_numpy(decoded).permute(2, 0, 1)


def batches(
    real: DepthSet,
    rendered: DepthSet,
    batch_size: int,
    real_share: float,
    sizes: list[tuple[int, int]],
    seed: int,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Endless batches of (picture, target 0..1, valid), one random size each."""
    rng = np.random.default_rng(seed)
    real_count = round(batch_size * real_share)
    while True:
        size = sizes[int(rng.integers(len(sizes)))]
        parts = []
        for source, count in ((real, real_count), (rendered, batch_size - real_count)):
            if count:
                index = rng.integers(0, len(source), count)
                parts.append(_crop(source.batch(index), size, rng))
        images, inverse, valid = (torch.cat(p) for p in zip(*parts, strict=True))
        if rng.random() < 0.5:
            images, inverse, valid = images.flip(-1), inverse.flip(-1), valid.flip(-1)
        target = normalised_target(inverse, valid)
        yield soften(images, inverse, rng), target, valid


def _crop(
    batch: tuple[Tensor, Tensor, Tensor], size: tuple[int, int], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A random window of the aspect of `size`, resized to it."""
    images, inverse, valid = batch
    height, width = images.shape[-2:]
    fit = min(height / size[0], width / size[1]) * rng.uniform(0.65, 1.0)
    h, w = int(size[0] * fit), int(size[1] * fit)
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    window = (..., slice(top, top + h), slice(left, left + w))
    pictures = F.interpolate(images[window], size=size, mode="bilinear", antialias=h > size[0])
    return pictures, *resize_masked(inverse[window], valid[window], size)
