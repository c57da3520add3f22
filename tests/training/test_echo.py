"""Data echoing: every item as often as asked, shuffled, no more held than asked."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import pytest

from training.echo import echoed


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("pool", [1, 4, 50])
def test_every_item_comes_as_often_as_asked(times, pool) -> None:
    given = list(echoed(iter(range(20)), times, seed=0, pool=pool))
    assert Counter(given) == dict.fromkeys(range(20), times)


def test_no_more_is_made_than_the_pool_holds() -> None:
    made = []

    def items():
        for i in range(1000):
            made.append(i)
            yield i

    list(islice(echoed(items(), 2, seed=0, pool=5), 40))
    assert len(made) <= 40 / 2 + 5


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
