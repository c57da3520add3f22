"""Freed memory goes back to the system, where the C library can."""

import sys
from pathlib import Path

import pytest

from mmsr_core import memory


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_gaps_are_given_back():
    if memory._trim() is None:
        pytest.skip("another C library than GNU's")
    blocks = [bytearray(b"x") * 60_000 for _ in range(3000)]  # 180 MB, below malloc's mmap limit
    blocks[::2] = [None] * 1500
    before = resident_pages()
    memory.return_free_memory()
    assert resident_pages() < before - 10_000  # 40 MB of the 90
    assert sum(block is not None for block in blocks) == 1500


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "win32")
    memory._trim.cache_clear()
    try:
        memory.return_free_memory()
        assert memory._trim() is None
    finally:
        memory._trim.cache_clear()
