"""Progress, live preview and interruption, in the host's own state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .pictures import to_pillow

if TYPE_CHECKING:
    from mmsr_core.types import Progress

STEPS = 100
PREVIEW_SECONDS = 0.5
_WORDS = {
    "damage": "measuring noise and JPEG damage",
    "depth": "estimating depth",
    "kernel": "measuring blur",
    "mean": "restoring",
    "fusion": "joining",
    "flow": "drawing detail",
    "consistency": "comparing with the input",
    "finish": "finishing",
}


class Interrupted(Exception):  # noqa: N818 - the user's wish, not an error
    """The user pressed Interrupt or Skip."""


def stopped() -> bool:
    """Whether the user wants to stop."""
    from modules import shared

    state = shared.state
    return bool(state.interrupted or state.skipped or getattr(state, "stopping_generation", False))


def check_stopped(*_: object) -> None:
    """Raise when the user wants to stop."""
    if stopped():
        raise Interrupted


@contextmanager
def host_progress() -> Iterator[Callable[[Progress], None]]:
    """A progress callback that moves the host's bar and shows previews; it raises `Interrupted`.

    The host counts a job as done when it starts. For the time of the run it is one fewer, so that
    the steps of the run fill the bar. All numbers are put back at the end.
    """
    from modules import shared

    state = shared.state
    before = (state.job_no, state.sampling_step, state.sampling_steps, state.textinfo)
    if state.job_count > 0 and state.job_no > 0 and not before[2]:
        state.job_no -= 1
    state.textinfo = "MMSR: loading"
    last = time.monotonic()

    def report(event: Progress) -> None:
        nonlocal last
        check_stopped()
        state.sampling_steps = STEPS
        state.sampling_step = min(STEPS - 1, event.done * STEPS // max(1, event.total))
        state.textinfo = f"MMSR: {_WORDS.get(event.stage, event.stage)}"
        now = time.monotonic()
        wanted = getattr(shared.opts, "live_previews_enable", True)
        if wanted and event.preview is not None and now - last >= PREVIEW_SECONDS:
            last = now
            _show(state, event.preview())

    try:
        yield report
    finally:
        state.job_no, state.sampling_step, state.sampling_steps, state.textinfo = before


def _show(state: Any, preview: Any) -> None:
    state.assign_current_image(to_pillow(preview))
