"""How long a run takes: a guess per kind of machine at first, then from the runs so far."""

from __future__ import annotations

from .sizes import SizePlan

_SECONDS = {"cpu": (5.0, 10.0), "cuda": (0.15, 0.3), "mps": (0.6, 1.2)}
"""Seconds per megapixel of the result before anything was timed: without and with a flow."""
_STEPS = 4
"""The steps of the flow that the seconds above are for."""
_LEAST_MEGAPIXELS = 0.2
"""Smaller runs say little about the pace."""


class RunTimeEstimate:
    """Seconds per megapixel of the result, without and with a flow."""

    def __init__(self) -> None:
        """Nothing is timed yet."""
        self._timed: dict[bool, float] = {}

    def seconds_for(self, plan: SizePlan, steps: int, device_type: str) -> float:
        """About how long a run takes.

        Args:
            plan: the sizes of the run.
            steps: of the flow; 0 for none.
            device_type: `cpu`, `cuda` or `mps`; counts only before anything was timed.
        """
        flow = steps > 0
        pace = self._timed.get(flow)
        if pace is None:
            pace = _SECONDS.get(device_type, _SECONDS["cpu"])[flow]
        return 1.0 + pace * _work(plan, steps)

    def learn(self, plan: SizePlan, steps: int, seconds: float) -> None:
        """Takes note of a run that took `seconds`; arguments as for `seconds_for`."""
        work = _work(plan, steps)
        if work > _LEAST_MEGAPIXELS:
            self._timed[steps > 0] = seconds / work


def _work(plan: SizePlan, steps: int) -> float:
    """Megapixels of the result, weighed with the share of the usual steps."""
    height, width = plan.result
    return height * width / 1e6 * (steps / _STEPS if steps else 1)
