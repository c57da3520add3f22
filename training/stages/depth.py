"""Train the built-in depth network.

`python -m training.stages.depth --data DIR --out DIR --minutes M`.
An existing run in `--out` goes on.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmsr_core.models.depth_net import DepthNet

from ..command import ABOVE_0, COUNT, SHARE, Parser, run_main
from ..data.depth_frames import HELD_OUT_SEED, DepthSet, batches, read_photos, read_rgbd, render_set
from ..data.record import write_record
from ..loop.loop import LoopConfig, Numbers, train
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


@dataclass(frozen=True)
class DepthRecipe:
    """What the depth net is trained on."""

    scenes: int = 5000
    """Rendered once, kept in `<out>/cache`."""
    scene_size: tuple[int, int] = (192, 256)
    validation_scenes: int = 100
    texture_photos: int = 320
    """Of `photos_0.tar`."""
    real_share: float = 0.25
    """Of each batch, from the RGB-D frames."""
    batch_size: int = 16
    sizes: tuple[tuple[int, int], ...] = (
        (96, 128), (96, 128), (96, 128), (128, 96), (128, 96), (128, 128), (160, 208),
    )  # fmt: skip
    """Mostly small: a step costs a third, and most of depth is in the coarse picture."""
    gradient_weight: float = 0.5
    """Of the gradient loss at the end of the run."""
    seed: int = 0


def main() -> None:
    """Command line."""
    recipe = DepthRecipe()
    parser = Parser(description="Train the built-in depth network.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the data files")
    parser.add_argument(
        "--out", type=Path, required=True, help="run folder; an existing run goes on"
    )
    parser.add_argument("--minutes", type=ABOVE_0, default=12.0, help="length of the whole run")
    parser.add_argument("--scenes", type=COUNT, default=recipe.scenes, help="scenes to render")
    parser.add_argument("--validation-scenes", type=COUNT, default=recipe.validation_scenes)
    parser.add_argument("--batch", type=COUNT, default=recipe.batch_size)
    parser.add_argument("--lr", type=ABOVE_0, default=4e-4)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="textures, as 'hires_*'")
    parser.add_argument(
        "--real-share", type=SHARE, default=recipe.real_share, help="of RGB-D frames; 0: none"
    )
    arguments = parser.parse_args()
    recipe = replace(
        recipe,
        scenes=arguments.scenes,
        validation_scenes=arguments.validation_scenes,
        batch_size=arguments.batch,
        real_share=arguments.real_share,
    )

    photos = read_photos(
        arguments.data / "photos_0.tar", recipe.texture_photos, arguments.only or ("*",)
    )
    if is_main():
        entry = {"rendered_scenes": recipe.scenes, "texture_photos": len(photos)}
        entry |= {"rgbd_share": recipe.real_share, "only": arguments.only or ["*"]}
        write_record(arguments.out, entry)
    bank = TextureBank(photos, seed=recipe.seed)
    cache, size = arguments.out / "cache", recipe.scene_size
    with main_first():  # the others read what the first has rendered
        rendered = render_set(recipe.scenes, 0, bank, size, cache / "train.npz")
        scenes = render_set(
            recipe.validation_scenes, HELD_OUT_SEED, bank, size, cache / "held_out.npz"
        )
    real, real_held_out = read_rgbd(arguments.data / "rgbd_7scenes.tar")
    held_out = {"rgbd": real_held_out, "scenes": scenes}

    torch.manual_seed(recipe.seed)
    model = DepthNet()
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.3f} M parameters")
    stream = batches(
        real,
        rendered,
        recipe.batch_size,
        recipe.real_share,
        list(recipe.sizes),
        process_seed(recipe.seed + 1),
    )

    def loss(net: nn.Module, batch: object, share: float) -> tuple[Tensor, Numbers]:
        image, target, valid = batch  # type: ignore[misc]
        return depth_loss(net(image), target, valid, recipe.gradient_weight * share)

    loop = LoopConfig(
        out=str(arguments.out),
        minutes=arguments.minutes,
        lr=arguments.lr,
        weight_decay=0.01,
        ema_decay=0.998,
        validate_minutes=5.0,
        seed=recipe.seed,
    )
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
    sys.exit(run_main(main))
