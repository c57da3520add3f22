"""A picture of held-out pairs: visible LR, infrared LR, bicubic average, our fusion.

`python -m benchmarks.fusion_figure --pairs infrared_visible.tar --out runs/fusion.png`

Pictures of RoadScene carry research terms: look at the result, do not commit it. `--synthetic`
renders a scene of this project instead, with a made-up thermal camera (warm objects by depth
layer, no texture), which may be shown anywhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.bench.fusion import baselines, degrade_source
from mmsr_core.bench.fusion_sources import SensorPair, read_pairs
from mmsr_core.pipeline.guide_runner import SecondSensor, load_second_sensor
from training.scenes import render_scene

GAP = 4
SCENE_SEED = 9_100_000
"""A seed that training never renders."""


def synthetic_pair(seed: int, height: int = 192, width: int = 256) -> SensorPair:
    """A rendered scene in fading light, and what a thermal camera might see of it."""
    scene = render_scene(seed, height, width, None)
    image = torch.from_numpy(np.ascontiguousarray(scene.image)).float()[None].clamp(0, 1)
    depth = torch.from_numpy(np.ascontiguousarray(scene.inverse_depth)).float()[None, None]
    depth = (depth - depth.min()) / (depth.max() - depth.min()).clamp_min(1e-6)
    warmth = 0.15 + 0.7 * (0.5 + 0.5 * torch.sin(17 * depth))
    night = image * (0.25 + 0.75 * torch.linspace(1, 0, width).view(1, 1, 1, -1))
    return SensorPair(f"scene {seed}", night, warmth)


def row(pair: SensorPair, protocol: str, sensor: SecondSensor, scale: int) -> Tensor:
    """The four pictures of a pair side by side, `(3,H,4W+gaps)`."""
    lows = [
        degrade_source(hr, protocol, f"{pair.name}/{kind}", scale, 0)
        for kind, hr in (("visible", pair.visible), ("infrared", pair.infrared))
    ]
    size = tuple(pair.visible.shape[-2:])
    shown = [F.interpolate(low, size=size, mode="nearest") for low in lows]
    shown.append(baselines(lows[0], lows[1], scale)["bicubic, then average"])
    visible, guide = (sensor.restore(low, scale) for low in lows)
    shown.append(sensor.fused(visible, guide, scale))
    cells = [F.pad(p.expand(-1, 3, -1, -1)[0], (0, GAP, 0, GAP), value=1.0) for p in shown]
    return torch.cat(cells, -1)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, help="tar archive or folder of pairs")
    parser.add_argument("--synthetic", action="store_true", help="render a scene instead")
    parser.add_argument("--out", type=Path, required=True, help="PNG or JPEG file")
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--protocol", default="bicubic")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--model", default="small")
    args = parser.parse_args()
    if args.pairs is None and not args.synthetic:
        parser.error("give --pairs, or --synthetic")
    if args.synthetic:
        pairs = [synthetic_pair(SCENE_SEED + i) for i in range(args.count)]
    else:
        held_out = read_pairs(args.pairs, args.scale)
        pairs = held_out[:: max(1, len(held_out) // args.count)][: args.count]
    sensor = load_second_sensor(args.model)
    rows = [row(pair, args.protocol, sensor, args.scale) for pair in pairs]
    width = max(r.shape[-1] for r in rows)
    page = torch.cat([F.pad(r, (0, width - r.shape[-1]), value=1.0) for r in rows], 1)
    pixels = page.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(args.out, quality=88)


if __name__ == "__main__":
    main()
