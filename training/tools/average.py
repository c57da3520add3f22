"""Average the weights of two trained versions of one network (model soups, arXiv 2203.05482).

`python -m training.tools.average weights/small/denoiser runs/flow/denoiser --share 0.5 --out DIR`

Sensible where one was trained on from the other: a last run that gained in one place and lost in
another often keeps most of the gain at half of the loss. Measure both before it is believed.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from mmsr_core.errors import InputError
from mmsr_core.types import CONFIG_FILE, WEIGHTS_FILE

from ..command import SHARE, Parser, run_main


def average(first: Path, second: Path, share: float, out: Path) -> None:
    """Write `(1 - share) first + share second`, in the dtypes of `first`.

    Args:
        first: network folder; its configuration is taken over.
        second: network folder of the same configuration.
        share: 0..1.
        out: folder to write; it may be `first`.

    Raises:
        InputError: share out of range, or networks of different make.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share must lie in 0..1, but is {share}.")
    configs = [json.loads((folder / CONFIG_FILE).read_text()) for folder in (first, second)]
    weights = [load_file(str(folder / WEIGHTS_FILE)) for folder in (first, second)]
    shapes = [{name: value.shape for name, value in w.items()} for w in weights]
    if configs[0] != configs[1] or shapes[0] != shapes[1]:
        raise InputError(f"{first} and {second} are not the same network.")
    mixed = {
        name: torch.lerp(value.float(), weights[1][name].float(), share).to(value.dtype)
        for name, value in weights[0].items()
    }
    out.mkdir(parents=True, exist_ok=True)
    if out != first:
        shutil.copyfile(first / CONFIG_FILE, out / CONFIG_FILE)
    save_file(mixed, str(out / WEIGHTS_FILE), metadata={"format": "pt"})
    (out / WEIGHTS_FILE).chmod(0o644)


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--share", type=SHARE, default=0.5, help="of the second")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    average(args.first, args.second, args.share, args.out)


if __name__ == "__main__":
    sys.exit(run_main(main))
