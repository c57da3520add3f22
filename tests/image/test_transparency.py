"""Colour under transparent pixels."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.errors import ShapeError
from mmsr_core.image import load_image, save_image, spread_colour


def cutout() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.rand((1, 3, 13, 17), generator=generator)
    alpha = torch.zeros(1, 1, 13, 17)
    alpha[..., 4:9, 5:12] = 1
    alpha[..., 4, 5] = 0.5
    return rgb, alpha


@pytest.mark.parametrize("hidden", [0.0, 1.0, 0.3])
def test_hidden_colour_has_no_influence(hidden) -> None:
    rgb, alpha = cutout()
    other = torch.where(alpha > 0, rgb, hidden)
    assert torch.equal(spread_colour(other, alpha), spread_colour(rgb, alpha))


def test_visible_colour_stays_and_spreads() -> None:
    rgb, alpha = cutout()
    rgb[:] = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1)
    rgb = torch.where(alpha > 0, rgb, 0.0)
    filled = spread_colour(rgb, alpha)
    torch.testing.assert_close(
        filled, torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand_as(rgb)
    )


def test_nothing_to_fill() -> None:
    rgb, alpha = cutout()
    assert spread_colour(rgb, None) is rgb
    assert spread_colour(rgb, torch.full_like(alpha, 0.1)) is rgb
    assert float((spread_colour(rgb, torch.zeros_like(alpha)) - 0.5).abs().max()) < 1e-6
    with pytest.raises(ShapeError):
        spread_colour(rgb, alpha[..., :4])


def test_a_loaded_picture_gives_both(tmp_path) -> None:
    rgb, alpha = cutout()
    save_image(tmp_path / "a.png", rgb, alpha)
    image = load_image(tmp_path / "a.png")
    assert image.alpha is not None
    assert torch.equal(image.visible_rgb[..., 5, 7], image.rgb[..., 5, 7])
    assert not torch.equal(image.visible_rgb, image.rgb)
