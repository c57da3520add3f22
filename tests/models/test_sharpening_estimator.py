"""The sharpening estimator: its numbers, its tiles, and what it knows."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.degradation import Sharpening, from_log_gains, log_gains
from mmsr_core.errors import ShapeError
from mmsr_core.models import DamageEstimator, SharpeningEstimator, SharpeningMaps
from training.stages.sharpening import sharpening_loss, started_from


def net() -> SharpeningEstimator:
    torch.manual_seed(0)
    made = SharpeningEstimator(widths=(4, 8, 8), dilations=(1, 2))
    torch.nn.init.normal_(made.conv_out.weight, std=0.2)
    return made.eval()


def picture(batch: int = 1, height: int = 24, width: int = 32) -> torch.Tensor:
    return torch.rand((batch, 3, height, width), generator=torch.Generator().manual_seed(1))


def test_one_value_and_one_error_for_each_cell() -> None:
    maps = net()(picture(2))
    assert maps.log_gains.shape == maps.errors.shape == (2, 2, 6, 8)
    assert bool((maps.errors > 0).all())
    again = SharpeningMaps.from_stacked(maps.stacked)
    assert torch.equal(again.log_gains, maps.log_gains)
    assert torch.equal(again.errors, maps.errors)
    with pytest.raises(ShapeError):
        net()(picture(1, 22))


def test_certain_places_decide_for_the_whole() -> None:
    gains = torch.tensor([0.1, 0.5]).view(1, 2, 1, 1).expand(1, 2, 2, 3).clone()
    errors = torch.full_like(gains, 0.1)
    gains[..., 0, 0], errors[..., 0, 0] = 5.0, 1e3
    whole, error = SharpeningMaps(gains, errors).whole()
    torch.testing.assert_close(whole, torch.tensor([[0.1, 0.5]]), atol=1e-3, rtol=0)
    assert float(error.max()) < 0.2


def test_an_untrained_net_finds_nothing() -> None:
    fresh = started_from(DamageEstimator(widths=(4, 8, 8), dilations=(1, 2)))
    gains, _ = fresh(picture()).whole()
    assert not from_log_gains(gains)


def test_it_starts_from_what_the_damage_estimator_sees() -> None:
    damage = DamageEstimator(widths=(4, 8, 8), dilations=(1, 2))
    made = started_from(damage)
    assert torch.equal(made.conv_in.weight, damage.conv_in.weight)
    assert float(made.conv_out.weight.abs().max()) == 0


def test_the_loss_is_least_at_the_truth() -> None:
    from training.data.damages import Damaged

    truth = torch.tensor([[0.6, 1.2], [0.0, 1.0]])
    ones = torch.ones(2)
    made = Damaged(picture(2), torch.zeros(2, 1, 6, 8), 100 * ones, 0 * ones, truth)
    wanted = log_gains(Sharpening(*truth.unbind(1)))[:, :, None, None].expand(-1, -1, 6, 8)

    def loss(gains: torch.Tensor) -> float:
        return float(sharpening_loss(SharpeningMaps(gains, torch.full_like(gains, 0.1)), made)[0])

    for other in (wanted + 0.1, wanted - 0.1, torch.zeros_like(wanted)):
        assert loss(other) > loss(wanted)
