"""Puts dynamic correlation modules into any residual super-resolution network, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ..errors import InputError
from ..types import PROMPT_DIM
from .dynamic_correlation import DynamicCorrelationModule


@dataclass
class _Call:
    """What the blocks of one model share during a forward pass."""

    prompt: Tensor | None = None
    amount: Tensor | None = None
    masks: list[Tensor] = field(default_factory=list)


class PromptedBlock(nn.Module):
    """A residual block, then a DCM on its output."""

    def __init__(
        self, block: nn.Module, correlation: DynamicCorrelationModule, call: _Call
    ) -> None:
        """Args: the block, its module, and the model's call."""
        super().__init__()
        self.block = block
        self.correlation = correlation
        self._call = call

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The block's output `(B,C,h,w)`, with what the prompt adds."""
        x = self.block(*args, **kwargs)
        call = self._call
        if call.prompt is None:
            return x
        x, mask = self.correlation.respond(x, call.prompt, call.amount)
        call.masks.append(mask.detach())
        return x


class PromptedModel(nn.Module):
    """A network with DCMs inside: `model(lr, prompt=embedding)`. For one thread at a time."""

    def __init__(self, model: nn.Module, call: _Call) -> None:
        """Args: the network that holds `PromptedBlock`s, and the call that they share."""
        super().__init__()
        self.model = model
        self._call = call

    def forward(
        self,
        *args: Any,
        prompt: Tensor | None = None,
        prompt_amount: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """The network's own result, steered by `prompt (B or 1,512)` times `prompt_amount`."""
        call = self._call
        call.prompt, call.amount, call.masks = prompt, prompt_amount, []
        try:
            return self.model(*args, **kwargs)
        finally:
            call.prompt = call.amount = None

    def masks(self) -> list[Tensor]:
        """Attention masks `(B,1,h,w)` of the last forward pass, first block first; [] without."""
        return list(self._call.masks)

    def correlations(self) -> list[DynamicCorrelationModule]:
        """The inserted modules, in order."""
        return [m for m in self.modules() if isinstance(m, DynamicCorrelationModule)]


def insert_dynamic_correlation(
    model: nn.Module,
    every: int = 1,
    *,
    embed_dim: int = PROMPT_DIM,
    blocks: Sequence[str] | None = None,
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
        **options: of `DynamicCorrelationModule`.

    Returns:
        The same network, to be called with a prompt.

    Raises:
        InputError: no residual blocks were found, or a name is unknown.
    """
    if every < 1:
        raise InputError(f"every must be at least 1, but is {every}.")
    known = dict(model.named_modules())
    names = find_residual_blocks(model) if blocks is None else list(blocks)
    if unknown := [name for name in names if name not in known or not name]:
        raise InputError(f"The network has no block {unknown[0]!r}; see named_modules().")
    chosen = names[every - 1 :: every]
    if not chosen:
        raise InputError(
            f"Found {len(names)} residual blocks, which leaves none at every={every}. Choose a "
            "smaller step, or name the blocks with blocks=[...]."
        )
    call = _Call()
    for name in chosen:
        block = known[name]
        channels = _channels(block)
        if channels is None:
            raise InputError(f"{name!r} has no convolution, or changes the number of channels.")
        module = DynamicCorrelationModule(channels, embed_dim, **options)
        reference = next(block.parameters())
        module.to(reference.device, reference.dtype)
        parent, _, child = name.rpartition(".")
        wrapped = PromptedBlock(block, module, call).train(block.training)
        known[parent].register_module(child, wrapped)
    return PromptedModel(model, call)


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
