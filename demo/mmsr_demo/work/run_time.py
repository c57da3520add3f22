"""How long a run takes and how far it is: from what its phases cost, and from the runs so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate

from mmsr_core.pipeline.context import LOW_SCALES, UNITS
from mmsr_core.pipeline.excess_contrast import LEAST_SCALE
from mmsr_core.types import Progress, ProgressCallback

from .sizes import SizePlan

_PACE = {"cpu": 1.3, "cuda": 0.04, "mps": 0.2}
"""Seconds that a phase of cost 1 takes for a megapixel, before anything was timed."""
_SAVING_S = 1.0
"""What every run takes beside its phases."""
_LEAST_MEGAPIXELS = 0.2
"""Smaller runs say little about the pace."""
_DAMAGE, _KERNEL = 0.8, 4.8
"""Cost for a megapixel of the picture; all other costs are for one of the result. Each is the time
of one core in seconds, a mean over sharp and blurred pictures."""
_DEPTH, _MOST_KERNEL, _MEAN, _CONSISTENCY, _MERGE = 0.05, 1.2, 1.4, 0.2, 2.6
_AGAIN_KERNEL, _AGAIN_MEAN = 0.15, 0.6
"""Half of what the second look takes: not every picture needs it."""
_STEP_CONSISTENCY = 0.1
_FLOW, _LOW_FLOW = 0.8, 0.6
"""From x3 on, and below."""
_FINISH, _OWN_SIZE_FINISH = 0.04, 1.0
_ALPHA, _LOW_ALPHA = 0.35, 1.0
"""What a transparency takes, of a restoration without a flow; from x3 on, and below."""
_PARTS = 1000
_FAITH = 0.15
"""The share of a run after which its own pace counts as much as the guess before it."""


@dataclass(frozen=True)
class Phase:
    """A part of a run."""

    stage: str
    """Of the pipeline, see `Progress`."""
    cost: float
    """Relative time for a megapixel of the result."""
    shown: str = ""
    """The stage that is named meanwhile, where it is another."""

    @property
    def name(self) -> str:
        """The stage that is named."""
        return self.shown or self.stage


@dataclass(frozen=True)
class RunPlan:
    """The phases of a run, in order, and the size of what they make."""

    phases: tuple[Phase, ...]
    megapixels: float

    @property
    def cost(self) -> float:
        """Relative time of the whole run."""
        return self.megapixels * sum(phase.cost for phase in self.phases)


def restoring(
    plan: SizePlan, steps: int, *, transparent: bool = False, second: bool = False
) -> RunPlan:
    """A restoration.

    Args:
        plan: its sizes.
        steps: of the flow; 0 for none.
        transparent: whether a transparency is enlarged with it.
        second: whether a second sensor's picture is restored, too.
    """
    scale = plan.scale
    phases = _measuring(scale, "mean")
    if second:
        damage, _, kernel, *_ = phases
        phases += [replace(damage, shown="second"), replace(kernel, shown="second")]
        phases += [Phase("mean", _MEAN), Phase("mean", _MEAN), Phase("fusion", _MEAN)]
    else:
        phases.append(Phase("mean", _MEAN if scale < LEAST_SCALE else _AGAIN_MEAN))
    return _run(plan, phases + _sampling(scale, steps), transparent)


def measuring(plan: SizePlan) -> RunPlan:
    """A measurement without a restoration."""
    return _run(plan, _measuring(plan.scale, "sharpening"), transparent=False)


def merging(plan: SizePlan, *, transparent: bool = False) -> RunPlan:
    """Another upscaler's picture taken in; arguments as for `restoring`."""
    phases = _measuring(plan.scale, "sharpening")
    phases += [Phase("mean", _MEAN), *_sampling(plan.scale, 0), Phase("merge", _MERGE)]
    return _run(plan, phases, transparent)


def _run(plan: SizePlan, phases: list[Phase], transparent: bool) -> RunPlan:
    if transparent and plan.scale > 1:
        whole = sum(p.cost for p in [*_measuring(plan.scale, ""), Phase("mean", _MEAN)])
        share = _ALPHA if plan.scale > LOW_SCALES else _LOW_ALPHA
        phases = [*phases, Phase("alpha", share * whole)]
    height, width = plan.work
    return RunPlan(tuple(phases), height * width * plan.scale**2 / 1e6)


def _measuring(scale: int, looks: str) -> list[Phase]:
    """Damage, depth and kernels; from x4 on a mean, and what it may ask for.

    Args:
        scale: of the run.
        looks: the stage that is named from that mean on.
    """
    kernel = min(_MOST_KERNEL, _KERNEL / scale**2)
    phases = [Phase("damage", _DAMAGE / scale**2), Phase("depth", _DEPTH), Phase("kernel", kernel)]
    if scale >= LEAST_SCALE:
        phases += [
            Phase("mean", _MEAN, looks), Phase("damage", 0.0, looks),
            Phase("kernel", _AGAIN_KERNEL, looks),
        ]  # fmt: skip
    return phases


def _sampling(scale: int, steps: int) -> list[Phase]:
    """What comes after the mean."""
    phases: list[Phase] = []
    flow = _FLOW if scale > LOW_SCALES else _LOW_FLOW
    for _ in range(steps - 1):
        phases += [Phase("flow", flow), Phase("consistency", _STEP_CONSISTENCY, "flow")]
    if steps:
        phases.append(Phase("flow", flow))
    finish = _OWN_SIZE_FINISH if scale == 1 else _FINISH
    return [*phases, Phase("consistency", _CONSISTENCY), Phase("finish", finish)]


@dataclass(frozen=True)
class TimedProgress(Progress):
    """A progress event whose `done` and `total` are times, with what they amount to."""

    seconds_left: float | None = None
    """A guess of what the run still takes."""
    seconds_after: float = 0.0
    """What of it comes after the present phase."""

    def before(self, seconds: float) -> TimedProgress:
        """The same event of a run after which others take `seconds` more."""
        if self.seconds_left is None:
            return self
        left, after = self.seconds_left + seconds, self.seconds_after + seconds
        return replace(self, seconds_left=left, seconds_after=after)


def guess_left(share: float, seconds: float, expected: float) -> float:
    """Seconds left of a run: as expected at first, by its own pace the further it is.

    Args:
        share: how much of its time is done, 0..1.
        seconds: since it began.
        expected: how long it was to take.
    """
    known = _FAITH * expected
    pace = (seconds + known) / max(1e-9, share * expected + known)
    return (1 - share) * expected * pace


class RunClock:
    """The callback of a run's stages: tells how far the run is by time, and what it does.

    Stages that do not come are passed over; those that are not in the plan belong to the phase
    before.
    """

    def __init__(
        self,
        progress: ProgressCallback,
        plan: RunPlan,
        expected_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins now.

        Args:
            progress: told of `TimedProgress`; what it raises ends the run.
            plan: of the run.
            expected_s: how long it is to take, its saving included.
            now: a clock in seconds.
        """
        self._progress = progress
        self._phases = plan.phases
        total = max(1e-9, sum(phase.cost for phase in plan.phases))
        costs = [phase.cost / total for phase in plan.phases]
        self._starts = [*accumulate(costs, initial=0.0)]
        self._expected = max(0.0, expected_s - _SAVING_S)
        self._now = now
        self._began = now()
        self._place = -1
        self._first = 0
        self._within = 0.0

    def __call__(self, event: Progress) -> None:
        """A report of the pipeline's run on the picture."""
        if self._place < 0 or event.stage != self._phases[self._place].stage:
            self._move_to(event.stage, event.done)
        while event.done - self._first > UNITS and self._next_stage() == event.stage:
            self._place, self._first = self._place + 1, self._first + UNITS
        self._within = (event.done - self._first) / UNITS
        if event.done >= event.total and self._place + 1 < len(self._phases):
            self._move_to(self._next_stage(), event.done)
        self._report(event)

    def of_alpha(self, event: Progress) -> None:
        """A report of the run on the picture's transparency."""
        if self._phases[self._place].stage != "alpha":
            self._move_to("alpha", 0)
        self._within = event.done / max(1, event.total)
        self._report(event)

    def _next_stage(self) -> str:
        following = self._phases[self._place + 1 : self._place + 2]
        return following[0].stage if following else ""

    def _move_to(self, stage: str, done: int) -> None:
        """Goes on to the next phase of this name, if there is one."""
        for place in range(self._place + 1, len(self._phases)):
            if self._phases[place].stage == stage:
                self._place, self._first, self._within = place, done, 0.0
                return

    def _report(self, event: Progress) -> None:
        place = max(0, self._place)
        start, end = self._starts[place : place + 2]
        share = start + min(1.0, max(0.0, self._within)) * (end - start)
        left = guess_left(share, self._now() - self._began, self._expected)
        after = left * (1 - end) / max(1e-9, 1 - share)
        self._progress(TimedProgress(
            self._phases[place].name, round(_PARTS * share), _PARTS, event.preview,
            _SAVING_S + left, _SAVING_S + after,
        ))  # fmt: skip


class RunTimeEstimate:
    """Seconds per megapixel and cost, from the last run."""

    def __init__(self) -> None:
        """Nothing is timed yet."""
        self._pace: float | None = None

    def seconds_for(self, run: RunPlan, device_type: str) -> float:
        """About how long a run takes.

        Args:
            run: its phases and size.
            device_type: `cpu`, `cuda` or `mps`; counts only before anything was timed.
        """
        pace = _PACE.get(device_type, _PACE["cpu"]) if self._pace is None else self._pace
        return _SAVING_S + pace * run.cost

    def learn(self, run: RunPlan, seconds: float) -> None:
        """Takes note of a run that took `seconds`, without its saving."""
        if run.megapixels > _LEAST_MEGAPIXELS:
            self._pace = seconds / run.cost
