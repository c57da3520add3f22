"""Photographs with captions, from archives `photos_*.tar` and their list `photos.json`."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmsr_core.errors import InputError
from mmsr_core.prompts import mix_prompts
from training.data.captions import read_captions


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture and the embedding of what it shows."""

    name: str
    hr: Tensor
    """`(3,H,W)` in 0..1."""
    prompt: Tensor
    """`(512,)` of unit length."""


def load_captioned(
    folder: Path, encode: Callable[[list[str]], Tensor], held_out_every: int = 5
) -> tuple[list[CaptionedPicture], list[CaptionedPicture]]:
    """Training and held-out pictures: every n-th by name is held out.

    Args:
        folder: with `photos_*.tar` and `photos.json`.
        encode: texts to embeddings `(N,512)`; a picture's prompt is the mean of its captions'.
        held_out_every: n.

    Raises:
        InputError: there are no captioned pictures.
    """
    captions = read_captions(folder / "photos.json")
    pictures: dict[str, Tensor] = {}
    for shard in sorted(folder.glob("photos_*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                name = Path(member.name).name
                handle = tar.extractfile(member) if name in captions else None
                if handle is not None:
                    with Image.open(io.BytesIO(handle.read())) as picture:
                        values = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
                    pictures[name] = torch.from_numpy(values).permute(2, 0, 1)
    if not pictures:
        raise InputError(f"{folder} has no photos_*.tar with pictures that photos.json captions.")
    made = [
        CaptionedPicture(name, pictures[name], mix_prompts(encode(captions[name]))[0])
        for name in sorted(pictures)
    ]
    held_out = made[::held_out_every]
    kept = [p for i, p in enumerate(made) if i % held_out_every]
    return kept, held_out
