"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import lru_cache


@lru_cache(maxsize=1)
def _trim() -> Callable[[int], int] | None:
    """`malloc_trim` of the GNU C library; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # another C library
        return None


def return_free_memory() -> None:
    """Give back what the C library holds of freed buffers.

    Buffers of many sizes, made and freed in turn, leave gaps that it would keep: up to twice the
    memory that is in use. Takes milliseconds. Does nothing where the C library cannot.
    """
    trim = _trim()
    if trim is not None:
        trim(0)
