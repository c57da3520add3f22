"""How long a run takes: a guess per kind of machine at first, then from the runs so far."""

from __future__ import annotations

from .sizes import SizePlan

_SECONDS = {"cpu": 6.0, "cuda": 0.15, "mps": 0.7}
"""Seconds per megapixel of the result before anything was timed, without a flow."""
_STEP_SHARE = 0.25
"""What each step of the flow takes of that."""
_LEAST_MEGAPIXELS = 0.2
"""Smaller runs say little about the pace."""


class RunTimeEstimate:
    """Seconds per megapixel of the result, from the last run."""

    def __init__(self) -> None:
        """Nothing is timed yet."""
        self._pace: float | None = None

    def seconds_for(self, plan: SizePlan, steps: int, device_type: str) -> float:
        """About how long a run takes.

        Args:
            plan: the sizes of the run.
            steps: of the flow; 0 for none.
            device_type: `cpu`, `cuda` or `mps`; counts only before anything was timed.
        """
        pace = _SECONDS.get(device_type, _SECONDS["cpu"]) if self._pace is None else self._pace
        return 1.0 + pace * _work(plan, steps)

    def learn(self, plan: SizePlan, steps: int, seconds: float) -> None:
        """Takes note of a run that took `seconds`; arguments as for `seconds_for`."""
        work = _work(plan, steps)
        if work > _LEAST_MEGAPIXELS:
            self._pace = seconds / work


def _work(plan: SizePlan, steps: int) -> float:
    """Megapixels of the result, weighed with what the steps take."""
    height, width = plan.result
    return height * width / 1e6 * (1 + _STEP_SHARE * steps)
