"""The damage estimator: shapes, exact tiles, and numbers that know their own error."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.errors import ShapeError
from mmsr_core.models.cell_net import CELL
from mmsr_core.models.damage_estimator import (
    NOISE_ERROR_OF_WHOLE,
    NOISE_FLOOR,
    OWN_NOISE,
    DamageEstimator,
    DamageMaps,
    least_error,
    weighed_mean,
    weighed_std,
)
from mmsr_core.models.network import load_network
from mmsr_core.weights import find_weights
from tests.helpers import liven


def picture(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def maps(**values: float) -> DamageMaps:
    given = {
        "log_noise": -4.0, "log_noise_error": 0.1, "jpeg_damage": 0.0, "jpeg_damage_error": 0.02,
        "log_blur": -1.0, "log_blur_error": 0.1,
    } | values  # fmt: skip
    return DamageMaps(**{name: torch.full((1, 1, 2, 3), value) for name, value in given.items()})


def test_every_cell_has_numbers_and_positive_errors() -> None:
    net = liven(DamageEstimator(widths=(4, 8, 8), dilations=(1, 2)))
    with torch.no_grad():
        found = net(picture(2, 3, 24, 32))
    for value in vars(found).values():
        assert value.shape == (2, 1, 6, 8)
        assert value.dtype == torch.float32
    for error in (found.log_noise_error, found.jpeg_damage_error, found.log_blur_error):
        assert float(error.min()) > 0
    assert torch.equal(DamageMaps.from_stacked(found.stacked).log_blur, found.log_blur)


@pytest.mark.parametrize("shape", [(1, 3, 9, 8), (1, 1, 8, 8), (3, 8, 8)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        DamageEstimator(widths=(4, 8, 8), dilations=(1,))(torch.zeros(shape))


def test_the_receptive_radius_is_honest() -> None:
    net = liven(DamageEstimator(widths=(4, 8, 8), dilations=(1, 2))).double()
    radius = net.receptive_radius
    side = 2 * (radius + 8) + CELL
    side += -side % CELL
    x = picture(1, 3, side, side).double()
    row = side // 2 // CELL
    changed = x.clone()
    inside = torch.zeros(side, dtype=torch.bool)
    inside[row * CELL - radius : (row + 1) * CELL + radius] = True
    changed[..., ~inside, :] = 0.5
    with torch.no_grad():
        a, b = net(x).stacked[..., row, :], net(changed).stacked[..., row, :]
    torch.testing.assert_close(a, b)
    changed[..., inside, :] += 0.1
    assert not torch.allclose(net(changed).stacked[..., row, :], a)


def test_places_that_know_more_count_more() -> None:
    values = torch.tensor([[[[1.0, 3.0]]]])
    errors = torch.tensor([[[[0.1, 10.0]]]])
    assert float(weighed_mean(values, errors)) == pytest.approx(1.0, abs=1e-3)
    assert float(weighed_mean(values, torch.ones_like(errors))) == 2
    assert float(least_error(torch.full((1, 1, 2, 2), 0.3))) == pytest.approx(0.3)
    assert 0.1 < float(least_error(errors)) < 0.2


def test_the_spread_over_places_is_weighed() -> None:
    values = torch.tensor([[[[1.0, 3.0, 9.0]]]])
    errors = torch.tensor([[[[0.1, 0.1, 100.0]]]])
    assert float(weighed_std(values, errors)) == pytest.approx(1.0, abs=1e-2)
    assert float(weighed_std(torch.ones_like(values), errors)) == pytest.approx(0, abs=1e-6)


def test_the_numbers_of_a_whole_picture() -> None:
    level = 10 / 255
    noisy = maps(log_noise=float(torch.tensor(level + NOISE_FLOOR).log())).whole()
    assert float(noisy.noise_std) == pytest.approx((level**2 - OWN_NOISE**2) ** 0.5, rel=1e-4)
    assert float(noisy.noise_error_share) == pytest.approx(NOISE_ERROR_OF_WHOLE * 0.1)
    coded = maps(jpeg_damage=0.6).whole()
    assert float(coded.jpeg_quality) == pytest.approx(40)


def test_the_noise_of_a_place_is_the_noise_of_a_picture_that_is_like_it() -> None:
    for log_noise in (-6.0, -4.0, -2.5):
        even = maps(log_noise=log_noise, log_noise_error=0.01)
        place, whole = float(even.noise_std.mean()), float(even.whole().noise_std)
        assert even.noise_std.shape == even.log_noise.shape
        assert place == pytest.approx(whole, abs=1e-6) or whole == 0


def test_damage_that_is_not_certain_is_none() -> None:
    assert float(maps(log_noise=-6.0).whole().noise_std) == 0
    assert float(maps(log_noise=-4.5, log_noise_error=2.0).whole().noise_std) == 0
    assert float(maps(jpeg_damage=0.2, jpeg_damage_error=0.3).whole().jpeg_quality) == 100


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_flat_picture_is_undamaged(value: float) -> None:
    net = load_network(find_weights("small") / "damage_estimator", DamageEstimator)
    with torch.no_grad():
        whole = net(torch.full((1, 3, 64, 64), value)).whole()
    assert (float(whole.noise_std), float(whole.jpeg_quality)) == (0, 100)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [5, 12])
def test_noise_on_a_slope_is_measured(channels: int, level: int) -> None:
    """Independent noise, and the same noise in all channels."""
    net = load_network(find_weights("small") / "damage_estimator", DamageEstimator)
    slope = torch.linspace(0.3, 0.7, 128).expand(1, 3, 128, 128)
    generator = torch.Generator().manual_seed(level)
    noise = torch.randn((1, channels, 128, 128), generator=generator) * level / 255
    with torch.no_grad():
        whole = net(((slope + noise) * 255).round().div(255).clamp(0, 1)).whole()
    assert float(whole.noise_std) * 255 == pytest.approx(level, rel=0.2)


def test_noise_and_blur_can_come_from_a_copy_of_more_contrast() -> None:
    from mmsr_core.models.damage_estimator import NOISE_FLOOR

    def maps(noise: float, blur: float) -> DamageMaps:
        ones = torch.ones((2, 1, 3, 3))
        log_noise = torch.log(ones * (noise / 255 + NOISE_FLOOR))
        return DamageMaps(log_noise, 0.1 * ones, 0.2 * ones, 0.3 * ones, blur * ones, 0.4 * ones)

    own, seen = maps(1.0, 0.5), maps(9.0, 0.7)
    where = torch.tensor([True, False]).view(2, 1, 1, 1)
    made = own.with_contrast(seen, torch.full((2, 1, 1, 1), 3.0), where)
    noise = (made.log_noise.exp() - NOISE_FLOOR) * 255
    assert noise[0].flatten().tolist() == pytest.approx([3.0] * 9, rel=1e-4)
    assert noise[1].flatten().tolist() == pytest.approx([1.0] * 9, rel=1e-4)
    assert made.log_blur[:, 0, 0, 0].tolist() == pytest.approx([0.6, 0.5])
    assert torch.equal(made.jpeg_damage, own.jpeg_damage)
