"""Training batches: seeded, of the right shapes, and prepared as the pipeline would."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import (
    KernelField,
    SynthesisConfig,
    back_project,
    degrade,
    degrade_canvas,
    isotropic_gaussian,
    sample_kernels,
)
from mmsr_core.degradation.synthesis.first_order import sigma_range_px
from tests.helpers import tiny_basis, tiny_models
from training.data.batches import LEAST_CONTRAST, Batch, Preparer, degraded
from training.data.explain import closest_gaussian
from training.data.photos import Photo, patches, split
from training.data.restoration import to_grid
from training.stages.common import with_resize_share

CLEAN = SynthesisConfig(families=(1, 0, 0, 0), layouts=(0, 1, 0, 0), clean_share=1.0)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photos() -> list[Photo]:
    rng = np.random.default_rng(0)
    made = []
    for i in range(3):
        pixels = rng.integers(0, 256, (70, 90 + i, 3), dtype=np.uint8)
        depth = rng.integers(0, 256, (20, 26), dtype=np.uint8)
        made.append(Photo(f"{i}.png", pixels, depth))
    return made


def batches(photos, seed=0, count=3, shares=(1, 0, 0, 0, 0), config=None, **options) -> list[Batch]:
    pairs = patches(photos, 2, 48, seed)
    return list(islice(degraded(pairs, CPU, seed, config, shares, **options), count))


def test_same_seed_same_batches(photos) -> None:
    first, again, other = (batches(photos, s, shares=(1, 1, 1, 1, 1)) for s in (5, 5, 6))
    for a, b in zip(first, again, strict=True):
        assert a.scale == b.scale
        for name in ("hr", "lr", "kernels", "noise_std", "jpeg_quality"):
            assert torch.equal(getattr(a, name), getattr(b, name)), name
    assert not torch.equal(first[0].hr, other[0].hr)
    assert not torch.equal(first[0].hr, first[1].hr)


def test_a_share_of_the_pictures_is_faded(photos) -> None:
    plain = batches(photos, config=CLEAN)
    made = batches(photos, config=CLEAN, faded_share=1.0)
    for one, other in zip(plain, made, strict=True):
        ratio = other.hr.std((1, 2, 3)) / one.hr.std((1, 2, 3))
        assert bool((ratio < 1).all())
        assert bool((ratio > LEAST_CONTRAST - 1e-3).all())
        assert float(other.hr.min()) >= 0
        assert float(other.hr.max()) <= 1


@pytest.mark.parametrize(("position", "scale"), list(enumerate((4, 2, 3, 8, 1))))
def test_shapes_and_ranges(photos, position: int, scale: int) -> None:
    shares = tuple(float(i == position) for i in range(5))
    batch = batches(photos, count=1, shares=shares, depth_dropout=0.0, max_lr_pixels=24)[0]
    assert batch.scale == scale
    side = min(48, 24 * scale)
    assert batch.hr.shape == (2, 3, side, side)
    h = side // scale
    assert batch.lr.shape == (2, 3, h, h)
    assert batch.kernels.shape == (2, 441, h, h)
    assert batch.depth is not None
    assert batch.depth.shape == (2, 1, h, h)
    for picture in (batch.hr, batch.lr, batch.depth):
        assert 0 <= float(picture.min()) <= float(picture.max()) <= 1
    assert float(batch.kernels.min()) >= 0
    torch.testing.assert_close(batch.kernels.sum(1), torch.ones(2, h, h), atol=1e-4, rtol=0)
    torch.testing.assert_close(batch.lr * 255, (batch.lr * 255).round(), atol=1e-3, rtol=0)


def test_the_truth_is_true(photos) -> None:
    batch = batches(photos, count=1, config=CLEAN)[0]
    field = KernelField.from_dense(batch.kernels, 4)
    error = degrade_canvas(batch.hr, field) - batch.lr
    assert float(error.abs().max()) <= 0.5 / 255 + 1e-5  # rounding to 8 bits
    assert torch.equal(batch.noise_std, torch.zeros(2))
    assert torch.equal(batch.jpeg_quality, torch.full((2,), 100.0))


def test_depth_is_left_out_at_times_and_where_it_is_missing(photos) -> None:
    assert all(b.depth is None for b in batches(photos, depth_dropout=1.0))
    bare = [Photo(p.name, p.pixels, None) for p in photos]
    assert all(b.depth is None for b in batches(bare, depth_dropout=0.0))


def test_preparer_with_true_kernels(photos) -> None:
    batch = batches(photos, count=1, config=CLEAN, depth_dropout=0.0)[0]
    basis = tiny_basis()
    estimator = tiny_models()["kernel_estimator"]
    for net in (None, estimator):
        c = Preparer(basis, 6, net, torch.Generator().manual_seed(0), true_share=1.0)(batch)
        base = F.interpolate(batch.lr, scale_factor=4, mode="bicubic")
        torch.testing.assert_close(c.base, base)
        field = KernelField.from_dense(batch.kernels, 4)
        torch.testing.assert_close(c.back_projected, back_project(base.clone(), batch.lr, field, 2))
        expected = basis.encode(batch.kernels, 6)
        torch.testing.assert_close(c.codes, expected, atol=1e-4, rtol=1e-4)
        assert c.global_conditions.shape == (2, 3)
        assert c.depth is not None
        assert torch.equal(c.depth, batch.depth)


def test_preparer_with_estimated_or_damaged_kernels(photos) -> None:
    batch = batches(photos, count=1, config=CLEAN)[0]
    basis = tiny_basis()
    estimator = tiny_models()["kernel_estimator"]
    truth = basis.encode(batch.kernels, 6)
    blind = Preparer(basis, 6, estimator, torch.Generator().manual_seed(0), 0.0)(batch)
    with torch.no_grad():
        estimate = estimator(batch.lr, 4, batch.depth).kernels
    torch.testing.assert_close(blind.codes, basis.encode(estimate, 6), atol=1e-4, rtol=1e-4)
    assert not blind.codes.requires_grad
    damaged = Preparer(basis, 6, None, torch.Generator().manual_seed(0), 0.0)(batch)
    assert float((damaged.codes - truth).abs().max()) > 0.01
    assert not torch.equal(damaged.codes, blind.codes)


def test_dropped_kernels_leave_no_trace(photos) -> None:
    batch = batches(photos, count=1)[0]
    prepare = Preparer(
        tiny_basis(), 6, None, torch.Generator().manual_seed(0), 1.0, kernel_dropout=1.0
    )
    c = prepare(batch)
    assert float(c.codes.abs().max()) == 0
    assert torch.equal(c.back_projected, c.base)


def test_to_grid_is_the_pipelines_resampling() -> None:
    from mmsr_core.tiling import Span, Tile, grid_window

    lr_pixels = torch.rand(1, 2, 6, 10)
    for scale, size in ((4, (6, 10)), (2, (3, 5)), (8, (12, 20))):
        whole = Tile(*(Span(0, n, 0, n) for n in size))
        expected = grid_window(lr_pixels, scale, whole)
        torch.testing.assert_close(to_grid(lr_pixels, size), expected, atol=1e-6, rtol=0)


def test_held_out_photographs_are_not_trained_on(photos) -> None:
    training, validation = split(photos, 1)
    names = [{p.name for p in part} for part in (training, validation)]
    assert len(names[1]) == 1
    assert not names[0] & names[1]
    assert names[0] | names[1] == {p.name for p in photos}


def test_second_order_batches_are_explained_by_one_gaussian(photos) -> None:
    for batch in batches(photos, count=3, second_order_share=1.0):
        assert batch.lr.shape == (2, 3, 12, 12)
        assert batch.kernels.shape == (2, 441, 12, 12)
        assert float(batch.jpeg_quality.max()) < 100
        again = degrade(batch.hr, batch.kernels, 4)
        rest = (again - batch.lr).square().mean((1, 2, 3)).sqrt()
        torch.testing.assert_close(rest, batch.noise_std)
    mixed = batches(photos, count=40, second_order_share=0.5, config=CLEAN)
    assert 8 < sum(float(batch.jpeg_quality.max()) < 100 for batch in mixed) < 32


def test_the_closest_gaussian_is_found(photos) -> None:
    hr = next(patches(photos, 2, 48, 0))[0]
    low, high = sigma_range_px(4)
    for place in (0, 3, 6):
        kernel = isotropic_gaussian(low * (high / low) ** (place / 6), 4)
        lr = degrade(hr, kernel.view(1, -1, 1, 1).expand(2, -1, 12, 12), 4)
        noisy = lr + 0.02 * torch.randn(lr.shape, generator=torch.Generator().manual_seed(place))
        found, rest = closest_gaussian(hr, noisy, 4)
        torch.testing.assert_close(found[0, :, 0, 0], kernel)
        torch.testing.assert_close(rest, torch.full((2,), 0.02), rtol=0.1, atol=0)


def test_knots_of_smooth_fields_keep_their_distance() -> None:
    """The field of a whole picture varies as slowly as that of a patch, not faster per pixel."""
    turns = []
    for size in (12, 48):
        generator = torch.Generator().manual_seed(4)
        kernels, _ = sample_kernels(24, size, size, 4, generator, CLEAN)
        step = (kernels[..., 1:] - kernels[..., :-1]).abs().sum(1).mean()
        turns.append(float(step))
    assert turns[0] < 3 * turns[1]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_another_share_of_resize_kernels_keeps_the_proportions(share: float) -> None:
    families = with_resize_share(share)
    assert sum(families) == pytest.approx(1)
    assert families[-1] == share
    default = SynthesisConfig.families
    for a, b in pairwise(range(3)):
        assert families[a] * default[b] == pytest.approx(families[b] * default[a])


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_beyond_one_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        with_resize_share(share)
