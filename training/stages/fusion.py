"""Train the fusion net on a pool of restored crops of registered pairs.

`python -m training.stages.fusion --pairs infrared_visible.tar --kernel-weights DIR
--mean-weights DIR --out runs/fusion --minutes 15`

The pool is made first (frozen DKENet and mean net) and kept on disk. Both heads train at once.
Guided restoration: L1 and MSE to the HR visible picture, with guides that are right, shifted,
foreign, black or flat. Fusion has no truth: its target is the stronger detail of the two HR
sources, at every place and level (`fusion_loss.py`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmsr_core.cli.arguments import device_name
from mmsr_core.models import KernelEstimator, MeanNet
from mmsr_core.models.fusion_net import FusionNet

from ..command import ABOVE_0, COUNT, COUNT_OR_0, SEED, WEIGHT, Parser, multiple_of, run_main
from ..data.pairs import BYTES, Restorer, load_pairs, restore_pool, split_pairs, stack_pool
from ..data.record import origin_of, write_record
from ..loop.loop import LoopConfig, Numbers, train
from ..loop.parallel import is_main, process_seed
from ..losses.fusion import FusionWeights, fusion_loss, guide_loss
from .common import psnr_y, setup

GUIDES = ("right", "sharp", "shifted", "foreign", "black", "flat")
SHARES = (0.50, 0.14, 0.16, 0.10, 0.05, 0.05)
MAX_SHIFT = 12


def make_guides(
    kinds: np.ndarray, own: Tensor, sharp: Tensor, moved: Tensor, levels: Tensor
) -> Tensor:
    """The guide of every item by its kind: `(B,1,H,W)`.

    Args:
        kinds: `(B,)` indices into `GUIDES`.
        own: the restored guide of each item, `(B,1,H,W)`.
        sharp: the HR guide.
        moved: the restored guide, shifted.
        levels: `(B,1,1,1)` grey levels for flat guides.
    """
    choices = (own, sharp, moved, own.roll(1, 0), torch.zeros_like(own), levels.expand_as(own))
    return torch.stack([choices[kind][i] for i, kind in enumerate(kinds)])


def windows(
    pool: dict[str, Tensor], batch: int, size: int, rng: np.random.Generator
) -> Iterator[dict[str, Tensor]]:
    """Endless training batches: windows of pool crops of one scale, turned, with their guides.

    Keys: `hr_visible (B,3,S,S)`, `hr_guide`, `visible`, `guide (B,1,S,S)`, `target (B,1,S,S)`,
    `clarity (B,2,S/4,S/4)`, `fusable (B,)` bool (the guide shows the same scene), `scale`.
    """
    scales = pool["scale"]
    groups = {int(s): torch.nonzero(scales == s)[:, 0].numpy() for s in scales.unique()}
    counts = np.array([len(g) for g in groups.values()], dtype=np.float64)
    side = pool["visible"].shape[-1]
    while True:
        scale = int(rng.choice(list(groups), p=counts / counts.sum()))
        chosen = rng.choice(groups[scale], batch)
        kinds = rng.choice(len(GUIDES), batch, p=SHARES)
        parts: dict[str, list[Tensor]] = {}
        for index in chosen:
            top, left = (4 * int(rng.integers((side - size) // 4 + 1)) for _ in range(2))
            item = {key: pool[key][index].float() for key in pool if key != "scale"}
            item |= {key: item[key] / 255 for key in BYTES}
            reach = (-MAX_SHIFT, MAX_SHIFT + 1)
            dy, dx = (int(np.clip(at + rng.integers(*reach), 0, side - size)) for at in (top, left))
            item["moved"] = item["guide"][:, dy : dy + size, dx : dx + size]
            turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
            for key, value in item.items():
                unit = 4 if key == "clarity" else 1
                if key != "moved":
                    rows = slice(top // unit, (top + size) // unit)
                    value = value[:, rows, left // unit : (left + size) // unit]
                value = value.rot90(turns, (1, 2))
                parts.setdefault(key, []).append(value.flip(2) if mirror else value)
        made = {key: torch.stack(values) for key, values in parts.items()}
        levels = torch.from_numpy(rng.random((batch, 1, 1, 1), dtype=np.float32))
        moved = made.pop("moved")
        made["guide"] = make_guides(kinds, made["guide"], made["hr_guide"], moved, levels)
        sharp = torch.from_numpy(kinds == GUIDES.index("sharp")).view(-1, 1, 1)
        clear = torch.where(sharp, torch.ones(()), made["clarity"][:, 1])
        made["clarity"] = torch.stack((made["clarity"][:, 0], clear), 1)
        yield made | {"fusable": torch.from_numpy(kinds < 2), "scale": torch.tensor(scale)}


def make_pool(
    args: argparse.Namespace, device: torch.device, levels: int
) -> tuple[dict[str, Tensor], ...]:
    """Training and validation pools: read from the run folder, or made and kept there.

    `levels` of the starlet are those of the net that is trained.
    """
    file = Path(args.pool or Path(args.out) / "pool.safetensors")
    if not file.is_file():
        estimator = KernelEstimator.from_pretrained(args.kernel_weights).to(device).eval()
        mean_net = MeanNet.from_pretrained(args.mean_weights).to(device).eval()
        restore = Restorer(estimator, mean_net)
        parts = split_pairs(load_pairs(args.pairs))
        state = {}
        for name, pairs, count in zip(
            ("train", "val"), parts, (args.crops, max(1, args.crops // 14)), strict=True
        ):
            seed = args.seed + (name == "val")
            crops = restore_pool(pairs, restore, count, args.crop, seed, levels=levels)
            made = stack_pool(list(crops))
            state |= {f"{name}.{key}": value for key, value in made.items()}
            print(f"{name}: {len(pairs)} pairs, {count} crops", flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(state, str(file))
    loaded = load_file(str(file))
    return tuple(
        {k.split(".")[1]: v for k, v in loaded.items() if k.startswith(name)}
        for name in ("train", "val")
    )


@torch.no_grad()
def evaluate(net: FusionNet, pool: dict[str, Tensor]) -> dict[str, float]:
    """PSNR-Y in guide mode on x4 crops: no guide, right, sharp, shifted, foreign and black guides.

    `gain_*` is against no guide, the restored visible picture as it is.
    """
    at4 = {k: v[pool["scale"] == 4] for k, v in pool.items()}
    hr, visible = at4["hr_visible"].float() / 255, at4["visible"].float()
    sharp, own, clarity = (
        at4["hr_guide"].float() / 255,
        at4["guide"].float(),
        at4["clarity"].float(),
    )
    guides = {
        "right": own,
        "sharp": sharp,
        "shifted": own.roll((4, 6), (2, 3)),
        "foreign": own.roll(1, 0),
        "black": torch.zeros_like(own),
    }
    base = psnr_y(visible, hr)
    numbers = {"psnr_none": base}
    for name, guide in guides.items():
        given = clarity
        if name == "sharp":
            given = torch.stack((clarity[:, 0], torch.ones_like(clarity[:, 1])), 1)
        total = 0.0
        for part in torch.arange(len(hr)).split(8):
            made = net(visible[part], guide[part], given[part], 4)
            total += psnr_y(made, hr[part]) * len(part)
        numbers[f"gain_{name}"] = total / len(hr) - base
    return numbers


def main() -> None:
    """Command line of the fusion stage."""
    parser = Parser(description=__doc__)
    parser.add_argument("--pairs", required=True, help="infrared_visible.tar")
    parser.add_argument("--kernel-weights", required=True)
    parser.add_argument("--mean-weights", required=True)
    parser.add_argument("--out", required=True, help="run folder; an unfinished run is resumed")
    parser.add_argument("--pool", help="file of restored crops; made if missing")
    parser.add_argument("--init", help="fusion_net folder to start from")
    parser.add_argument("--minutes", type=ABOVE_0, default=15.0)
    parser.add_argument("--steps", type=COUNT_OR_0, default=1_000_000)
    parser.add_argument("--crops", type=COUNT, default=180, help="restored crops in the pool")
    parser.add_argument("--crop", type=multiple_of(32), default=160, help="HR px; a multiple of 32")
    parser.add_argument("--batch", type=COUNT, default=8)
    parser.add_argument(
        "--window", type=multiple_of(32), default=128, help="HR px; a multiple of 32"
    )
    parser.add_argument("--lr", type=ABOVE_0, default=1e-3)
    parser.add_argument("--gradient", type=WEIGHT, default=6.0, help="weight of signed gradients")
    parser.add_argument("--strength", type=WEIGHT, default=4.0, help="weight of gradient sizes")
    parser.add_argument("--ssim", type=WEIGHT, default=0.3, help="weight of SSIM to the target")
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--device", type=device_name, default="auto")
    parser.add_argument("--threads", type=COUNT_OR_0, default=0)
    parser.add_argument("--precision", default="no", choices=("bf16", "no", "fp16"))
    args = parser.parse_args()
    device = setup(args)

    torch.manual_seed(args.seed)
    model = (FusionNet.from_pretrained(args.init) if args.init else FusionNet()).to(device)
    if is_main():
        given = {name: getattr(args, name) for name in ("init", "kernel_weights", "mean_weights")}
        write_record(
            args.out,
            {
                "pairs": Path(args.pairs).name,
                "with": {name: origin_of(path) for name, path in given.items() if path},
            },
        )
    training, validation = make_pool(args, device, model.config["levels"])
    weights = FusionWeights(args.gradient, args.strength, args.ssim)
    batches = windows(
        training, args.batch, args.window, np.random.default_rng(process_seed(args.seed))
    )
    fixed = next(windows(validation, 16, 128, np.random.default_rng(7)))

    def both(net: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Numbers]:
        given = {k: v.to(device) for k, v in batch.items()}
        guide_part, fuse_part = net_losses(net, given, weights)
        numbers = {k: v.detach() for k, v in {**guide_part, **fuse_part}.items()}
        return guide_part["guide"] + fuse_part["fuse"], numbers

    def loss_fn(net: nn.Module, batch: object, share: float) -> tuple[Tensor, Numbers]:
        assert isinstance(batch, dict)
        return both(net, batch)

    def validate(net: nn.Module) -> dict[str, float]:
        assert isinstance(net, FusionNet)
        own = {name: float(value) for name, value in both(net, fixed)[1].items()}
        return own | evaluate(net, validation)

    config = LoopConfig(
        out=args.out, steps=args.steps, minutes=args.minutes, lr=args.lr, seed=args.seed,
        mixed_precision=args.precision, ema_decay=0.99, warmup_steps=40, log_every=25,
        validate_minutes=4.0, checkpoint_minutes=2.0,
    )  # fmt: skip
    trained = train(model, batches, loss_fn, config, validate)
    if is_main():
        trained.save_pretrained(str(Path(args.out) / "fusion_net"))  # type: ignore[operator]


def net_losses(
    net: nn.Module, batch: dict[str, Tensor], weights: FusionWeights
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Losses of both heads on one set of features."""
    assert isinstance(net, FusionNet)
    visible, guide = batch["visible"], batch["guide"]
    features = net.features(visible, guide, batch["clarity"], int(batch["scale"]))
    guided = visible + net.guide_residual(features)
    fused = net.fused_luminance(features, visible, guide)
    return (
        guide_loss(guided, batch["hr_visible"], visible),
        fusion_loss(fused, batch["target"], batch["fusable"], weights),
    )


if __name__ == "__main__":
    sys.exit(run_main(main))
