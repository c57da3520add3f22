"""Sizes as people write them."""

import pytest

from mmsr_core.errors import InputError
from mmsr_core.image import TargetSize


@pytest.mark.parametrize(
    ("text", "wanted", "scale"),
    [
        ("4K", (2160, 3840), 4), ("4k", (2160, 3840), 4), ("3000", (1688, 3000), 4),
        ("3000px", (1688, 3000), 4), ("w1920", (1080, 1920), 2), ("h2160", (2160, 3840), 4),
        ("2x", (1080, 1920), 2), ("1.5x", (810, 1440), 2), ("8.2944MP", (2160, 3840), 4),
        ("480", (270, 480), 1), ("0.5x", (270, 480), 1), ("1080p", (1080, 1920), 2),
        ("x2", (1080, 1920), 2), ("×1.5", (810, 1440), 2),
        ("1920x1080", (1080, 1920), 2), ("1921×1080px", (1080, 1921), 3),
    ],
)  # fmt: skip
def test_sizes(text, wanted, scale):
    target = TargetSize.parse(text)
    assert target.of((540, 960)) == wanted
    assert target.scale((540, 960)) == scale


def test_the_longest_side_of_an_upright_picture():
    assert TargetSize.parse("4K").of((960, 540)) == (3840, 2160)


def test_the_shorter_side_of_an_upright_picture():
    assert TargetSize.parse("1080p").of((960, 540)) == (1920, 1080)


def test_rounding_asks_for_no_larger_factor():
    # 1001 x 667 at twice the size: 2002 x 1334, and a width of 2002 is not "a little over" two.
    target = TargetSize.parse("w2002")
    assert target.of((667, 1001)) == (1334, 2002)
    assert target.scale((667, 1001)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "big",
        "-3",
        "0",
        "0x",
        "w",
        "w2x",
        "x",
        "x2x",
        "1080pp",
        "4 K",
        "0x3",
        "3x0",
        "w3x4",
        "3x4x5",
        "1e9",
        "nan",
    ],
)
def test_nonsense_is_refused(text):
    with pytest.raises(InputError, match="A size is one of"):
        TargetSize.parse(text)


def test_too_much_is_refused():
    with pytest.raises(
        InputError, match=r"more than 16 times .* ask for 16x at most, which is 1600x"
    ):
        TargetSize.parse("8K").scale((100, 100))
    for text in ("16x", "2560x1920"):  # what the message says can be asked for
        assert TargetSize.parse(text).scale((120, 160)) == 16


def test_both_sides_must_have_the_proportions_of_the_picture():
    assert TargetSize.parse("1000x667").of((667, 1001)) == (667, 1000)
    assert TargetSize.parse("3x2").of((100, 150)) == (2, 3)
    assert TargetSize.parse("4x2").of((100, 150)) == (2, 4)  # within a pixel
    assert TargetSize.parse("1010x1000").of((100, 100)) == (1000, 1010)  # within a per cent
    for text in ("1020x1000", "1000x1000"):
        with pytest.raises(InputError, match=r"give 10.0x.* or 1.*x1000"):
            TargetSize.parse(text).of((99, 102) if text == "1000x1000" else (100, 100))
    assert TargetSize.parse("1000x750").of((120, 160)) == (750, 1000)
    with pytest.raises(InputError, match="give 1000x750 or 1333x1000"):
        TargetSize.parse("1000x1000").scale((120, 160))
