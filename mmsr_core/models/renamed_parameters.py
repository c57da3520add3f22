"""Parameter names of version 0.1, such as `inlet` and `enter0`, as the networks have them now."""

from __future__ import annotations

import re

from torch import Tensor

_PARTS = {
    "inlet": "conv_in",
    "depth_inlet": "depth_conv_in",
    "stem_conv": "conv_in",
    "outlet": "conv_out",
    "enter0": "encoder0",
    "enter1": "encoder1",
    "middle": "bottleneck",
    "leave1": "decoder1",
    "leave0": "decoder0",
    "first": "conv1",
    "second": "conv2",
    "see_visible": "conv_visible",
    "see_guide": "conv_guide",
    "guided": "guide_head",
    "fused": "fusion_head",
}
_CONTEXT_OF_DEPTH = {"first": "linear1", "second": "linear2"}  # the depth net's global context
_TIME = (re.compile(r"^time\."), "time_embedding."), (re.compile(r"\.time\."), ".time_proj.")
_PROMPT = {"speak": "value", "mix": "proj_out"}  # the denoiser's prompt expert
_STATISTICS = (re.compile(r"^statistics\.read\."), "statistics.mlp.")


def present_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network's parameters, saved by version 0.1 or now, under their present names.

    Args:
        state: name to value, as it was saved.
    """
    renamed = {}
    for name, value in state.items():
        layer = name.removesuffix(".bias") + ".weight" if name.endswith(".bias") else name
        renamed[present_name(name, state.get(layer, value))] = value
    return renamed


def present_name(name: str, weight: Tensor) -> str:
    """The name that a parameter of version 0.1 has now.

    Args:
        name: as it was saved.
        weight: the weight that belongs to it, for a bias that of the same layer.
    """
    parts = name.split(".")
    if weight.ndim == 2 and len(parts) > 2 and parts[0] == "stages":
        parts = [_CONTEXT_OF_DEPTH.get(part, part) for part in parts]
    if parts[0] == "experts":
        parts = [_PROMPT.get(part, part) for part in parts]
    renamed = ".".join(_PARTS.get(part, part) for part in parts)
    for pattern, new in (*_TIME, _STATISTICS):
        renamed = pattern.sub(new, renamed)
    return renamed
