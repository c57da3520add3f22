"""Bring weights that were saved by version 0.1 to the present parameter names.

`python -m training.tools.rename_keys FOLDER` rewrites a weights folder in place: names only, every
value stays as it is. Version 0.1 had names of its own, such as `inlet` and `enter0`.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from mmsr_core.types import WEIGHTS_FILE
from mmsr_core.weights import SUMS_FILE, write_sums

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


def rename_file(path: Path) -> int:
    """Rewrite one safetensors file; returns how many names have changed."""
    with safe_open(str(path), "pt") as stored:
        metadata = stored.metadata()
        state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    renamed = {}
    for name, value in state.items():
        layer = name.removesuffix(".bias") + ".weight" if name.endswith(".bias") else name
        renamed[present_name(name, state.get(layer, value))] = value
    save_file(renamed, str(path), metadata=metadata)
    return len(renamed.keys() - state.keys())


def main() -> None:
    """Rename the parameters of every network of a folder, and its list of sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for path in sorted(folder.glob(f"*/{WEIGHTS_FILE}")):
        print(f"{path.parent.name}: {rename_file(path)} names")
    if (folder / SUMS_FILE).is_file():
        write_sums(folder)


if __name__ == "__main__":
    main()
