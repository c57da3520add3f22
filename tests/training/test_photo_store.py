"""Photographs on the device: patches are what they say, in every position."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from training.data.photo_store import PhotoStore
from training.data.photos import Photo

CPU = torch.device("cpu")


def ramps(count: int = 3) -> list[Photo]:
    """Colours that tell the photograph, the row and the column of each pixel."""
    made = []
    for index in range(count):
        height, width = 60 + 4 * index, 70 + 6 * index
        rows, cols = np.mgrid[:height, :width]
        pixels = np.stack((rows, cols, np.full_like(rows, 100 + index)), -1).astype(np.uint8)
        depth = np.linspace(0, 255, width, dtype=np.uint8)[None].repeat(height, 0)
        made.append(Photo(f"{index}.png", pixels, depth))
    return made


def test_patches_are_windows_turned_and_flipped() -> None:
    store = PhotoStore(ramps(), CPU)
    picture, depth, prompt = next(store.batches(32, 40, 0, shrink=(1.0, 1.0)))
    assert picture.shape == (32, 3, 40, 40)
    assert depth.shape == (32, 1, 10, 10)
    assert bool(prompt.isnan().all())
    whole = (picture * 255).round()
    seen = set()
    for item in whole:
        assert len(item[2].unique()) == 1
        seen.add(int(item[2, 0, 0]))
        down, across = (item[c, 1:] - item[c, :-1] for c in (0, 1))
        # One of row and column runs along each axis, by one each step, forwards or backwards.
        assert {int(down.unique()[0]), int(across.unique()[0])} in ({0, 1}, {0, -1})
        assert len(down.unique()) == len(across.unique()) == 1
    assert seen == {100, 101, 102}


def test_depth_stays_with_its_pixels() -> None:
    photos = ramps(1)
    picture, depth, _ = next(PhotoStore(photos, CPU).batches(16, 40, 1, shrink=(0.8, 0.8)))
    column = F.avg_pool2d(picture[:, 1:2] * 255, 4)
    expected = column / (photos[0].pixels.shape[1] - 1)
    assert float((depth - expected).abs().max()) < 0.04


def test_missing_depth_is_nan_and_captions_belong_to_their_photograph() -> None:
    first, second = ramps(2)
    bare = Photo(second.name, second.pixels, None)
    prompts = {first.name: torch.stack([torch.full((512,), v) for v in (1.0, 2.0)])}
    picture, depth, prompt = next(PhotoStore([first, bare], CPU, prompts).batches(64, 40, 2))
    of_first = (picture[:, 2] * 255).round().amin((1, 2)) == 100
    assert torch.equal(depth.isnan().all((1, 2, 3)), ~of_first)
    assert torch.equal(prompt.isnan().all(1), ~of_first)
    assert set(prompt[of_first, 0].tolist()) == {1.0, 2.0}


def test_a_seed_repeats_and_small_photographs_are_refused() -> None:
    store = PhotoStore(ramps(), CPU)
    first, again = (next(store.batches(4, 40, 5))[0] for _ in range(2))
    assert torch.equal(first, again)
    with pytest.raises(ValueError, match="60 px, but patches have 64 px"):
        next(store.batches(1, 64, 0))
