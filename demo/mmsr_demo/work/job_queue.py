"""A queue that lets one job compute at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mmsr_core.types import Progress, ProgressCallback

_REPORT_SECONDS = 0.2
"""How often a waiting job reports progress."""


class JobQueue:
    """One job runs, the others wait."""

    def __init__(self) -> None:
        """An empty queue."""
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
        """Wait until no other job runs, then hold the queue for the block.

        Args:
            callback: called several times a second while waiting; may raise to give up.
        """
        with self._counting:
            self._waiting += 1
        try:
            while not self._one_job.acquire(timeout=_REPORT_SECONDS):
                callback(Progress("wait", 0, 1))
        finally:
            with self._counting:
                self._waiting -= 1
        try:
            yield
        finally:
            self._one_job.release()
