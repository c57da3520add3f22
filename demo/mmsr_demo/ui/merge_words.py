"""What became of another upscaler's picture, in words. Pure functions of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .messages import LEAST_TOLD_LEVELS

_SAME_PLACE_PX, _SAME_COLOUR = 0.05, 0.5
"""Shifts and differences of colour (of 255) that are not worth a word."""
_COLOURS = ("red", "green", "blue")


def merge_headline(share: float, trust: float) -> str:
    """One sentence about a merged picture.

    Args:
        share: how far the other picture was followed, the mean, 0..1.
        trust: what was chosen, 0..1.
    """
    if trust == 0:
        return "With trust 0 the other picture is left out: this is yours, restored faithfully."
    if share == 0:
        return "The other picture was left out: this is yours, restored faithfully."
    return f"{share:.0%} of this is the other picture; the rest is yours, restored faithfully."


def taken_words(mean: float, low: float, high: float) -> str:
    """How much was taken of the other picture; each 0..1."""
    if high - low < 0.005:
        return f"{mean:.0%} everywhere."
    return (
        f"{mean:.0%} on average, from {low:.0%} to {high:.0%} by place: the less, the more it "
        "contradicts your picture."
    )


def place_words(down_px: float, right_px: float) -> str:
    """Where the other picture lay, px of the result."""
    if max(abs(down_px), abs(right_px)) < _SAME_PLACE_PX:
        return "It lay exactly on your picture."
    parts = [
        f"{abs(shift):.1f} px {words[shift > 0]}"
        for shift, words in ((down_px, ("too high", "too low")),
                             (right_px, ("too far left", "too far right")))
        if abs(shift) >= _SAME_PLACE_PX
    ]  # fmt: skip
    return f"It lay {' and '.join(parts)} (px of the result), and was moved into place."


def cast_words(cast_255: Sequence[float]) -> str:
    """The other picture's colour cast: how much more red, green and blue it has, of 255."""
    if max(map(abs, cast_255)) < _SAME_COLOUR:
        return "Its colours are yours."
    more = ", ".join(
        f"{name} {value:+.1f}" for name, value in zip(_COLOURS, cast_255, strict=True)
    ).replace("-", "−")
    return f"On average it differs from yours by {more} (of 255 levels); that was taken out."


def agreement_words(difference: Mapping[str, float], unexplained_std: float) -> str:
    """How well each picture agrees with the input.

    Args:
        difference: `faithful`, `prior` and `result`: what each leaves of the input when it is
            blurred and shrunk again, 0..1 units.
        unexplained_std: what noise and JPEG damage explain of it, 0..1 units.
    """
    left = {name: f"{255 * value:.1f}" for name, value in difference.items()}
    noise = 255 * unexplained_std
    explained = f" Noise and compression explain {noise:.1f}." if noise >= LEAST_TOLD_LEVELS else ""
    return (
        f"Blurred and shrunk again, this differs from your picture by {left['result']} brightness "
        f"levels of 255, the other picture alone by {left['prior']}, the faithful one alone by "
        f"{left['faithful']}.{explained}"
    )


def prior_noise_words(noise_std: float, kept_std: float) -> str:
    """Noise of the other picture itself, and how much of it came along, 0..1 units."""
    return (
        f"The other picture is noisy itself ({255 * noise_std:.1f} of 255), and about "
        f"{255 * kept_std:.1f} of that came along; a lower trust takes less of it."
    )
