"""Unsharp masking and its inverse."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.degradation import (
    Sharpening,
    from_log_gains,
    log_gains,
    noise_gain,
    sharpen,
    unsharpen,
)


def picture(batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((batch, 3, 33, 26), generator=generator)


@pytest.mark.parametrize("radius", [0.6, 2.5])
@pytest.mark.parametrize("amount", [0.1, 0.4, 3.0])
def test_what_was_sharpened_comes_back(amount: float, radius: float) -> None:
    lr = picture()
    amounts = Sharpening.of(amount, radius)
    torch.testing.assert_close(unsharpen(sharpen(lr, amounts), amounts), lr, rtol=0, atol=5e-4)


def test_every_picture_of_a_batch_has_its_own_amount() -> None:
    lr = picture(3)
    amounts = Sharpening(torch.tensor([0.0, 0.3, 1.0]), torch.tensor([2.5, 1.0, 1.5]))
    made = unsharpen(lr, amounts)
    torch.testing.assert_close(made[0], lr[0])
    for index in (1, 2):
        alone = unsharpen(lr[index : index + 1], amounts.item(index))
        torch.testing.assert_close(made[index : index + 1], alone, rtol=0, atol=2e-4)


def test_flat_pictures_stay_flat_and_noise_does_not_grow() -> None:
    flat, amounts = torch.full((1, 3, 20, 20), 0.3), Sharpening.of(0.4)
    torch.testing.assert_close(unsharpen(flat, amounts), flat)
    torch.testing.assert_close(sharpen(flat, amounts), flat)
    noise = picture()
    assert float(unsharpen(noise, amounts).std()) < float(noise.std())
    assert float(sharpen(noise, amounts).std()) > float(noise.std())


def test_without_an_amount_nothing_is_done() -> None:
    lr = picture()
    assert unsharpen(lr, Sharpening.of(0)) is lr


@pytest.mark.parametrize("radius", [1.0, 2.5])
@pytest.mark.parametrize("amount", [0.0, 0.1, 0.25, 1.0, 3.0])
def test_white_noise_falls_by_the_known_share(amount: float, radius: float) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 0.02 * torch.randn((1, 3, 160, 160), generator=generator)
    amounts = Sharpening.of(amount, radius)
    left = unsharpen(noise, amounts)[..., 16:-16, 16:-16].std()
    share = left / noise[..., 16:-16, 16:-16].std()
    assert float(noise_gain(amounts)) == pytest.approx(float(share), rel=0.01)


def test_the_share_of_noise_is_1_without_sharpening_and_falls_with_the_amount() -> None:
    amounts = torch.tensor([0.0, 0.2, 0.5, 3.0])
    shares = noise_gain(Sharpening(amounts, torch.full((4,), 2.5))).tolist()
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] > 0.2


def test_the_gains_of_a_sharpening_tell_its_amount_and_radius() -> None:
    made = Sharpening(torch.tensor([0.2, 0.6, 2.0]), torch.tensor([3.0, 1.2, 0.5]))
    gains = log_gains(made)
    assert bool((gains[:, 0] < gains[:, 1]).all())
    found = from_log_gains(gains)
    torch.testing.assert_close(found.amount, made.amount, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.radius_px, made.radius_px, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("gains", [(0.0, 0.0), (-0.1, -0.2), (0.3, -0.1), (5.0, 9.0), (0.4, 0.1)])
def test_any_gains_are_some_sharpening(gains: tuple[float, float]) -> None:
    found = from_log_gains(torch.tensor([gains]))
    assert 0 <= float(found.amount) <= 3
    assert 0.4 <= float(found.radius_px) <= 4.001
    if gains[1] <= 0:
        assert not found


def test_one_sharpening_after_another_is_nearly_one() -> None:
    lr = picture(2)
    first = Sharpening(torch.tensor([0.4, 0.6]), torch.tensor([1.0, 1.2]))
    second = Sharpening(torch.tensor([0.0, 0.2]), torch.tensor([2.5, 2.5]))
    both = first.followed_by(second)
    twice, once = sharpen(sharpen(lr, first), second), sharpen(lr, both)
    assert torch.equal(once[:1], sharpen(lr[:1], first.item(0)))
    assert float((once - twice).std()) < 0.1 * float((twice - lr).std())
