"""Data echoing: every item as often as asked, shuffled, no more held than asked."""

from __future__ import annotations

import weakref
from collections import Counter
from itertools import islice, pairwise

import pytest

from training.loop.echo import echoed


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("pool", [1, 4, 50])
def test_every_item_comes_as_often_as_asked(times, pool) -> None:
    given = list(echoed(iter(range(20)), times, seed=0, pool=pool))
    assert Counter(given) == dict.fromkeys(range(20), times)


def test_no_more_is_held_than_the_pool() -> None:
    class Item:
        pass

    alive: weakref.WeakSet[Item] = weakref.WeakSet()

    def items():
        for _ in range(300):
            item = Item()
            alive.add(item)
            yield item
            del item

    most = 0
    for _ in echoed(items(), 3, seed=0, pool=5):
        most = max(most, len(alive))
    assert most <= 5 + 2  # the one that is out, and the one being made


def test_once_is_as_it_comes() -> None:
    assert list(echoed(iter(range(9)), 1, seed=0, pool=4)) == list(range(9))


def test_repetitions_lie_apart() -> None:
    given = list(islice(echoed(iter(range(10_000)), 2, seed=0, pool=32), 2000))
    twice_running = sum(a == b for a, b in pairwise(given))
    assert twice_running < 0.03 * len(given)


def test_the_seed_decides_the_order() -> None:
    first, again, other = (list(echoed(iter(range(30)), 2, seed, pool=8)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("wrong", [{"times": 0}, {"pool": 0}])
def test_nonsense_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        next(echoed(iter([1]), **{"times": 2, "seed": 0, **wrong}))
