from __future__ import annotations

import itertools

import pytest

from mmsr_core.errors import InputError
from mmsr_core.tiling import plan_spans, plan_tiles

CASES = [
    (length, core, halo, stride)
    for length, core, halo, stride in itertools.product(
        (1, 2, 4, 12, 36, 100, 252), (1, 5, 16, 64, 300), (0, 3, 30), (1, 2, 4)
    )
    if length % stride == 0
]


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_spans_cover_every_cell_once_with_their_halo(stride: int) -> None:
    for length, core, halo, step in CASES:
        if step != stride:
            continue
        spans = plan_spans(length, core, halo, stride)
        assert [c for s in spans for c in range(s.start, s.stop)] == list(range(length))
        for span in spans:
            assert span.low % stride == span.start % stride == 0
            assert 0 <= span.low <= span.start < span.stop <= span.high <= length
            assert span.low == 0 or span.start - span.low >= halo
            assert span.high == length or span.high - span.stop >= halo
            assert span.stop - span.start <= core + stride - 1
            whole = list(range(length))
            assert whole[span.window][span.inner] == whole[span.core]
            fine = span.times(3)
            canvas = list(range(3 * length))
            assert canvas[fine.window][fine.inner] == canvas[3 * span.start : 3 * span.stop]


def test_tiles_are_the_product_of_their_sides() -> None:
    tiles = plan_tiles(20, 36, 16, 5, 4)
    cells = [
        (r, c)
        for t in tiles
        for r in range(t.rows.start, t.rows.stop)
        for c in range(t.cols.start, t.cols.stop)
    ]
    assert len(cells) == len(set(cells)) == 20 * 36
    assert tiles[1].times(4).cols.start == 4 * tiles[1].cols.start


@pytest.mark.parametrize("length", [0, -4, 7])
def test_bad_lengths_are_refused(length: int) -> None:
    with pytest.raises(InputError, match="multiple of 4"):
        plan_spans(length, 16, 0, 4)
