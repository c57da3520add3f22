"""Precompute depth for the training photographs.

`python -m training.data.photo_depth --data DIR --weights DIR --out FILE`: an npz with one `(h,w)`
uint8 array per photo name (near = 255), at most 320 px on the long side.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from mmsr_core.depth import estimate_depth_builtin
from mmsr_core.models.depth_net import DepthNet

from ..command import COUNT, Parser, run_main
from .photos import shard_pictures, shards_of


def photo_depth(net: DepthNet, picture: Image.Image, max_side: int = 320) -> NDArray[np.uint8]:
    """Normalised inverse depth of a photograph, `(h,w)` uint8, at most `max_side` long."""
    small = picture.convert("RGB")
    small.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    image = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255
    depth = estimate_depth_builtin(net, image)
    return (depth[0, 0] * 255 + 0.5).to(torch.uint8).numpy()


def main() -> None:
    """Command line."""
    parser = Parser(description="Precompute depth for the training photographs.")
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders with photos_*.tar"
    )
    parser.add_argument("--weights", type=Path, required=True, help="folder of a saved DepthNet")
    parser.add_argument("--out", type=Path, required=True, help="npz file to write")
    parser.add_argument("--max-side", type=COUNT, default=320, help="longest side stored")
    arguments = parser.parse_args()
    net = DepthNet.from_pretrained(arguments.weights).eval()
    result: dict[str, NDArray[np.uint8]] = {}
    for shard in (shard for folder in arguments.data for shard in shards_of(folder, needed=True)):
        for name, picture in tqdm(shard_pictures(shard), desc=shard.name, mininterval=5):
            result[name] = photo_depth(net, picture, arguments.max_side)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = arguments.out.with_suffix(".tmp")
    with temporary.open("wb") as stream:
        np.savez_compressed(stream, **result)  # type: ignore[arg-type]
    os.replace(temporary, arguments.out)
    print(f"{len(result)} photographs written to {arguments.out}")


if __name__ == "__main__":
    sys.exit(run_main(main))
