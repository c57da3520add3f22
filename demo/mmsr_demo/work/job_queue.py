"""One job at a time, and those that wait for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mmsr_core.types import Progress, ProgressCallback

_PATIENCE_SECONDS = 0.2
"""How often one who waits says so."""


class JobQueue:
    """Hands out the right to compute, to one at a time."""

    def __init__(self) -> None:
        """Nobody computes yet."""
        self._one_job = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0

    @property
    def has_waiting_jobs(self) -> bool:
        """Whether a job waits for the one that runs."""
        return self._waiting > 0

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self._one_job.locked()

    @contextmanager
    def wait_for_turn(self, callback: ProgressCallback) -> Iterator[None]:
        """The right to compute. Waiting reports, so that it can be ended like any other stage.

        Args:
            callback: told several times a second while waiting; may raise to give up.
        """
        with self._counting:
            self._waiting += 1
        try:
            while not self._one_job.acquire(timeout=_PATIENCE_SECONDS):
                callback(Progress("wait", 0, 1))
        finally:
            with self._counting:
                self._waiting -= 1
        try:
            yield
        finally:
            self._one_job.release()
