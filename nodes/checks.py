"""For `validate_inputs`: what is wrong with values, before anything runs.

The host shows a complaint at each input named in `validate_inputs`, so each message begins with the
name of its own. An input named there loses the host's own checks. None stands for an input that is
linked, whose value is not known yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..mmsr_core.errors import InputError
from .inputs import MAX_TILE_PX, MIN_TILE_PX


def check_choice(value: str | None, choices: Sequence[str]) -> bool | str:
    """True, or what is wrong with a choice: some releases of the host do not check those of V3."""
    if value is None or value in choices:
        return True
    return f"{value!r} is not one of: {', '.join(choices) or 'nothing (no files found)'}"


def check_choices(**given: tuple[str | None, Sequence[str]]) -> bool | str:
    """The first complaint of several `check_choice`, by the input's name."""
    for name, (value, choices) in given.items():
        checked = check_choice(value, choices)
        if checked is not True:
            return f"{name}: {checked}"
    return True


def check_size(size: str | None) -> bool | str:
    """True, or what is wrong with a size; None is one that is only known in the run."""
    from ..mmsr_core.image import TargetSize

    try:
        if size is not None and size.strip():
            TargetSize.parse(size)
    except InputError as error:
        return f"size: {error}"
    return True


def check_tile(tile_px: int | None) -> bool | str:
    """True, or what is wrong with a tile in pixels of the result; 0 chooses."""
    if tile_px is None or tile_px == 0 or MIN_TILE_PX <= tile_px <= MAX_TILE_PX:
        return True
    return (
        f"tile: {tile_px} is not from {MIN_TILE_PX} to {MAX_TILE_PX}, in pixels of the result. "
        "0 chooses by the memory there is."
    )


def first_complaint(*checked: bool | str) -> bool | str:
    """The first of several that is one, or True."""
    return next((one for one in checked if one is not True), True)
