"""Train the built-in depth network.

`python -m training.stages.depth --data DIR --out DIR --minutes M [--config FILE]`.
An existing run in `--out` goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from mmsr_core.depth import DepthNet, DepthNetConfig

from ..data.depth_frames import HELD_OUT_SEED, DepthSet, batches, read_photos, read_rgbd, render_set
from ..loop.loop import LoopConfig, train
from ..loop.parallel import is_main, main_first, process_seed
from ..losses.depth import aligned_figures, depth_loss
from ..scenes.textures import TextureBank

FAR_M = 80.0


def evaluate(model: nn.Module | None, data: DepthSet, baseline: str = "") -> dict[str, float]:
    """Mean AbsRel and delta1 over a set, of a model or of the baseline `constant` or `ramp`."""
    sums: dict[str, float] = {}
    for k in range(len(data)):
        image, inverse, valid = data.batch(np.array([k]))
        height, width = image.shape[-2:]
        if model is not None:
            prediction = model(image)[0, 0].float()
        elif baseline == "ramp":
            prediction = torch.linspace(0, 1, height)[:, None].expand(height, width)
        else:
            prediction = torch.zeros(height, width)
        figures = aligned_figures(prediction, inverse[0, 0], valid[0, 0], FAR_M)
        for key, value in figures.items():
            sums[key] = sums.get(key, 0.0) + value / len(data)
    return sums


def figures(model: nn.Module, held_out: dict[str, DepthSet]) -> dict[str, float]:
    """All validation figures, flat."""
    result = {}
    for name, data in held_out.items():
        result.update({f"{name}_{k}": v for k, v in evaluate(model, data).items()})
    return result


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the built-in depth network.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the data files")
    parser.add_argument(
        "--out", type=Path, required=True, help="run folder; an existing run goes on"
    )
    parser.add_argument("--minutes", type=float, default=12.0, help="length of the whole run")
    parser.add_argument("--config", type=Path, default=Path(__file__).parent / "configs/depth.yaml")
    arguments = parser.parse_args()
    config: dict[str, Any] = yaml.safe_load(arguments.config.read_text())
    data = config["data"]
    size = tuple(data["scene_size"])

    photos = read_photos(arguments.data / "photos_0.tar", data["texture_photos"])
    bank = TextureBank(photos, seed=config["loop"]["seed"])
    cache = arguments.out / "cache"
    with main_first():  # the others read what the first has rendered
        rendered = render_set(data["scenes"], 0, bank, size, cache / "train.npz")
        scenes = render_set(
            data["validation_scenes"], HELD_OUT_SEED, bank, size, cache / "held_out.npz"
        )
    real, real_held_out = read_rgbd(arguments.data / "rgbd_7scenes.tar")
    held_out = {"rgbd": real_held_out, "scenes": scenes}

    torch.manual_seed(config["loop"]["seed"])
    sizes: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in config["model"].items()
    }
    model = DepthNet.from_depth_config(DepthNetConfig(**sizes))
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.3f} M parameters")
    stream = batches(
        real,
        rendered,
        data["batch_size"],
        data["real_share"],
        [tuple(s) for s in data["sizes"]],
        process_seed(config["loop"]["seed"] + 1),
    )

    def loss(net: nn.Module, batch: object, share: float) -> tuple[Tensor, dict[str, float]]:
        image, target, valid = batch  # type: ignore[misc]
        return depth_loss(net(image), target, valid, config["gradient_weight"] * share)

    loop = LoopConfig(out=str(arguments.out), minutes=arguments.minutes, **config["loop"])
    trained = train(model, stream, loss, loop, validate=lambda net: figures(net, held_out))
    if not is_main():
        return
    trained.save_pretrained(arguments.out / "depth_estimator")  # type: ignore[operator]
    report: dict[str, dict[str, float]] = {"model": figures(trained, held_out)}
    for baseline in ("constant", "ramp"):
        report[baseline] = {
            f"{name}_{k}": v
            for name, part in held_out.items()
            for k, v in evaluate(None, part, baseline).items()
        }
    (arguments.out / "validation.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
