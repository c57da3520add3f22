"""Puts dynamic correlation modules into any residual super-resolution network, in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ..errors import InputError
from ..types import PROMPT_DIM
from .dynamic_correlation import DynamicCorrelationModule


@dataclass
class _Slot:
    """What the blocks of one model are told during a forward pass."""

    prompt: Tensor | None = None
    amount: Tensor | None = None
    masks: list[Tensor] = field(default_factory=list)


class PromptedBlock(nn.Module):
    """A residual block, then a DCM on what it gives."""

    def __init__(
        self, block: nn.Module, correlation: DynamicCorrelationModule, slot: _Slot
    ) -> None:
        """Args: the block, its module, and where the prompt is found."""
        super().__init__()
        self.block = block
        self.correlation = correlation
        self._slot = slot

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The block's output `(B,C,h,w)`, with what the prompt adds."""
        x = self.block(*args, **kwargs)
        slot = self._slot
        if slot.prompt is None:
            return x
        x, mask = self.correlation.respond(x, slot.prompt, slot.amount)
        slot.masks.append(mask.detach())
        return x


class PromptedModel(nn.Module):
    """A network with DCMs inside, which takes a prompt.

    Either `model(lr, prompt=embedding)`, or `with model.prompted(embedding): model(lr)`. One
    prompt at a time: not for several threads at once.
    """

    def __init__(self, model: nn.Module, slot: _Slot) -> None:
        """Args: the network that holds `PromptedBlock`s, and their slot."""
        super().__init__()
        self.model = model
        self._slot = slot

    @contextmanager
    def prompted(self, prompt: Tensor | None, amount: Tensor | None = None) -> Iterator[None]:
        """Calls inside the block see `prompt (B or 1,512)` with `amount` (see the DCM)."""
        slot = self._slot
        before = slot.prompt, slot.amount
        slot.prompt, slot.amount = prompt, amount
        try:
            yield
        finally:
            slot.prompt, slot.amount = before

    def forward(
        self,
        *args: Any,
        prompt: Tensor | None = None,
        prompt_amount: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """The network's own result; `prompt` goes before one of `prompted`."""
        self._slot.masks = []
        if prompt is None:
            return self.model(*args, **kwargs)
        with self.prompted(prompt, prompt_amount):
            return self.model(*args, **kwargs)

    def masks(self) -> list[Tensor]:
        """Attention masks `(B,1,h,w)` of the last forward pass, first block first; [] without."""
        return list(self._slot.masks)

    def correlations(self) -> list[DynamicCorrelationModule]:
        """The inserted modules, in order."""
        return [m for m in self.modules() if isinstance(m, DynamicCorrelationModule)]


def insert_dynamic_correlation(
    model: nn.Module,
    every: int = 1,
    *,
    embed_dim: int = PROMPT_DIM,
    blocks: Sequence[str] | None = None,
    channels: int | None = None,
    **options: Any,
) -> PromptedModel:
    """Insert a DCM after every N-th residual block of a network, in place.

    Until trained, and without a prompt, the network gives exactly what it gave before. Its own
    parameters keep their values, but the wrapped blocks' names get a `.block` inside.

    Args:
        model: any network whose residual blocks stand in a `Sequential` or `ModuleList`.
        every: N, at least 1.
        embed_dim: width of the prompts.
        blocks: names of the blocks (as in `named_modules`) if they should not be looked for.
        channels: features of those blocks, if it cannot be seen from their convolutions.
        **options: of `DynamicCorrelationModule`.

    Returns:
        The same network, to be called with a prompt.

    Raises:
        InputError: no residual blocks were found, or a name is unknown.
    """
    if every < 1:
        raise InputError(f"every must be at least 1, but is {every}.")
    known = dict(model.named_modules())
    if blocks is not None and (unknown := [n for n in blocks if n not in known or not n]):
        raise InputError(f"The network has no block {unknown[0]!r}; see named_modules().")
    names = list(blocks) if blocks is not None else find_residual_blocks(model)
    chosen = names[every - 1 :: every]
    if not chosen:
        raise InputError(
            f"Found {len(names)} residual blocks, which leaves none at every={every}. Choose a "
            "smaller step, or name the blocks with blocks=[...]."
        )
    slot = _Slot()
    for name in chosen:
        block = known[name]
        width = channels or _channels(block)
        if width is None:
            raise InputError(f"Cannot tell the channels of {name!r}; give channels=.")
        module = DynamicCorrelationModule(width, embed_dim, **options)
        reference = next(block.parameters(), None)
        if reference is not None:
            module.to(reference.device, reference.dtype)
        parent, _, child = name.rpartition(".")
        wrapped = PromptedBlock(block, module, slot).train(block.training)
        known[parent].register_module(child, wrapped)
    return PromptedModel(model, slot)


def find_residual_blocks(model: nn.Module) -> list[str]:
    """Names of a network's residual blocks, in order.

    These are modules made of others, at least two of one class side by side in a `Sequential` or
    `ModuleList`, whose convolutions end with as many channels as they begin with. Of nested ones
    (RCAN's groups of blocks) the innermost count.
    """
    found: list[str] = []
    for name, container in model.named_modules():
        if not isinstance(container, (nn.Sequential, nn.ModuleList)):
            continue
        children = [(k, m) for k, m in container.named_children() if any(m.children())]
        kinds = [type(m) for _, m in children]
        for key, child in children:
            alike = kinds.count(type(child)) > 1
            if alike and not isinstance(child, PromptedBlock) and _channels(child) is not None:
                found.append(f"{name}.{key}" if name else key)
    return [n for n in found if not any(other.startswith(f"{n}.") for other in found)]


def _channels(block: nn.Module) -> int | None:
    """Channels in and out of a block, None when they differ or there is no convolution."""
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    if not convs or convs[0].in_channels != convs[-1].out_channels:
        return None
    return convs[0].in_channels
