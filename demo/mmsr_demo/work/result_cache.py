"""The last results: the same job again is answered at once."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from pathlib import Path
from typing import Generic, TypeVar

from mmsr_core.errors import InputError
from mmsr_core.image import TargetSize

from .jobs import MergeJob, Pictured, RestoreJob

Result = TypeVar("Result", bound=Pictured)
_KEPT = 8


def job_key(job: RestoreJob) -> str:
    """What makes a job the same as another one: the contents of its files and its numbers.

    Raises:
        InputError: A file is gone.
    """
    files = [job.picture, job.depth, job.guide, *job.references]
    sums = ["" if path is None else _digest(path) for path in files]
    size = _size_key(job.size)
    chosen = (job.name, job.scale, size, job.steps, job.detail, job.seed, job.consistency)
    more = (job.prompt.strip(), job.guide_mode, sorted(job.strengths.items()))
    known = (job.noise_255, job.jpeg_quality, job.blur_px, job.sharpening, job.denoise, job.place)
    return json.dumps([sums, chosen, more, known])


def merge_key(job: MergeJob) -> str:
    """As `job_key`, of a merge."""
    sums = [_digest(job.picture), _digest(job.prior)]
    chosen = (job.name, job.scale, _size_key(job.size), job.trust)
    return json.dumps([sums, chosen, (job.noise_255, job.jpeg_quality, job.sharpening)])


class ResultCache(Generic[Result]):
    """A few results by job. Their files may be swept away meanwhile; then they are forgotten."""

    def __init__(self, size: int = _KEPT) -> None:
        """Args: how many are kept."""
        self._size = size
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._for_good: set[str] = set()

    def __len__(self) -> int:
        return len(self._results)

    def get(self, key: str) -> Result | None:
        """The result of a job, if it is still there."""
        kept = self._results.get(key)
        if kept is None or not (kept.after.is_file() and kept.before.is_file()):
            self._results.pop(key, None)
            return None
        self._results.move_to_end(key)
        return kept

    def put(self, key: str, made: Result, keep: bool = False) -> None:
        """Keeps a result, with `keep` for good; else the one not asked for the longest goes."""
        self._results[key] = made
        if keep:
            self._for_good.add(key)
        passing = [name for name in self._results if name not in self._for_good]
        for name in passing[: max(0, len(passing) - self._size)]:
            del self._results[name]

    def clear(self) -> None:
        """Forgets all."""
        self._results.clear()
        self._for_good.clear()


def _size_key(size: TargetSize | None) -> tuple[str, float] | None:
    return None if size is None else (size.kind, size.value)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise InputError("The uploaded file is gone. Upload it again.") from None
