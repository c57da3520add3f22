"""Pictures that fail: left out and named, while the run goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmsr_core.errors import MMSRError

_LOG = logging.getLogger(__name__)

FAILURES = (MMSRError, OSError, RuntimeError, ValueError)
"""What one bad picture may raise without ending the run."""


def leave_out(failures: dict[str, str], where: str, name: str, error: Exception) -> None:
    """Note in `failures` why a picture is left out, and say so."""
    failures[name] = " ".join(str(error).split())
    _LOG.warning("%s: %s failed and is left out: %s", where, name, failures[name])


def finish(out: Path, parts: Iterable[dict[str, Any]] = ()) -> int:
    """Say where the results are.

    Args:
        out: the output folder.
        parts: of the result, each with its `failures`.

    Returns:
        How many pictures failed.
    """
    failed = sum(len(part["failures"]) for part in parts)
    _LOG.info("Written to %s.", out)
    if failed:
        _LOG.info("%d pictures failed and were left out; see the messages above.", failed)
    return failed
