"""Freed memory goes back to the system, where the C library can."""

import sys
from pathlib import Path

import pytest

from mmsr_core import memory


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_gaps_are_given_back(monkeypatch):
    if memory._library() is None:
        pytest.skip("another C library than GNU's, or an old one")
    blocks = [bytearray(b"x") * 60_000 for _ in range(3000)]  # 180 MB, below malloc's mmap limit
    blocks[::2] = [None] * 1500
    before = resident_pages()
    monkeypatch.setattr(memory, "LEAST_BYTES", 1 << 40)
    memory.return_free_memory()
    assert resident_pages() > before - 1000  # little is not worth it
    monkeypatch.setattr(memory, "LEAST_BYTES", 1 << 20)
    memory.return_free_memory()
    assert resident_pages() < before - 10_000  # 40 MB of the 90
    assert sum(block is not None for block in blocks) == 1500


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "win32")
    memory._library.cache_clear()
    try:
        memory.return_free_memory()
        assert memory._library() is None
    finally:
        memory._library.cache_clear()
