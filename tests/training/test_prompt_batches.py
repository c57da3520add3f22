"""Batches of the prompt stage: which patches have a prompt, and whose."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
import torch

from training.data.photos import Photo
from training.stages.prompt import held_out_batches, prompted_batches

CPU = torch.device("cpu")


def photo(name: str, level: int) -> Photo:
    return Photo(name, np.full((80, 72, 3), level, np.uint8), None)


PHOTOS = [photo("said", 200), photo("silent", 50)]
PROMPTS = {"said": torch.nn.functional.normalize(torch.arange(1.0, 513.0), dim=0)}


@pytest.mark.parametrize("dropout", [0.0, 1.0])
def test_a_prompt_where_the_photo_has_one(dropout: float) -> None:
    args = argparse.Namespace(
        seed=0, patch=48, batch=6, captioned_share=0.5, clean_share=1.0, prompt_dropout=dropout
    )
    batch = next(prompted_batches(PHOTOS, PROMPTS, args, CPU))
    bright = batch.hr.mean((1, 2, 3)) > 0.5
    assert batch.prompt is not None
    assert batch.prompt.shape == (6, 512)
    known = ~batch.prompt.isnan().any(1)
    assert 0 < int(bright.sum()) < 6  # both photos came
    assert torch.equal(known, bright & (dropout == 0))
    assert all(torch.equal(row, PROMPTS["said"]) for row in batch.prompt[known])


def test_held_out_batches_are_the_same_in_every_run() -> None:
    one, again = (held_out_batches(PHOTOS[:1], PROMPTS, CPU, size=48)[0] for _ in range(2))
    assert torch.equal(one.lr, again.lr)
    assert one.prompt is not None
    assert torch.equal(one.prompt[0], PROMPTS["said"])
