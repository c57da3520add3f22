"""Counts of a sensor fill the range; pictures stay as they are."""

from __future__ import annotations

import torch

from mmsr_core.image import is_narrow_grey, stretch_narrow_grey


def counts() -> torch.Tensor:
    line = torch.linspace(0, 1, 80 * 60).view(1, 1, 60, 80)
    return line.expand(1, 3, -1, -1)


def test_counts_of_any_depth_give_one_picture() -> None:
    as_8_bits = stretch_narrow_grey(0.03 + 0.38 * counts())
    raw = stretch_narrow_grey(0.047 + 0.024 * counts())
    torch.testing.assert_close(as_8_bits, raw, atol=1e-4, rtol=0)
    assert float(raw.min()) == 0
    assert float(raw.max()) == 1


def test_a_dead_pixel_does_not_decide() -> None:
    picture = (0.05 + 0.02 * counts()).clone()
    picture[..., 0, 0] = 1.0
    made = stretch_narrow_grey(picture)
    torch.testing.assert_close(
        made[..., 1:, :], stretch_narrow_grey(0.05 + 0.02 * counts())[..., 1:, :], atol=2e-3, rtol=0
    )


def test_usual_pictures_colour_and_flat_ones_stay() -> None:
    usual = 0.1 + 0.8 * counts()
    colour = (0.1 * counts()).clone()
    colour[:, 0] += 0.1
    flat = torch.full((1, 3, 8, 8), 0.2)
    for picture in (usual, colour, flat):
        assert torch.equal(stretch_narrow_grey(picture), picture)


def test_each_picture_of_a_batch_stands_alone() -> None:
    pair = torch.cat((0.1 * counts(), counts()))
    made = stretch_narrow_grey(pair)
    assert torch.equal(made[1:], pair[1:])
    assert torch.equal(made[:1], stretch_narrow_grey(pair[:1]))


def test_counts_may_get_the_range_of_another_picture() -> None:
    night = 0.05 + 0.4 * counts()
    made = stretch_narrow_grey(0.047 + 0.024 * counts(), night)
    torch.testing.assert_close(made, night, atol=2e-3, rtol=0)
    assert is_narrow_grey(night)
    assert not is_narrow_grey(0.1 + 0.8 * counts())
    assert not is_narrow_grey(torch.full((1, 3, 8, 8), 0.2))
