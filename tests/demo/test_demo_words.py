"""The demo's sentences: they follow the numbers, and a mirrored picture mirrors the words."""

import math

import pytest
import torch

from mmsr_core.errors import ShapeError
from mmsr_core.pipeline.sharpness import LEVELS, sharpness_of_widths
from mmsr_demo.ui import merge_words
from mmsr_demo.ui import messages as words

MIRROR = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def mirrored(text, across):
    swapped = ("left", "right") if across else ("top", "bottom")
    return " ".join(MIRROR[w] if w in swapped else w for w in text.split())


def ramp(angle, low=1.0, high=2.4, size=24):
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    t = math.cos(angle) * x + math.sin(angle) * y
    t = (t - t.min()) / (t.max() - t.min())
    return low + (high - low) * t


def test_soft_towards_an_edge():
    text = sharpness_of_widths(ramp(0), 4).words()
    assert text.startswith("Soft towards the right edge: about 0.")  # px of the picture
    assert text.endswith(" px where it is sharpest.")


@pytest.mark.parametrize("angle", [0.0, 0.7, 1.6, 2.4, 3.3, 4.0, 4.8, 5.6])
def test_mirrored_pictures_have_mirrored_places(angle):
    width = ramp(angle)
    place = sharpness_of_widths(width, 4).place
    assert place
    assert sharpness_of_widths(width.flip(1), 4).place == mirrored(place, across=True)
    assert sharpness_of_widths(width.flip(0), 4).place == mirrored(place, across=False)


def test_middle_and_edges_are_opposites():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 30), torch.linspace(-1, 1, 30), indexing="ij")
    bump = torch.exp(-4 * (x * x + y * y))
    assert sharpness_of_widths(1 + bump, 4).place == "in the middle"
    assert sharpness_of_widths(2 - bump, 4).place == "around the edges"


def test_even_blur_names_no_place():
    generator = torch.Generator().manual_seed(0)
    width = 2 + 0.05 * torch.rand(16, 20, generator=generator)
    assert sharpness_of_widths(width, 4).place == ""
    assert "everywhere" in sharpness_of_widths(width, 4).words()


def test_levels_rise_with_the_blur_and_do_not_depend_on_the_scale():
    names = [name for _, name in LEVELS]
    order = [
        names.index(sharpness_of_widths(torch.full((9, 9), s), 4).level)
        for s in torch.linspace(0.5, 4, 12).tolist()
    ]
    assert order == sorted(order)
    assert order[0] == 0
    assert order[-1] == len(names) - 1
    for scale in (1, 2, 8):
        same = sharpness_of_widths(torch.full((9, 9), 0.5 * scale), scale).level
        assert same == sharpness_of_widths(torch.full((9, 9), 2.0), 4).level


def test_the_measured_range_is_in_the_sentence():
    for width in (torch.full((5, 5), 1.7), ramp(2.0, 0.9, 3.0)):
        for scale in (1, 4):
            blur = sharpness_of_widths(width, scale)
            assert blur.narrowest_px <= blur.mean_px <= blur.widest_px
            shown = blur.widest_px if blur.place else blur.mean_px
            assert f"{shown:.1f} px" in blur.words()


def test_wrong_shapes_are_refused():
    with pytest.raises(ShapeError):
        sharpness_of_widths(torch.ones(1, 4, 4), 4)
    with pytest.raises(ShapeError):
        words.blur_width(torch.ones(1, 3, 4, 4))


def test_width_is_the_geometric_mean():
    sigma = torch.tensor([4.0, 1.0]).view(1, 2, 1, 1)
    assert float(words.blur_width(sigma)) == pytest.approx(2.0)


@pytest.mark.parametrize("turn", range(-8, 9))
def test_axes_have_no_sign(turn):
    angle = turn * math.pi / 8 + 0.01
    assert words.direction_words(angle) == words.direction_words(angle + math.pi)
    assert words.direction_words(angle) == words.direction_words(angle - math.pi)


def test_directions():
    assert words.direction_words(0) == "left to right"
    assert words.direction_words(math.pi / 2) == "up and down"
    # y points down: 45 degrees leads to the bottom right.
    assert words.direction_words(math.pi / 4) == "from the top left to the bottom right"
    assert words.direction_words(-math.pi / 4) == "from the bottom left to the top right"


def test_shapes():
    assert words.shape_words(2.0, 1.9, 0.3).startswith("Round: 1.9 px of the result")
    assert words.shape_words(3.0, 1.0, 0.0).startswith(
        "Smeared left to right: 3.0 px of the result along, 1.0 px across"
    )
    assert words.shape_words(1.5, 1.0, 0.0).startswith("Slightly smeared")


def test_kernels_are_told_from_the_blur():
    widths = torch.tensor([[1.4, 1.8, 2.2]])
    text = words.kernels_words(widths, 4)
    assert text.startswith(
        "Kernels used (blur and shrinking together): 1.4 to 2.2 px of the result, mean 1.8."
    )
    assert "each of its pixels stands for 4×4 of the result" in text
    assert "shrinking" not in words.kernels_words(widths, 1)
    assert "reduced" not in words.kernels_words(widths, 1, 1) + words.kernels_words(widths, 4, 4)
    for scale, of_kernels, factor in ((1, 4, 4), (2, 4, 2)):
        text = words.kernels_words(widths, scale, of_kernels)
        assert text.startswith(f"Kernels used, of the picture reduced by {factor}: 1.4 to 2.2 px")
        assert "not its own blur" in text


def test_smear_needs_one_direction():
    sigma = torch.stack([torch.full((8, 8), 3.0), torch.full((8, 8), 1.0)])
    one_way = torch.full((8, 8), math.pi / 2 - 0.02)
    one_way[:, ::2] -= math.pi - 0.04  # The same axis, seen from its other end.
    assert words.smear_words(sigma, one_way).startswith("Smeared up and down")
    spread = torch.linspace(0, math.pi, 64).view(8, 8)
    assert words.smear_words(sigma, spread) == ""
    assert words.smear_words(torch.full((2, 8, 8), 2.0), one_way) == ""


def test_noise_and_jpeg_words_are_ordered():
    noise = [words.noise_words(v / 255).split(":")[0] for v in (0.1, 1, 2.55, 5, 20)]
    assert noise == [
        "No visible noise", "Slight noise (about 0.4 %)", "Slight noise (about 1 %)",
        "Noisy (about 2 %)", "Very noisy (about 8 %)",
    ]  # fmt: skip
    assert words.noise_words(5 / 255).endswith(": 5.0 of 255 levels.")
    jpeg = [words.jpeg_words(q).split(":")[0] for q in (20, 50, 80, 92)]
    assert jpeg == [
        "Heavily compressed", "Clearly compressed", "Compressed", "Lightly compressed",
    ]  # fmt: skip
    assert words.jpeg_words(100) == "No traces of JPEG found."


def test_what_was_measured_with_its_error_is_said_so():
    assert words.noise_words(5 / 255, 0.4 / 255).endswith("5.0 of 255 levels, give or take 0.4.")
    assert words.noise_words(0.0, 0.0).endswith("give or take 0.1.")  # Nothing is known for sure.
    assert words.jpeg_words(50, 3.4).endswith("quality 50, give or take 3.")
    assert words.jpeg_words(50, 0.2).endswith("give or take 1.")
    assert words.jpeg_words(100, 3.4) == "No traces of JPEG found."


def test_agreement_is_up_to_the_noise():
    one = 20 * math.log10(255)  # An error of exactly one level.
    text = words.consistency_words(one + 0.1, 1 / 255)
    assert text.startswith("Consistent with your picture: within 1.0 brightness levels")
    text = words.consistency_words(20 * math.log10(255 / 1.6), 2 / 255, jpeg_quality=40)
    assert "within 1.6 brightness levels of 255, as far as its noise and JPEG damage" in text
    text = words.consistency_words(one, 0.0)
    assert text.startswith("Close to your picture: within 1.0 brightness levels of 255")
    text = words.consistency_words(one, 0.2 / 255, jpeg_quality=40)
    assert text.endswith("; its noise and JPEG damage would account for 0.2.")
    for nothing in (0.0, 0.04 / 255):  # What is not there explains nothing.
        assert words.consistency_words(one, nothing, jpeg_quality=40).endswith("levels of 255.")
    exact = words.consistency_words(80.0, 0.0)  # Rounding to 8 bits is no difference.
    assert exact == "Consistent with your picture: within 0.0 brightness levels of 255."


def test_what_became_of_another_upscaler_s_picture():
    assert merge_words.merge_headline(0.384, 0.5).startswith("38% of this is the other picture")
    assert "left out" in merge_words.merge_headline(0.0, 0.5)
    assert merge_words.merge_headline(0.0, 0).startswith("With trust 0")
    assert merge_words.taken_words(0.4, 0.1, 0.5).startswith("40% on average, from 10% to 50%")
    assert merge_words.taken_words(1.0, 1.0, 1.0) == "100% everywhere."
    assert merge_words.place_words(0.01, -0.02) == "It lay exactly on your picture."
    assert "0.5 px too high (px" in merge_words.place_words(-0.5, 0.0)
    assert "1.0 px too low and 2.0 px too far right" in merge_words.place_words(1.0, 2.0)
    assert merge_words.cast_words([0.1, -0.2, 0.3]) == "Its colours are yours."
    assert "red +3.0, green −1.0, blue +0.0" in merge_words.cast_words([3.0, -1.0, 0.0])
    left = {"faithful": 1 / 255, "prior": 9 / 255, "result": 2 / 255}
    said = merge_words.agreement_words(left, 1.5 / 255)
    for number in ("by 2.0", "by 9.0", "by 1.0", "explain 1.5"):
        assert number in said
    assert "explain" not in merge_words.agreement_words(left, 0.0)
    assert "(6.0 of 255), and about 2.5" in merge_words.prior_noise_words(6 / 255, 2.5 / 255)


def test_a_little_noise_stays_dark_on_a_map():
    """The colours of a map stand for numbers, not for its own largest one."""
    panels = pytest.importorskip("mmsr_demo.ui.panels")
    little = torch.zeros(8, 8)
    little[4, 4] = 0.5
    said = panels.damage_panel(little, little)
    assert "0.0 to 0.5 of 255 levels, mean 0.0. Yellow is 5.0." in said
    assert "Yellow is 1.0." in said
    assert "Yellow is 20.0." in panels.damage_panel(little * 40, little)


def test_every_stage_has_words():
    panels = pytest.importorskip("mmsr_demo.ui.panels")
    for stage in ("damage", "depth", "kernel", "mean", "fusion", "flow", "consistency", "finish"):
        assert stage in panels.STAGES
    assert panels.stage_words("2 of 5: finish") == "2 of 5 · Finishing"


def test_headline_lists_what_is_wrong():
    assert words.headline("", 0.0, 100) == "Your picture is in good shape."
    assert words.headline("soft", 5 / 255, 50) == "Your picture is soft, noisy and compressed."
    assert words.headline("very soft", 0.0, 100) == "Your picture is very soft."


def test_times_grow():
    assert words.time_words(3) == "a few seconds"
    assert words.time_words(22) == "about 20 s"
    assert words.time_words(61) == "about 1 minute"
    assert words.time_words(200) == "about 3 minutes"
