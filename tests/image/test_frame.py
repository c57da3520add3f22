"""Bars and borders: found where a picture begins behind them, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.image.frame import Inside, find_inside
from tests.helpers import smooth_picture


def photo(height: int = 60, width: int = 72) -> torch.Tensor:
    return 0.3 + 0.4 * smooth_picture((height, width), seed=3)


@pytest.mark.parametrize("colour", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("sides", [(9, 0, 0, 0), (8, 8, 0, 0), (0, 0, 11, 7), (3, 3, 3, 3)])
def test_the_inside_of_a_frame_is_found(colour: float, sides: tuple[int, ...]) -> None:
    top, bottom, left, right = sides
    picture = photo()
    inside = Inside(top, 60 - bottom, left, 72 - right)
    picture[inside.mask(60, 72).expand(-1, 3, -1, -1)] = colour
    assert find_inside(picture) == inside


def test_two_bars_need_not_have_one_colour() -> None:
    picture = photo()
    picture[..., :6, :], picture[..., -6:, :] = 0, 1
    assert find_inside(picture) == Inside(6, 54, 0, 72)


def test_paper_around_a_thing_is_no_frame() -> None:
    drawn = torch.ones(1, 3, 60, 72)
    drawn[..., 20:40, 30:44] = 0.2
    drawn[..., 12:14, 10:60:7] = 0
    assert find_inside(drawn) is None


@pytest.mark.parametrize(
    "picture",
    [photo(), torch.full((1, 3, 60, 72), 0.4), torch.rand(1, 3, 10, 90), torch.zeros(1, 3, 1, 1)],
)
def test_without_a_frame_there_is_none(picture) -> None:
    assert find_inside(picture) is None


def test_an_even_sky_is_no_frame() -> None:
    picture = photo()
    picture[..., :30, :] = torch.tensor([0.55, 0.65, 0.8]).view(1, 3, 1, 1)
    assert find_inside(picture) is None


def test_noise_is_no_frame() -> None:
    picture = photo()
    picture[..., :9, :] = 0
    noisy = picture + 6 / 255 * torch.randn(picture.shape, generator=torch.Generator())
    assert find_inside(noisy) is None


def test_the_inside_is_continued_as_in_a_mirror() -> None:
    line = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 3, 6, 8)
    made = Inside(0, 6, 2, 5).continued(line)
    assert made[0, 0, 0].tolist() == [4, 3, 2, 3, 4, 3, 2, 3]
    assert Inside(0, 6, 2, 5).times(2) == Inside(0, 12, 4, 10)
