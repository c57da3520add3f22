"""Shrinking a field to its mean: exact limits, and less error where the amount fits it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import relative_variances, shrink_codes
from tests.helpers import tiny_basis


@pytest.fixture(scope="module")
def basis():
    return tiny_basis()


def noisy(basis, amount: float, batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return amount * torch.randn((batch, basis.rank, 20, 24), generator=generator)


def test_codes_measure_the_distance_of_kernels(basis) -> None:
    codes = noisy(basis, 0.05)
    part = basis.components * basis.spread[:, None]
    kernels = basis.mean.view(1, -1, 1, 1) + torch.einsum("rk,brhw->bkhw", part, codes)
    centre = kernels.mean((2, 3), keepdim=True)
    expected = (kernels - centre).square().sum(1).mean() / centre.square().sum()
    assert relative_variances(codes, basis)[1].item() == pytest.approx(expected.item(), rel=1e-4)


def test_no_amount_changes_nothing(basis) -> None:
    codes = noisy(basis, 1.0)
    assert torch.equal(shrink_codes(codes.clone(), basis, 0.0), codes)


def test_a_constant_field_stays(basis) -> None:
    codes = noisy(basis, 1.0)[..., :1, :1].expand(-1, -1, 5, 6)
    assert torch.allclose(shrink_codes(codes.clone(), basis, 0.02), codes, atol=1e-6)


def test_the_mean_stays_and_half_is_kept_of_a_variance_like_the_amount(basis) -> None:
    codes = noisy(basis, 0.3)
    made = shrink_codes(codes.clone(), basis, relative_variances(codes, basis)[1].item())
    assert torch.allclose(made.mean((2, 3)), codes.mean((2, 3)), atol=1e-5)
    centre = codes.mean((2, 3), keepdim=True)
    assert torch.allclose(made - centre, (codes - centre) / 2, atol=1e-5)


def test_more_variance_is_kept_more(basis) -> None:
    kept = []
    for amount in (0.05, 0.2, 1.0):
        codes = noisy(basis, amount)
        made = shrink_codes(codes.clone(), basis, 0.02)
        kept.append((made.std() / codes.std()).item())
    assert kept == sorted(kept)
    assert kept[0] < 0.5 < kept[-1]


def test_it_lowers_the_error_of_a_noisy_estimate(basis) -> None:
    """Truth constant or varying: with the right error variance neither gets worse."""
    rows = torch.linspace(-1, 1, 20).view(1, 1, -1, 1).expand(1, basis.rank, 20, 24)
    for truth in (torch.zeros_like(rows), 0.4 * rows):
        error = noisy(basis, 0.3)
        share = relative_variances(truth + error, basis)[1] - relative_variances(truth, basis)[1]
        made = shrink_codes(truth + error, basis, float(share))
        before, after = (
            ((x - truth) * basis.spread.view(1, -1, 1, 1)).square().mean()
            for x in (truth + error, made)
        )
        assert after < before


def test_pictures_of_a_batch_do_not_mix(basis) -> None:
    one, two = noisy(basis, 0.1, seed=1), noisy(basis, 2.0, seed=2)
    both = shrink_codes(torch.cat((one, two)), basis, 0.02)
    assert torch.allclose(both[:1], shrink_codes(one, basis, 0.02), atol=1e-6)
    assert torch.allclose(both[1:], shrink_codes(two, basis, 0.02), atol=1e-6)


def by_depth(basis, depth: torch.Tensor) -> torch.Tensor:
    """Defocus: every code is a function of the distance from the focal plane."""
    slopes = torch.linspace(-1, 1, basis.rank).view(1, -1, 1, 1)
    return slopes * (depth - 0.4).abs()


def test_what_depth_explains_is_kept_more(basis) -> None:
    depth = torch.rand((1, 1, 20, 24), generator=torch.Generator().manual_seed(3))
    codes = by_depth(basis, depth)
    amount = relative_variances(codes, basis)[1].item()
    with_depth, without = (
        (shrink_codes(codes.clone(), basis, amount, d) - codes).std() for d in (depth, None)
    )
    assert with_depth < 0.4 * without


def test_noise_around_what_depth_explains_is_shrunk(basis) -> None:
    depth = torch.rand((1, 1, 20, 24), generator=torch.Generator().manual_seed(3))
    truth = by_depth(basis, depth)
    codes = truth + noisy(basis, 0.2)
    amount = relative_variances(codes, basis, depth)[1].item()
    made = shrink_codes(codes.clone(), basis, amount, depth)
    assert (made - truth).square().mean() < 0.4 * (codes - truth).square().mean()


def test_a_depth_without_relation_explains_little(basis) -> None:
    """Both smooth, as they are in pictures; chance alone explains about a tenth."""
    shares = []
    for seed in range(8):
        g = torch.Generator().manual_seed(seed)
        coarse = torch.randn((1, basis.rank, 5, 6), generator=g)
        codes = F.interpolate(coarse, size=(20, 24), mode="bicubic", align_corners=True)
        depth = F.interpolate(
            torch.rand((1, 1, 4, 4), generator=g), size=(20, 24), mode="bicubic"
        ).clamp(0, 1)
        explained, rest = relative_variances(codes, basis, depth)
        shares.append((explained / (explained + rest)).item())
    assert sum(shares) / len(shares) < 0.2


def test_a_flat_depth_says_nothing(basis) -> None:
    codes = noisy(basis, 0.5)
    flat = torch.full((1, 1, 20, 24), 0.3)
    with_depth, without = (shrink_codes(codes.clone(), basis, 0.05, d) for d in (flat, None))
    assert torch.allclose(with_depth, without, atol=1e-4)
