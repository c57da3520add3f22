"""Correlated noise keeps its variance."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.degradation.noise import correlated


@pytest.mark.parametrize("size", [(64, 80), (6, 5)])
def test_variance_stays_and_neighbours_agree(size) -> None:
    white = torch.randn((3, 3, *size), generator=torch.Generator().manual_seed(0))
    made = correlated(white, torch.tensor([0.0, 0.6, 1.4]))
    torch.testing.assert_close(made[0], white[0])
    if min(size) > 9:
        assert made.std((1, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=0.08)
        agree = [(float((x[..., 1:] * x[..., :-1]).mean() / x.square().mean())) for x in made]
        assert abs(agree[0]) < 0.05 < agree[1] < agree[2]
