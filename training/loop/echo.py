"""Data echoing: a prepared batch is trained on more than once.

Degrading a batch, estimating its kernels and projecting back cost a third of a training step.
Repeated within a shuffled pool, a batch comes again among others, with fresh noise and times of the
flow, which is worth nearly as much as a new one (Choi and others, 2019, arXiv 1907.05550).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np

T = TypeVar("T")
POOL = 32
"""Different batches held at a time."""


def echoed(items: Iterator[T], times: int, seed: int, pool: int = POOL) -> Iterator[T]:
    """Every item of `items` `times` times, shuffled among `pool` of them.

    Args:
        items: what is expensive to make.
        times: how often each is given, at least 1; 1 gives `items` as they come.
        seed: of the order.
        pool: different items held at a time.

    Raises:
        ValueError: `times` or `pool` below 1.
    """
    if times < 1 or pool < 1:
        raise ValueError(f"times and pool must be at least 1, but are {times} and {pool}.")
    if times == 1:
        yield from items
        return
    rng = np.random.default_rng(seed)
    held: list[tuple[T, int]] = []

    def draw() -> T:
        at = int(rng.integers(len(held)))
        item, left = held[at]
        if left > 1:
            held[at] = (item, left - 1)
        else:
            held.pop(at)
        return item

    for item in items:
        held.append((item, times))
        while len(held) == pool:
            yield draw()
    while held:
        yield draw()
