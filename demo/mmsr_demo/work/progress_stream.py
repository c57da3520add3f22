"""A long run seen from outside: progress while it works, and a stop that ends it within a tile."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from torch import Tensor

from mmsr_core.types import Progress, ProgressCallback

from .run_time import TimedProgress

Result = TypeVar("Result")
_PREVIEW_SECONDS = 0.6
_WAIT_SECONDS = 0.15
_AGE_SECONDS = 1.0


class Stopped(Exception):  # noqa: N818 - not an error: the user asked for it.
    """Ends a run from inside its progress callback."""


@dataclass(frozen=True)
class ProgressUpdate:
    """How far a run is."""

    stage: str
    share: float
    """0..1 of the whole run."""
    seconds: float
    """Since the run began."""
    preview: Tensor | None
    """Small `(3,h,w)` picture of the present state; None while nothing is new."""
    seconds_left: float | None = None
    """A guess, where the run's work tells one. It never rises within a run."""


@dataclass(frozen=True)
class Finished(Generic[Result]):
    """The end of a run."""

    value: Result


class StopFlags:
    """The stop flags of every session's runs. A session may have several (a batch, a queue)."""

    def __init__(self) -> None:
        """No session yet."""
        self._lock = threading.Lock()
        self._flags: dict[str, weakref.WeakSet[threading.Event]] = {}

    def new(self, session: str) -> threading.Event:
        """A fresh flag of a session."""
        flag = threading.Event()
        with self._lock:
            self._flags.setdefault(session, weakref.WeakSet()).add(flag)
            for name in [name for name, flags in self._flags.items() if not flags]:
                del self._flags[name]
        return flag

    def stop(self, session: str) -> int:
        """Sets every flag of a session; returns how many there were."""
        with self._lock:
            flags = list(self._flags.pop(session, ()))
        for flag in flags:
            flag.set()
        return len(flags)


class _Watch:
    """The progress callback of a run: keeps the newest update, raises when the flag is set."""

    def __init__(self, flag: threading.Event) -> None:
        self._flag = flag
        self._started = time.monotonic()
        self._last_preview = 0.0
        self._lock = threading.Lock()
        self._newest: ProgressUpdate | None = None
        self._taken: ProgressUpdate | None = None
        self._left: float | None = None
        self._after = 0.0
        self.changed = threading.Event()

    def __call__(self, progress: Progress) -> None:
        if self._flag.is_set():
            raise Stopped
        now = time.monotonic()
        preview = None
        if progress.preview is not None and now - self._last_preview > _PREVIEW_SECONDS:
            self._last_preview = now
            preview = progress.preview()  # Here, while the canvas is not being written.
        share = progress.done / max(1, progress.total)
        with self._lock:
            if preview is None and self._newest is not None:
                preview = self._newest.preview
            left = None
            if isinstance(progress, TimedProgress) and progress.seconds_left is not None:
                known = math.inf if self._left is None else self._left
                left = self._left = min(known, progress.seconds_left)
                self._after = progress.seconds_after
            seconds = now - self._started
            self._newest = ProgressUpdate(progress.stage, share, seconds, preview, left)
        self.changed.set()

    def take(self) -> ProgressUpdate | None:
        """The newest moment, once; while nothing is new, the last one with less time left."""
        with self._lock:
            moment, self._newest = self._newest, None
            self.changed.clear()
            if moment is None:
                moment = self._aged(time.monotonic() - self._started)
            self._taken = moment or self._taken
            return moment

    def _aged(self, seconds: float) -> ProgressUpdate | None:
        """The last moment after a second or more in which nothing was heard of a long phase.

        No more is taken off than the phase was to take.
        """
        last = self._taken
        if last is None or last.seconds_left is None or seconds - last.seconds < _AGE_SECONDS:
            return None
        left = max(min(last.seconds_left, self._after), last.seconds_left - seconds + last.seconds)
        self._left = left
        return replace(last, seconds=seconds, seconds_left=left, preview=None)


def watch_run(
    work: Callable[[ProgressCallback], Result],
    flag: threading.Event,
    discard: Callable[[Result], None] = lambda value: None,
) -> Generator[ProgressUpdate | Finished[Result], None, None]:
    """Run `work` in a thread and say how far it is; the last item is `Finished`.

    Closing the iterator early sets the flag, so a page that was left does not keep computing.

    Args:
        work: takes a progress callback, which must be called at least once a tile.
        flag: set from anywhere, it ends the run.
        discard: called with a result that is not shown: the run was stopped, or the iterator was
            closed before or while it yielded `Finished`.

    Raises:
        Stopped: the flag was set.
        Exception: whatever `work` raised.
    """
    watch = _Watch(flag)
    outcome: deque[Finished[Result] | BaseException] = deque()
    left = threading.Event()
    """Set when the iterator is closed."""

    def drop() -> None:
        """Discard the result. Called when both the run has ended and the iterator is closed."""
        try:
            end = outcome.pop()
        except IndexError:
            return
        if isinstance(end, Finished):
            discard(end.value)

    def run() -> None:
        try:
            outcome.append(Finished(work(watch)))
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread.
            outcome.append(error)
        finally:
            watch.changed.set()
        if left.is_set():
            drop()

    thread = threading.Thread(target=run, name="mmsr-run", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            watch.changed.wait(_WAIT_SECONDS)
            update = watch.take()
            if update is not None:
                yield update
                time.sleep(_WAIT_SECONDS)  # A page needs no more than a few pictures a second.
            if flag.is_set():
                thread.join()
        end = outcome.pop()
        if not isinstance(end, Finished):
            raise end
        if flag.is_set():  # After the last report: it was stopped all the same.
            discard(end.value)
            raise Stopped
        try:
            yield end
        except BaseException:  # It could not be shown, or the page was left.
            discard(end.value)
            raise
    finally:
        flag.set()
        left.set()
        drop()
