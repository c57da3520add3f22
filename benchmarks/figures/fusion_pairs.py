"""A picture of held-out pairs: visible LR, infrared LR, bicubic average, our fusion.

`python -m benchmarks.figures.fusion_pairs --pairs infrared_visible.tar --out runs/fusion.png`

Pictures of RoadScene carry research terms: look at the result, do not commit it. `--synthetic`
renders streets of this project instead, every shape with a temperature of its own, which may be
shown anywhere.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.cli.arguments import whole_number
from mmsr_core.image import make_folder
from training.command import COUNT, Parser, run_main
from training.tools.make_workflow_examples import render_fine_pair

from ..fusion.run import baselines, degrade_source
from ..fusion.second_sensor import SecondSensor, load_second_sensor
from ..inputs.sensor_pairs import SensorPair, read_pairs

GAP = 4
SCENE_SEED = 9_100_000
"""A seed that training never renders."""


def row(pair: SensorPair, protocol: str, sensor: SecondSensor, scale: int) -> Tensor:
    """The four pictures of a pair side by side, `(3,H,4W+gaps)`."""
    lows = [
        degrade_source(hr, protocol, f"{pair.name}/{kind}", scale, 0)
        for kind, hr in (("visible", pair.visible), ("infrared", pair.infrared))
    ]
    size = tuple(pair.visible.shape[-2:])
    shown = [F.interpolate(low, size=size, mode="nearest") for low in lows]
    shown.append(baselines(lows[0], lows[1], scale)["bicubic, then average"])
    shown.append(sensor.fused(lows[0], lows[1], scale))
    cells = [F.pad(p.expand(-1, 3, -1, -1)[0], (0, GAP, 0, GAP), value=1.0) for p in shown]
    return torch.cat(cells, -1)


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--pairs", type=Path, help="tar archive or folder of pairs")
    parser.add_argument("--synthetic", action="store_true", help="render a scene instead")
    parser.add_argument("--out", type=Path, required=True, help="PNG or JPEG file")
    parser.add_argument("--count", type=COUNT, default=5)
    parser.add_argument("--protocol", default="bicubic")
    parser.add_argument("--scale", type=whole_number(1, 16), default=4)
    parser.add_argument("--model", default="small")
    args = parser.parse_args()
    if args.synthetic:
        seeds = range(SCENE_SEED, SCENE_SEED + args.count)
        pairs = [SensorPair(f"scene {seed}", *render_fine_pair(seed, 192, 256)) for seed in seeds]
    elif args.pairs is None:
        parser.error("give --pairs, or --synthetic")
    else:
        held_out = read_pairs(args.pairs, args.scale)
        pairs = held_out[:: max(1, len(held_out) // args.count)][: args.count]
    sensor = load_second_sensor(args.model)
    rows = [row(pair, args.protocol, sensor, args.scale) for pair in pairs]
    width = max(r.shape[-1] for r in rows)
    page = torch.cat([F.pad(r, (0, width - r.shape[-1]), value=1.0) for r in rows], 1)
    pixels = page.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    make_folder(args.out.parent)
    Image.fromarray(pixels).save(args.out, quality=88)


if __name__ == "__main__":
    sys.exit(run_main(main))
