"""How long a run takes: a guess per kind of machine at first, then from the runs so far."""

from __future__ import annotations

from .sizes import SizePlan

_SECONDS = {"cpu": 3.5, "cuda": 0.1, "mps": 0.5}
"""Seconds per megapixel of the result at x4, before anything was timed, without a flow."""
_STEP_SHARE = 0.1
"""What each step of the flow takes of that: most of a run is measuring and the mean."""
_SCALE_COST = {1: 3.5, 2: 1.3, 3: 1.1}
"""Cost of a result's megapixel at small scales, of which more input pixels are measured
(`python -m benchmarks speed`)."""
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
    measured = _SCALE_COST.get(plan.scale, 1.0)
    return height * width / 1e6 * (measured + _STEP_SHARE * steps)
