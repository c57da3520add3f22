"""How sharp a picture is, in words: from the damage estimate, whatever the kernels are."""

import math

import pytest
import torch

from mmsr_core.models import DamageMaps
from mmsr_core.models.damage_estimator import BLUR_FLOOR_PX, NOISE_FLOOR
from mmsr_core.pipeline.sharpness import Sharpness, sharpness_of_damage


def maps(blur_px, error, noise_std=0.0):
    """Maps of 6x9 cells with a blur `(6,9)`, or the same everywhere, and the error of its log."""
    shape = (1, 1, 6, 9)
    blur = torch.as_tensor(blur_px, dtype=torch.float32).expand(shape[2:]).reshape(shape)
    error = torch.as_tensor(error, dtype=torch.float32).expand(shape[2:]).reshape(shape)
    return DamageMaps(
        torch.full(shape, math.log(noise_std + NOISE_FLOOR)), torch.full(shape, 0.1),
        torch.zeros(shape), torch.full(shape, 0.02), (blur + BLUR_FLOOR_PX).log(), error,
    )  # fmt: skip


def said(blur_px, error, noise=0.0, quality=100.0, reduced_by=1):
    return sharpness_of_damage(maps(blur_px, error, noise), reduced_by, noise, quality)


@pytest.mark.parametrize("noise", [0, 10 / 255, 25 / 255])
def test_a_sharp_picture_is_sharp_with_any_noise(noise):
    found = said(0.02, 0.1, noise)
    assert found.fault == ""
    said_of = (
        "Sharp everywhere, as far as its noise lets one tell: the blur is probably below 0.2 px of "
        "the picture."
    )
    assert found.words() == (said_of if noise else "Sharp everywhere: no blur was found.")
    both = said(0.1, 0.1, noise, 60)
    assert both.range_px[1] == pytest.approx(0.7 if noise else 0.3)
    assert "let one tell" in both.words() if noise else "lets one tell" in both.words()


def test_what_noise_hides_is_said():
    clear, hidden = said(2.0, 0.13), said(2.0, 0.8, 25 / 255)
    assert (
        clear.words()
        == "Very soft everywhere: the blur is about 2.0 px of the picture, give or take 0.2 px."
    )
    assert hidden.fault == "very soft"  # It is soft, only not known how much.
    assert hidden.words().endswith("give or take 1.3 px, since its noise hides it.")
    assert said(2.0, 0.8, 0, 40).words().endswith("since its compression hides it.")
    assert said(2.0, 0.8).words().endswith("give or take 1.3 px.")


def test_what_may_be_nothing_is_only_perhaps_there():
    found = said(0.5, 0.6, 12 / 255)
    assert found.fault == "perhaps soft"
    assert found.words().startswith("Perhaps soft everywhere: the blur is about 0.5 px of the")
    unknown = said(0.5, 3.0, 12 / 255)
    assert (unknown.fault, unknown.is_known) == ("", False)
    assert unknown.words() == "How sharp it is cannot be told: its noise hides it."
    assert "too little in it shows it" in said(0.5, 3.0).words()
    assert unknown.to_dict()["level"] == "unknown"


def test_a_place_is_named_where_it_is_sure():
    blur = torch.full((6, 9), 0.2)
    blur[:, 6:] = 1.5
    found = said(blur, 0.15)
    assert found.words().startswith("Very soft towards the right edge: about 1.5 px of the picture")
    assert found.to_dict()["level"] == "very soft"
    assert said(blur, 3.0).place == ""  # As in a sky.
    assert said(blur, 0.15, 12 / 255).place == ""  # Noise makes a sky look soft.
    assert said(0.1 * blur, 0.15).place == ""  # Sharp everywhere.


def test_kernels_that_differ_by_place_are_named_where_the_picture_is_clean():
    soft = Sharpness(0.55, 0.68, 0.48, "towards the bottom")
    found = sharpness_of_damage(maps(0.01, 0.15), 1, 0.0, 100.0, soft)
    assert found.words() == (
        "Soft towards the bottom: about 0.5 px of the picture, 0.0 px where it is sharpest."
    )
    numbers = found.to_dict()
    assert (found.fault, numbers["level"]) == ("soft in places", "soft")
    assert numbers["sharpest_region_px"] <= numbers["blur_px"] <= numbers["softest_region_px"]
    for noise, kernels in ((10 / 255, soft), (0.0, Sharpness(0.45, 0.50, 0.36, "in the middle"))):
        even = sharpness_of_damage(maps(0.01, 0.15, noise), 1, noise, 100.0, kernels)
        assert (even.fault, even.place) == ("", "")


def test_widths_are_those_of_the_picture_also_where_it_was_reduced():
    assert said(1.0, 0.1, reduced_by=4).mean_px == pytest.approx(4.0)
    assert Sharpness(0.6, 0.6, 0.6).words() == (
        "Soft everywhere: the blur is about 0.6 px of the picture."
    )


def test_given_kernels_are_not_called_a_measurement():
    given = Sharpness(0.6, 0.8, 0.5, is_given=True)
    assert given.words() == "Its blur was not measured: the kernels were given."
    assert given.fault == ""
