"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache

LEAST_BYTES = 512 << 20
"""Less than this is kept: pages that are given back have to be made anew."""


class _Statistics(ctypes.Structure):
    """`struct mallinfo2` of the GNU C library."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    )  # fmt: skip


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    """The GNU C library, 2.33 or newer; None where there is another one."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        library.mallinfo2.restype = _Statistics
        library.malloc_trim.argtypes = (ctypes.c_size_t,)
    except (AttributeError, OSError):
        return None
    return library


def return_free_memory() -> None:
    """Give back what the C library holds of freed buffers, where it is much.

    Buffers of many sizes, made and freed in turn, leave gaps that it would keep: up to twice the
    memory that is in use. Does nothing where the C library cannot.
    """
    library = _library()
    if library is not None and library.mallinfo2().fordblks > LEAST_BYTES:
        library.malloc_trim(0)
