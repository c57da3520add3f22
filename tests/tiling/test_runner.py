"""The runner: every core is written, whatever memory does."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.errors import OutOfMemoryError
from mmsr_core.tiling import Tile, TileRunner

SIZE = (72, 100)


def area(tile: Tile) -> int:
    return (tile.rows.high - tile.rows.low) * (tile.cols.high - tile.cols.low)


@pytest.mark.parametrize("limit", [10**9, 48 * 48, 30 * 30])
def test_every_core_is_written_when_tiles_must_shrink(limit: int) -> None:
    written = torch.zeros(SIZE)
    shares: list[float] = []

    def process(tile: Tile) -> None:
        if area(tile) > limit:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        written[tile.rows.core, tile.cols.core] += 1

    runner = TileRunner(64)
    runner.run(*SIZE, 3, 4, process, shares.append)
    assert float(written.min()) >= 1
    assert (runner.core < 64) == (limit < 10**9) == bool(runner.notes)
    if limit == 10**9:
        assert float(written.max()) == 1
        assert sum(shares) == pytest.approx(1)
    # the smaller tile holds for the stages after it
    core = runner.core
    runner.run(*SIZE, 3, 4, process)
    assert runner.core == core


def test_memory_running_out_late_keeps_what_is_done() -> None:
    written = torch.zeros(SIZE)
    calls = []

    def process(tile: Tile) -> None:
        calls.append(tile)
        if len(calls) == 4:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        written[tile.rows.core, tile.cols.core] = 1

    TileRunner(32).run(*SIZE, 0, 4, process)
    assert float(written.min()) == 1
    repeated = sum(c.rows.stop <= 32 and c.cols.stop <= 96 for c in calls[4:])
    assert repeated == 0  # the first three tiles are not done again


def test_smallest_tile_that_does_not_fit() -> None:
    def process(tile: Tile) -> None:
        raise RuntimeError("not enough memory: you tried to allocate 5 bytes")

    with pytest.raises(OutOfMemoryError, match="smallest tile"):
        TileRunner(64).run(*SIZE, 3, 4, process)


@pytest.mark.parametrize(
    "error", [RuntimeError("shape mismatch"), KeyboardInterrupt(), ValueError()]
)
def test_other_errors_propagate_at_once(error: BaseException) -> None:
    calls = []

    def process(tile: Tile) -> None:
        calls.append(tile)
        raise error

    with pytest.raises(type(error)) as caught:
        TileRunner(16).run(*SIZE, 3, 4, process)
    assert caught.value is error
    assert len(calls) == 1


def test_a_callback_may_raise_anything() -> None:
    """Even words about memory: only the work itself may shrink the tile."""

    def stop(share: float) -> None:
        raise RuntimeError("out of memory")

    runner = TileRunner(32)
    with pytest.raises(RuntimeError, match="out of memory"):
        runner.run(*SIZE, 0, 4, lambda tile: None, stop)
    assert runner.core == 32
