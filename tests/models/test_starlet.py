"""The starlet transform."""

import pytest
import torch

from mmsr_core.models.starlet import fuse_starlets, smooth, starlet, starlet_reach


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("levels", [0, 1, 4])
def test_the_planes_add_up_to_the_picture(levels: int) -> None:
    plane = noise(2, 1, 37, 50)
    details, rest = starlet(plane, levels)
    assert len(details) == levels
    torch.testing.assert_close(sum(details) + rest, plane)


def test_it_is_shift_invariant_and_blind_to_flat_pictures() -> None:
    plane = noise(1, 1, 64, 64)
    details, rest = starlet(plane, 3)
    moved, left = starlet(plane.roll((3, 5), (2, 3)), 3)
    inside = (..., slice(24, -24), slice(24, -24))
    for a, b in zip([*details, rest], [*moved, left], strict=True):
        torch.testing.assert_close(a.roll((3, 5), (2, 3))[inside], b[inside])
    flat, rest = starlet(torch.full((1, 1, 9, 9), 0.3), 3)
    assert float(torch.cat(flat).abs().max()) < 1e-6
    torch.testing.assert_close(rest, torch.full((1, 1, 9, 9), 0.3))


def test_a_wave_lies_in_the_plane_of_its_period() -> None:
    for level in range(4):
        period = 3 * 2**level
        wave = torch.sin(torch.arange(192) * 2 * torch.pi / period).expand(1, 1, 64, 192)
        details, _ = starlet(wave, 5)
        sizes = torch.stack([d[..., 64:-64].abs().mean() for d in details])
        assert int(sizes.argmax()) == level


def test_no_levels_reach_nowhere() -> None:
    assert starlet_reach(0) == 0


@pytest.mark.parametrize("levels", [1, 3])
def test_the_reach_is_that_of_the_coarsest_strength(levels: int) -> None:
    plane = noise(1, 1, 5, 128).requires_grad_()
    details, _ = starlet(plane, levels)
    strength = smooth(details[-1].abs(), 2 ** (levels - 1))[0, 0, 2, 64]
    (gradient,) = torch.autograd.grad(strength, plane)
    seen = gradient.abs().amax((0, 1, 2)).nonzero()
    assert int(seen.max()) - 64 == 64 - int(seen.min()) == starlet_reach(levels)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_computes_in_float32(dtype: torch.dtype) -> None:
    plane = noise(1, 1, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        low = smooth(plane, 2)
    assert torch.equal(low, smooth(plane, 2))
    details, rest = starlet(plane.to(dtype), 2)
    assert rest.dtype == torch.float32
    torch.testing.assert_close(sum(details) + rest, plane.to(dtype).float())


def fuse(a: torch.Tensor, b: torch.Tensor, *logits: float) -> torch.Tensor:
    added = [torch.tensor(v) for v in logits]
    return fuse_starlets(a, b, added, torch.tensor((8.0, 8.0)))


def test_a_picture_fused_with_itself_is_itself() -> None:
    plane = noise(2, 1, 40, 40)
    torch.testing.assert_close(fuse(plane, plane, 0, 1, -2, 3), plane)


def test_fusing_takes_the_stronger_detail_of_each_place() -> None:
    a, b = noise(1, 1, 64, 128), noise(1, 1, 64, 128).flip(-1)
    fine = (a - smooth(a, 1), b - smooth(b, 1))
    left = torch.arange(128) < 64
    one = 0.5 + torch.where(left, 0.3, 0.003) * fine[0]
    two = 0.5 + torch.where(left, 0.003, 0.3) * fine[1]
    best = 0.5 + 0.3 * torch.where(left, fine[0], fine[1])
    levels = (0,) * 6
    found, swapped = fuse(one, two, *levels), fuse(two, one, *levels)
    torch.testing.assert_close(found, swapped)
    away = (..., slice(8, -8), slice(8, 52))
    error, of_the_mean = (float((v - best)[away].abs().mean()) for v in (found, (one + two) / 2))
    assert error < 0.05 * of_the_mean


def test_logits_decide_between_equals() -> None:
    a, b = noise(1, 1, 32, 32), noise(1, 1, 32, 32).flip(-1)
    torch.testing.assert_close(fuse(a, b, 99, 99, 99), a)
    torch.testing.assert_close(fuse(a, b, -99, -99, -99), b)
    mixed = fuse(a, b, 99, -99)  # the finest plane of one, the rest of the other
    torch.testing.assert_close(mixed, a - smooth(a, 1) + smooth(b, 1))


def test_what_is_bright_in_one_picture_has_no_wide_halo_in_the_others_sky() -> None:
    sky, house = torch.full((1, 1, 64, 192), 0.6), torch.full((1, 1, 64, 192), 0.05)
    sky[..., 96:], house[..., 96:] = 0.2, 0.9
    fused = fuse(sky, house, *(0,) * 6)
    near, far = fused[..., 32, 96 - 30 : 96 - 16], fused[..., 32, 20:40]
    assert float((far - 0.6).abs().max()) < 0.02
    assert float((near - 0.6).abs().max()) < 0.1
    assert float((fused[..., 32, 104:] - 0.9).abs().max()) < 0.15
