"""Run a function over the tiles of a canvas; halve the tile when memory runs out."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..errors import OutOfMemoryError
from ..memory import return_free_memory
from .plan import Tile, plan_tiles

MIN_CORE = 16


def _is_out_of_memory(error: RuntimeError) -> bool:
    text = str(error).lower()
    return isinstance(error, torch.cuda.OutOfMemoryError) or any(
        words in text for words in ("out of memory", "can't allocate memory", "not enough memory")
    )


class TileRunner:
    """Remembers the tile size of a run, so that a halving holds for the stages after it."""

    def __init__(self, core: int) -> None:
        """Args: core side in cells of the grid the stages work on."""
        self.core = core
        self.notes: list[str] = []

    def run(
        self,
        height: int,
        width: int,
        halo: int,
        stride: int,
        process: Callable[[Tile], None],
        advance: Callable[[float], None] = lambda share: None,
        factor: float = 1,
    ) -> None:
        """Call `process` for every tile; it writes its core where it belongs.

        Args:
            height: cells down.
            width: cells across.
            halo: receptive radius of the network, in cells.
            stride: its total stride, in cells.
            process: evaluates one tile. It may be called again for the same core after memory ran
                out, with a smaller tile, so it must only overwrite its own core.
            advance: told the share of the canvas finished by each tile.
            factor: the stage's cores are so many times the size of the run's.

        Raises:
            OutOfMemoryError: the smallest tile does not fit either.
        """

        def plan() -> list[Tile]:
            return plan_tiles(height, width, max(MIN_CORE, int(self.core * factor)), halo, stride)

        pending = plan()
        area = height * width
        while pending:
            tile = pending[0]
            reason = ""
            try:
                process(tile)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                reason = str(error)
            if reason:  # after the block: its traceback held the failed tile's tensors
                self._halve(reason)
                _release_cached_memory()
                pending = [t for t in plan() if _touches(t, pending)]
                continue
            pending.pop(0)
            if pending:
                return_free_memory()
            rows, cols = tile.rows, tile.cols
            advance((rows.stop - rows.start) * (cols.stop - cols.start) / area)

    def _halve(self, error: str) -> None:
        if self.core <= MIN_CORE:
            raise OutOfMemoryError(
                f"Memory ran out even with the smallest tile ({MIN_CORE}): {error}. "
                "Close other programs, choose a smaller scale, or run on the CPU."
            )
        self.core = max(MIN_CORE, self.core // 2)
        self.notes.append(f"Memory ran out; the tile was halved to {self.core}.")


def _release_cached_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _touches(tile: Tile, others: list[Tile]) -> bool:
    """Whether the core of `tile` overlaps the core of any of `others`."""
    return any(
        tile.rows.start < o.rows.stop
        and o.rows.start < tile.rows.stop
        and tile.cols.start < o.cols.stop
        and o.cols.start < tile.cols.stop
        for o in others
    )
