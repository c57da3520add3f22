"""What travels through this pack's own sockets. Plain containers, no host import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from ..mmsr_core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..mmsr_core.degradation import KernelField
    from ..mmsr_core.pipeline import Conditioning, DegradationEstimate, MMSREngine

T = TypeVar("T")


class ManagedNetworks(Protocol):
    """Networks under the host's memory management; see `runtime.HostNetworks`."""

    @property
    def module(self) -> nn.Module:
        """All networks as one module."""
        ...

    @property
    def patcher(self) -> object:
        """The host's own handle on them."""
        ...

    def bring(self, room_bytes: int) -> None:
        """Bring the weights to the compute device, with so much room beside them."""
        ...


@dataclass(frozen=True)
class ModelHandle:
    """A loaded pipeline and its networks under the host's care (`MMSR_MODEL`)."""

    name: str
    pipeline: MMSREngine
    networks: ManagedNetworks


@dataclass(frozen=True)
class DegradationBatch:
    """One degradation estimate per picture (`MMSR_DEGRADATION`)."""

    items: tuple[DegradationEstimate, ...]

    def pick(self, index: int, batch: int) -> DegradationEstimate:
        """The estimate for picture `index` of `batch`."""
        return _pick(self.items, index, batch, "degradation")

    def with_field(self, field: KernelField) -> DegradationBatch:
        """The same noise, JPEG quality and depth of each picture, with one blur for all."""
        given = {"kernel_field": field, "kernels_given": True}
        return DegradationBatch(tuple(replace(item, **given) for item in self.items))


@dataclass(frozen=True)
class ConditioningBatch:
    """One sampler conditioning per picture, and the pictures' alpha (`MMSR_CONDITIONING`)."""

    items: tuple[Conditioning, ...]
    alpha: Tensor | None = None


@dataclass(frozen=True)
class PromptBatch:
    """Prompt embeddings `(1 or B, width)` in the pack's own space (`MMSR_PROMPT`)."""

    embedding: Tensor | None
    """None when nothing was said, which has no effect."""

    def pick(self, index: int, batch: int) -> Tensor | None:
        """The embedding `(1, width)` for picture `index` of `batch`."""
        if self.embedding is None:
            return None
        rows = tuple(self.embedding.split(1))
        return _pick(rows, index, batch, "prompt")


@dataclass(frozen=True)
class WeightsBatch:
    """Weight maps of the last sampling step, one set per picture (`MMSR_WEIGHTS`)."""

    items: tuple[dict[str, Tensor], ...]
    """Modality to `(1,1,h,w)`, 0..1; empty where nothing was sampled."""
    size: tuple[int, int]
    """Height and width of the results."""


def _pick(items: Sequence[T], index: int, batch: int, name: str) -> T:
    if len(items) not in (1, batch):
        raise InputError(
            f"{name}: was made for {len(items)} pictures, but the image batch has {batch}. "
            "Make it from the same batch, or from a single picture."
        )
    return items[0 if len(items) == 1 else index]
