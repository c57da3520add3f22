"""Training on several processes: who decides, whose data, whose gradients.

`accelerate launch -m training.stages.mean ...` starts them (without a GPU: `--multi_gpu
--num_processes N`, or torchrun; `--cpu` starts a single one). The networks are small, so gradients
are averaged in one piece after the backward pass. No wrapper stands around the network, so a loss
may call it any number of times and leave parameters out.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

import torch
import torch.distributed as dist
from accelerate import Accelerator, PartialState
from torch import Tensor, nn

SEED_STRIDE = 1_000_003
"""Between the seeds of two processes; far more than a script adds to its own seed."""


PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: validation on the first one may take a while."""


_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def several_processes() -> bool:
    """Whether this is one process of several: what torchrun, accelerate or mpirun tell it."""
    return any(os.environ.get(name, "1") not in ("", "1") for name in _SIZES)


def state(cpu: bool = False) -> PartialState:
    """This process and the others; started with our patience. For several processes only.

    Args:
        cpu: compute on the CPU although there is a GPU. Counts in the first call.
    """
    made = PartialState(cpu=cpu or not torch.cuda.is_available(), timeout=PATIENCE)
    atexit.unregister(_leave)  # once, however often this is asked
    atexit.register(_leave)
    return made


def _leave() -> None:
    """Leave the group before the interpreter ends: its threads would else abort the process."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def process_seed(seed: int) -> int:
    """The seed of this process's data; of the first process, `seed` itself."""
    return seed + (SEED_STRIDE * state().process_index if several_processes() else 0)


def is_main() -> bool:
    """Whether this process writes the files."""
    return not several_processes() or state().is_main_process


def main_first() -> AbstractContextManager[object]:
    """The first process goes through the block before the others do."""
    return state().main_process_first() if several_processes() else nullcontext()


class Group:
    """The processes of a run. Alone, every method returns at once.

    All methods but `alone` wait for every process: call them in the same order everywhere.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        """Args: the accelerator, which knows the processes."""
        self.alone = accelerator.num_processes == 1
        self.count = accelerator.num_processes
        self.device = accelerator.device
        self._accelerator = accelerator

    def of_main(self, number: float) -> float:
        """The first process's number. Clocks differ: one decides how far the run is."""
        if self.alone:
            return number
        told = torch.tensor([number], dtype=torch.float32, device=self.device)
        dist.broadcast(told, 0)
        return float(told)

    def any(self, here: bool) -> bool:
        """Whether it holds on any process, so that all can stop together."""
        if self.alone:
            return here
        told = torch.tensor([float(here)], device=self.device)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return bool(told > 0)

    def next(self, batches: Iterator[object]) -> object | None:
        """The next batch; None on all processes once one of them has none left."""
        batch = next(batches, None)
        return None if self.any(batch is None) else batch

    @torch.no_grad()
    def share_weights(self, model: nn.Module) -> None:
        """Give every process the first one's parameters and buffers."""
        if not self.alone:
            for value in (*model.parameters(), *model.buffers()):
                dist.broadcast(value.data, 0)

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes, before clipping.

        A parameter that no process used keeps no gradient, as it would alone.
        """
        if self.alone:
            return
        trained = [p for p in parameters if p.requires_grad]
        used = torch.tensor([float(p.grad is not None) for p in trained], device=self.device)
        dist.all_reduce(used, dist.ReduceOp.MAX)
        trained = [p for p, flag in zip(trained, used.tolist(), strict=True) if flag]
        flat = torch.cat([_gradient(p).reshape(-1) for p in trained])
        dist.all_reduce(flat)
        flat /= self.count
        for p, mean in zip(trained, flat.split([p.numel() for p in trained]), strict=True):
            p.grad = mean.view_as(p).clone(memory_format=torch.preserve_format)

    def wait(self) -> None:
        """Until every process is here."""
        self._accelerator.wait_for_everyone()


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
