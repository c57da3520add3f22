"""Shifts between two pictures are found, whole and in parts; other differences move nothing."""

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.image import moved_back, register, sensor_shift


def picture(h: int, w: int, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, -(-h // 3), -(-w // 3)), generator=g)
    fine = F.interpolate(coarse, size=(h, w), mode="bilinear")
    return (0.8 * fine + 0.2 * torch.rand((1, 3, h, w), generator=g)).clamp(0, 1)


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-8, 2), (12, 12)])
def test_whole_shifts_are_found(shift) -> None:
    wide = picture(160, 192, seed=3)
    fixed = wide[..., 16:-16, 16:-16]
    down, right = shift
    moving = wide[..., 16 - down : 144 - down, 16 - right : 176 - right]
    moved, found = register(moving, fixed)
    assert (found[0] - torch.tensor(shift)).abs().max() < 0.1
    inner = (..., slice(16, -16), slice(16, -16))
    assert (moved[inner] - fixed[inner]).abs().max() < 0.05


def test_half_pixels_are_found() -> None:
    wide = picture(256, 320, seed=4)
    fixed = F.avg_pool2d(wide, 2)
    moving = F.avg_pool2d(F.pad(wide, (1, 0, 1, 0), mode="replicate")[..., :256, :320], 2)
    assert (register(moving, fixed)[1] - 0.5).abs().max() < 0.1


def test_noise_alone_moves_nothing() -> None:
    still = picture(96, 96)
    other = (still + 0.05 * torch.randn(still.shape, generator=torch.manual_seed(2))).clamp(0, 1)
    moved, found = register(other, still)
    assert not found.any()
    assert torch.equal(moved, other)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (9, 200)])
def test_tiny_and_flat_pictures_are_taken(size) -> None:
    flat = torch.full((1, 3, *size), 0.4)
    moved, found = register(flat, flat)
    assert not found.any()
    assert torch.equal(moved, flat)


def two_sensors(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches of random brightness for each sensor: only their edges agree."""
    g = torch.Generator().manual_seed(seed)
    hills = F.interpolate(torch.rand((1, 1, 16, 18), generator=g), (240, 280), mode="bicubic")
    index = hills.clamp(0, 1).mul(63).round().long() // 8 * 8
    one, other = torch.rand((2, 64), generator=g)
    noise = 0.02 * torch.randn((2, 1, 1, 240, 280), generator=g)
    pictures = [
        (values[index] + rest).clamp(0, 1).expand(1, 3, -1, -1)
        for values, rest in zip((one, other), noise, strict=True)
    ]
    return pictures[0], pictures[1]


@pytest.mark.parametrize("shift", [(0, 8), (-6, 3), (9, -8)])
@pytest.mark.parametrize("size", [1, 3])
def test_another_sensor_s_shift_is_found(shift, size) -> None:
    wide, other = two_sensors(7)
    wide, other = (F.interpolate(p, scale_factor=size) for p in (wide, other))
    down, right = (size * part for part in shift)
    rows, cols = wide.shape[-2:]
    m = 20 * size
    fixed = wide[..., m : rows - m, m : cols - m]
    moving = other[..., m - down : rows - m - down, m - right : cols - m - right]
    found = sensor_shift(moving, fixed)
    assert found is not None
    assert max(abs(found[0] - down), abs(found[1] - right)) <= 2 * size


def test_no_alarm_where_sensors_lie_on_each_other_or_share_nothing() -> None:
    one, other = two_sensors(8)
    assert sensor_shift(other, one) is None
    assert sensor_shift(one, one) is None
    flat = torch.full_like(one, 0.5)
    assert sensor_shift(flat, one) is None
    assert sensor_shift(one[..., :40, :40], one[..., :40, :40]) is None  # too small to say


def test_what_fits_in_one_place_only_is_certain() -> None:
    small = torch.rand((1, 3, 20, 20), generator=torch.manual_seed(0))
    one = F.interpolate(small, size=(160, 160))
    assert sensor_shift((1 - one).roll((5, 8), (-2, -1)), one) == (5, 8, True)
    assert sensor_shift((1 - one).roll((24, 0), (-2, -1)), one) == (24, 0, False)  # or further


def test_what_fits_in_several_places_is_not_certain() -> None:
    one, other = two_sensors(9)
    period = F.interpolate(one[..., :12, :12], (24, 24)).tile(1, 1, 10, 12)[..., :240, :280]
    found = sensor_shift((1 - period).roll((0, 12), (-2, -1)), period)
    assert found is None or not found.certain
    share = 0.25 * other.roll((0, 9), (-2, -1)) + 0.75 * two_sensors(10)[0]
    found = sensor_shift(share, one)
    assert found is None or not found.certain


def test_moved_back_takes_a_shift_back() -> None:
    picture = torch.rand((2, 3, 20, 24), generator=torch.manual_seed(0))
    moved = picture.roll((3, -5), (-2, -1))
    inner = (..., slice(4, 16), slice(6, 18))
    torch.testing.assert_close(moved_back(moved, 3, -5)[inner], picture[inner], atol=1e-5, rtol=0)
