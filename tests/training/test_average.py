"""Averages of trained networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmsr_core.models import MeanNet
from tests.helpers import liven
from training.tools.average import average


def saved(folder: Path, seed: int, channels: int = 8) -> MeanNet:
    net = liven(MeanNet(channels=channels, blocks=1, kernel_codes=4, condition_channels=4), seed)
    net.save_pretrained(folder)
    return net


def test_lies_between_both(tmp_path: Path) -> None:
    first, second = (saved(tmp_path / str(seed), seed) for seed in (0, 1))
    for share in (0.0, 0.25, 1.0):
        average(tmp_path / "0", tmp_path / "1", share, tmp_path / "out")
        mixed = MeanNet.from_pretrained(tmp_path / "out")
        for a, b, c in zip(
            first.parameters(), second.parameters(), mixed.parameters(), strict=True
        ):
            torch.testing.assert_close(c, (1 - share) * a + share * b)


def test_refuses_strangers(tmp_path: Path) -> None:
    saved(tmp_path / "0", 0)
    saved(tmp_path / "1", 1, channels=12)
    with pytest.raises(ValueError, match="not the same network"):
        average(tmp_path / "0", tmp_path / "1", 0.5, tmp_path / "out")
    with pytest.raises(ValueError, match=r"0\.\.1"):
        average(tmp_path / "0", tmp_path / "0", 1.5, tmp_path / "out")
