"""Several processes that share the files of one command: `accelerate launch` or `torchrun`.

Alone nothing is imported and nothing is waited for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from ..optional import require

T = TypeVar("T")

_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_PATIENCE = timedelta(days=30)
"""The process with the least work waits for the one with the most."""


@dataclass(frozen=True)
class Processes:
    """This process and the others."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """On its machine."""

    @classmethod
    def started(cls) -> Processes:
        """As the launcher's environment variables say; connects to the others, if any."""
        if all(os.environ.get(name, "1") in ("", "1") for name in _SIZES):
            return cls()
        state_of = require("accelerate", "train", "Running in several processes").PartialState

        # gloo, whatever the networks run on: there is nothing to exchange but a few words.
        state = state_of(cpu=True, timeout=_PATIENCE)
        return cls(state.process_index, state.num_processes, state.local_process_index)

    def share(self, items: Sequence[T]) -> list[T]:
        """This process's part: every item belongs to exactly one process."""
        return list(items[self.rank :: self.count])

    def gather(self, part: Sequence[T]) -> list[T]:
        """The parts of all processes in the order of the whole; waits for every process.

        A launcher ends all processes when one ends with an error, so none may end before this.
        """
        if self.count == 1:
            return list(part)
        import torch.distributed as dist

        parts: list[list[T]] = [[] for _ in range(self.count)]
        dist.all_gather_object(parts, list(part))
        longest = max(len(own) for own in parts)
        return [own[i] for i in range(longest) for own in parts if i < len(own)]

    def device(self, wanted: str) -> str:
        """Each process of a machine gets a GPU of its own, unless the user has named one."""
        if self.count == 1 or wanted != "auto":
            return wanted
        import torch

        if not torch.cuda.is_available():
            return wanted
        return f"cuda:{self.local_rank % torch.cuda.device_count()}"
