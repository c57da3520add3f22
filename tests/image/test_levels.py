"""Few levels: what is drawn in them, and what only has few because it is flat or coded."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.image.levels import FEW, HARDLY_ANY, few_levels, two_level_cells


def places(height: int = 64, width: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return y, x


def rgb(plane: torch.Tensor) -> torch.Tensor:
    return plane.float().expand(1, 3, -1, -1).clone()


def noisy(level: float, std: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((1, 3, 64, 64), generator=generator) * std / 255
    return (level + noise).clamp(0, 1).mul(255).round().div(255)


@pytest.mark.parametrize("levels", [2, 3, 4, 6, 16, 32])
def test_dithers_and_palettes_hold_a_few_levels(levels: int) -> None:
    generator = torch.Generator().manual_seed(levels)
    drawn = torch.randint(0, levels, (1, 3, 64, 64), generator=generator) / (levels - 1)
    assert bool(few_levels(drawn))
    assert bool(few_levels(drawn, HARDLY_ANY)) == (levels <= HARDLY_ANY)
    assert not bool(few_levels(torch.rand(1, 3, 64, 64), FEW))


@pytest.mark.parametrize("std", [0.4, 1.0, 3.0, 30.0])
def test_noise_on_one_colour_or_two_is_no_palette(std: float) -> None:
    one, other = noisy(0.3, std), noisy(0.7, std, 1)
    assert not bool(few_levels(one))
    assert not bool(few_levels(torch.cat((one, other), -1)))


def test_more_bits_are_more_levels_and_tiny_pictures_cannot_tell() -> None:
    assert not bool(few_levels(0.5 + torch.linspace(0, 0.01, 4096).view(1, 1, 64, 64)))
    assert not bool(few_levels(torch.rand(1, 3, 4, 4)))


def test_pictures_of_a_batch_stand_alone() -> None:
    y, x = places()
    batch = torch.cat((rgb((x + y) % 2), torch.rand(1, 3, 64, 64)))
    assert few_levels(batch).tolist() == [True, False]


def test_a_checkerboard_in_a_picture_is_found_where_it_is() -> None:
    y, x = places(64, 96)
    picture = torch.rand(1, 3, 64, 96)
    picture[..., 48:] = rgb((x + y) % 2)[..., 48:]
    two, dither = two_level_cells(picture, 4)
    assert two.shape == (1, 1, 16, 24)
    assert torch.equal(two, dither)
    assert bool(two[..., 13:].all())
    assert not bool(two[..., :13].any())


def test_flat_blocks_and_edges_are_no_dithers() -> None:
    y, x = places()
    blocks = rgb((x // 8 + y // 8) % 2) * 0.3 + 0.2
    two, dither = two_level_cells(blocks, 4)
    assert bool(two.any())
    assert not bool(dither.any())
    for none in (torch.full((1, 3, 64, 64), 0.4), noisy(0.5, 2), rgb(x / 63)):
        assert not bool(two_level_cells(none, 4)[0].any())


def test_sides_need_not_be_whole_cells() -> None:
    y, x = places(21, 30)
    two, dither = two_level_cells(rgb((x + y) % 2), 4)
    assert two.shape == dither.shape == (1, 1, 6, 8)
    assert bool(two.all())


def test_bands_of_a_tall_picture_are_the_picture(monkeypatch) -> None:
    generator = torch.Generator().manual_seed(4)
    picture = torch.rand((1, 3, 150, 40), generator=generator)
    picture[..., 30:90, :24] = (picture[..., 30:90, :24] > 0.5).float()
    whole = two_level_cells(picture, 4)
    monkeypatch.setattr("mmsr_core.image.levels._BAND_CELLS", 5)
    for one, other in zip(whole, two_level_cells(picture, 4), strict=True):
        assert torch.equal(one, other)
    assert 0 < float(whole[1].float().mean()) < 0.5
