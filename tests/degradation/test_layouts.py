import math

import pytest
import torch

from mmsr_core.degradation import (
    BLUR_LAYOUTS,
    BLUR_SHAPES,
    Sharpening,
    add_damage,
    blur_field,
    layout_map,
    sharpen,
)
from mmsr_core.errors import InputError, ShapeError


@pytest.mark.parametrize("layout", BLUR_LAYOUTS)
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (16, 3)])
def test_layouts_stay_in_range(layout, size):
    made = layout_map(layout, *size)
    assert made.shape == (1, *size)
    assert made.min() >= 0
    assert made.max() <= 1


def test_layouts_go_where_they_say():
    across = layout_map("left to right", 4, 6)
    assert (across.diff(dim=2) > 0).all()
    assert across.diff(dim=1).abs().max() == 0
    assert torch.equal(layout_map("top to bottom", 6, 4), across.transpose(1, 2))
    ring = layout_map("centre to edge", 7, 7)
    assert ring[0, 3, 3] == 0
    torch.testing.assert_close(ring, ring.flip(1))
    assert layout_map("even", 3, 3).eq(0).all()


@pytest.mark.parametrize("shape", BLUR_SHAPES)
@pytest.mark.parametrize("scale", [1, 4])
def test_the_width_of_each_family_is_what_was_asked_for(shape, scale):
    sigma = torch.linspace(1.2, 2.4, 70 * 3).reshape(1, 70, 3)  # more rows than one strip
    field = blur_field(sigma, scale, shape, 0.4)
    moments = field.moments()
    wanted = (sigma**2 + 0.36).sqrt() if shape == "motion" else sigma  # the line has a profile
    torch.testing.assert_close(moments.blur_sigma_px[:, 0], wanted, rtol=0.05, atol=0)
    if shape == "motion":
        assert torch.sin(moments.angle_rad - 0.4).abs().max() < 0.02


def test_damage_is_seeded_and_as_strong_as_asked():
    flat = torch.full((1, 3, 64, 64), 0.5)
    assert torch.equal(add_damage(flat), flat)
    noisy = add_damage(flat, noise_std=0.05, seed=3)
    assert torch.equal(noisy, add_damage(flat, noise_std=0.05, seed=3))
    assert not torch.equal(noisy, add_damage(flat, noise_std=0.05, seed=4))
    assert float((noisy - flat).std()) == pytest.approx(0.05, rel=0.05)
    sharper = add_damage(noisy, sharpening=Sharpening.of(0.4))
    torch.testing.assert_close(sharper, sharpen(noisy, Sharpening.of(0.4)).clamp(0, 1))
    worse = [float((add_damage(noisy, jpeg_quality=q) - noisy).square().mean()) for q in (90, 30)]
    assert 0 < worse[0] < worse[1]


@pytest.mark.parametrize("sigma", [0.0, -1.0, 5.0, math.nan])
def test_widths_out_of_range_are_refused(sigma):
    with pytest.raises(InputError, match="blur_sigma_px"):
        blur_field(torch.full((1, 2, 2), sigma), 4)


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="layout"):
        layout_map("spiral", 2, 2)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="shape"):
        blur_field(torch.ones(1, 2, 2), 4, "star")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="blur_sigma_px"):
        blur_field(torch.ones(2, 2), 4)
