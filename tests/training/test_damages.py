"""The damage family: what it says about its pictures is true."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.data.damages import (
    JPEG_KINDS,
    NOISE_KINDS,
    DamageShares,
    damaged_batches,
    make_noise,
    to_grey,
)
from training.data.drawings import KINDS, drawing
from training.data.photos import Photo

NOTHING = {"drawings": 0, "grey": 0, "blur": 0, "halo": 0, "faded": 0, "harsh": 0, "bars": 0}


def only(index: int, count: int) -> tuple[float, ...]:
    return tuple(float(i == index) for i in range(count))


def photos() -> list[Photo]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (30, 40, 3), np.uint8)
    return [Photo("a", coarse.repeat(12, 0).repeat(12, 1), None)]


def batch(**shares):
    given = NOTHING | {"noise": only(0, 5), "jpeg": only(0, 5)} | shares
    return next(damaged_batches(photos(), 6, 64, 3, DamageShares(**given)))


def test_shapes_and_eight_bits() -> None:
    made = next(damaged_batches(photos(), 4, 64, 0))
    assert made.pictures.shape == (4, 3, 64, 64)
    assert made.noise_std.shape == (4, 1, 16, 16)
    levels = made.pictures * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    again = next(damaged_batches(photos(), 4, 64, 0))
    assert torch.equal(made.pictures, again.pictures)


def test_an_undamaged_picture_is_said_to_be_one() -> None:
    made = batch()
    assert float(made.noise_std.max()) == 0
    assert made.jpeg_quality.tolist() == [100] * 6
    assert float(made.blur_std_px.max()) == 0


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_noise_has_the_std_it_is_said_to_have(kind) -> None:
    rng = np.random.default_rng(1)
    grey = np.full((96, 96, 3), 127.5, np.float32)
    noise = make_noise(grey, kind, 9.0, rng)
    assert noise.std() == pytest.approx(0 if kind == "none" else 9, rel=0.15)
    if kind == "grey":
        assert np.ptp(noise, axis=2).max() == 0
    neighbours = (noise[:, 1:] * noise[:, :-1]).mean() / max(noise.var(), 1e-9)
    if kind == "correlated":
        assert neighbours > 0.05
    elif kind in ("independent", "grey"):
        assert abs(neighbours) < 0.05


def test_noise_follows_the_light() -> None:
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 255, 96, dtype=np.float32)[None, :, None].repeat(96, 0).repeat(3, 2)
    noise = make_noise(slope, "light", 9.0, rng)
    assert noise[:, 72:].std() > 1.2 * noise[:, :24].std()


@pytest.mark.parametrize("index", range(1, len(JPEG_KINDS)))
def test_jpeg_changes_the_picture_and_is_said(index) -> None:
    made = batch(jpeg=only(index, 5), jpeg_quality=(20, 30))
    assert float(made.jpeg_quality.min()) >= 20
    assert float(made.jpeg_quality.max()) <= 30


def test_blur_is_said_in_px_of_the_picture() -> None:
    made = batch(blur=1.0, blur_std_px=(2.0, 3.0))
    assert 2 <= float(made.blur_std_px.min()) <= float(made.blur_std_px.max()) <= 3


def test_grey_pictures_are_grey() -> None:
    made = batch(grey=1.0, noise=only(1, 5))
    assert float((made.pictures.amax(1) - made.pictures.amin(1)).max()) * 255 < 1.5
    assert (
        np.ptp(to_grey(np.random.default_rng(0).random((4, 4, 3), np.float32)), axis=2).max() == 0
    )


def test_contrast_and_bars_leave_the_noise_that_is_said() -> None:
    plain = batch(noise=only(1, 5), noise_std=(9, 9))
    for kind in ("faded", "harsh", "bars"):
        made = batch(noise=only(1, 5), noise_std=(9, 9), **{kind: 1.0})
        assert not torch.equal(made.pictures, plain.pictures)
        assert float(made.noise_std.mean()) * 255 == pytest.approx(9, rel=0.1)


def test_faded_pictures_have_less_contrast_and_harsh_ones_are_clipped() -> None:
    plain, faded, harsh = (batch(**given) for given in ({}, {"faded": 1.0}, {"harsh": 1.0}))
    assert float(faded.pictures.std()) < float(plain.pictures.std())
    clipped = [((x == 0) | (x == 1)).float().mean() for x in (harsh.pictures, plain.pictures)]
    assert clipped[0] > clipped[1] + 0.1


def test_bars_cover_a_side_and_keep_one_colour() -> None:
    made = batch(noise=only(1, 5), noise_std=(9, 9), bars=1.0)
    for picture in made.pictures:
        sides = (picture[:, 0], picture[:, -1], picture[:, :, 0], picture[:, :, -1])
        assert any(bool((side == side[:, :1]).all()) for side in sides)


def test_drawings_of_every_kind() -> None:
    rng = np.random.default_rng(0)
    for kind in KINDS:
        assert kind(48, rng).size == (48, 48)
    assert drawing(40, rng).shape == (40, 40, 3)


@pytest.mark.parametrize("noisy_halo", [0.0, 1.0])
def test_a_halo_is_said_with_its_amount_and_radius(noisy_halo) -> None:
    plain = batch()
    assert float(plain.sharpening[:, 0].max()) == 0
    chosen = {"halo_amount": (0.8, 0.8), "halo_radius_px": (1.5, 1.5), "noisy_halo": noisy_halo}
    made = batch(halo=1, **chosen)
    assert made.sharpening.tolist() == [pytest.approx([0.8, 1.5])] * 6
    assert float(made.pictures.std()) > float(plain.pictures.std())
    noise = {"noise": only(1, 5), "noise_std": (9.0, 9.0)}
    with_noise, without = batch(**noise), batch(halo=1, **chosen, **noise)
    ratio = float(without.noise_std.mean() / with_noise.noise_std.mean())
    assert ratio == pytest.approx(1.7 if noisy_halo else 1.0, abs=0.12)
