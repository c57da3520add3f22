"""Unsharp masking and its inverse."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.degradation import noise_gain, sharpen, unsharpen


def picture(batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((batch, 3, 33, 26), generator=generator)


@pytest.mark.parametrize("amount", [0.1, 0.4, 3.0])
def test_what_was_sharpened_comes_back(amount: float) -> None:
    lr = picture()
    amounts = torch.tensor([amount])
    torch.testing.assert_close(unsharpen(sharpen(lr, amounts), amounts), lr, rtol=0, atol=5e-4)


def test_every_picture_of_a_batch_has_its_own_amount() -> None:
    lr = picture(3)
    amounts = torch.tensor([0.0, 0.3, 1.0])
    made = unsharpen(lr, amounts)
    torch.testing.assert_close(made[0], lr[0])
    for index in (1, 2):
        alone = unsharpen(lr[index : index + 1], amounts[index : index + 1])
        torch.testing.assert_close(made[index : index + 1], alone, rtol=0, atol=2e-4)


def test_flat_pictures_stay_flat_and_noise_does_not_grow() -> None:
    flat, amounts = torch.full((1, 3, 20, 20), 0.3), torch.tensor([0.4])
    torch.testing.assert_close(unsharpen(flat, amounts), flat)
    torch.testing.assert_close(sharpen(flat, amounts), flat)
    noise = picture()
    assert float(unsharpen(noise, amounts).std()) < float(noise.std())
    assert float(sharpen(noise, amounts).std()) > float(noise.std())


def test_without_an_amount_nothing_is_done() -> None:
    lr = picture()
    assert unsharpen(lr, torch.zeros(1)) is lr


@pytest.mark.parametrize("amount", [0.0, 0.1, 0.25, 1.0, 3.0])
def test_white_noise_falls_by_the_known_share(amount: float) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 0.02 * torch.randn((1, 3, 160, 160), generator=generator)
    amounts = torch.tensor([amount])
    left = unsharpen(noise, amounts)[..., 16:-16, 16:-16].std()
    share = left / noise[..., 16:-16, 16:-16].std()
    assert float(noise_gain(amounts)) == pytest.approx(float(share), rel=0.01)


def test_the_share_of_noise_is_1_without_sharpening_and_falls_with_the_amount() -> None:
    shares = noise_gain(torch.tensor([0.0, 0.2, 0.5, 3.0])).tolist()
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] > 0.2
