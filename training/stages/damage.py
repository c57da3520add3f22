"""Train the damage estimator: noise, JPEG and blur with their errors.

`python -m training.stages.damage --data DIR --out runs/damage --minutes 60`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmsr_core.models.damage_estimator import (
    BLUR_FLOOR_PX,
    NOISE_FLOOR,
    DamageEstimator,
    DamageMaps,
    weighed_mean,
)
from mmsr_core.models.network import Network

from ..command import Parser, run_main
from ..data.damages import Damaged, DamageShares, damaged_batches
from ..loop.loop import Numbers, placed, train
from ..loop.parallel import is_main
from .common import add_loop_arguments, loop_config, setup, training_photos

_WHOLE_WEIGHT = 1.5
"""Weight of the whole picture's error beside that of the places."""


def damage_loss(maps: DamageMaps, truth: Damaged) -> tuple[Tensor, dict[str, Tensor]]:
    """Negative log-likelihood (Laplace) of every place, and the whole picture's absolute error."""
    noise = (truth.noise_std + NOISE_FLOOR).log()
    jpeg = ((100 - truth.jpeg_quality) / 100).view(-1, 1, 1, 1)
    blur = (truth.blur_std_px + BLUR_FLOOR_PX).log().view(-1, 1, 1, 1)
    pairs = {
        "noise": (maps.log_noise, maps.log_noise_error, noise, 1.0),
        "jpeg": (maps.jpeg_damage, maps.jpeg_damage_error, jpeg, 4.0),
        "blur": (maps.log_blur, maps.log_blur_error, blur, 1.0),
    }
    loss, parts = maps.log_noise.new_zeros(()), {}
    for name, (value, error, wanted, scale) in pairs.items():
        likelihood = ((value - wanted).abs() / error + error.log()).mean()
        whole = weighed_mean(value, error.detach()) - wanted.double().mean((1, 2, 3))
        parts[name] = whole.abs().mean()
        loss = loss + 0.3 * likelihood + _WHOLE_WEIGHT * scale * parts[name].float()
    return loss, parts


def train_on_damaged(
    args: argparse.Namespace,
    make: Callable[[], Network],
    loss_of: Callable[[Any, Damaged], tuple[Tensor, dict[str, Tensor]]],
    name: str,
    shares: DamageShares | None = None,
) -> None:
    """Train a net that reads damaged pictures, and save it in the run's folder.

    Args:
        args: of the command line.
        make: makes the net, once the run is set up.
        loss_of: the loss of what it says of a batch, and its parts.
        name: of the net's folder.
        shares: how often each kind of damage comes.
    """
    device = setup(args)
    model = placed(make(), device)
    training, validation = training_photos(args)
    batches = damaged_batches(training, args.batch, args.patch, args.seed, shares)
    held_out = damaged_batches(validation, args.batch, args.patch, 99, shares)
    fixed = [next(held_out) for _ in range(12)]

    def loss_fn(net: nn.Module, batch: object, share: float) -> tuple[Tensor, Numbers]:
        assert isinstance(batch, Damaged)
        loss, parts = loss_of(net(batch.pictures.to(device)), _on(batch, device))
        return loss, {part: value.detach() for part, value in parts.items()}

    def validate(net: nn.Module) -> dict[str, float]:
        sums: dict[str, float] = {}
        for batch in fixed:
            _, parts = loss_of(net(batch.pictures.to(device)), _on(batch, device))
            for part, value in parts.items():
                sums[part] = sums.get(part, 0.0) + float(value) / len(fixed)
        return sums

    model = train(model, batches, loss_fn, loop_config(args), validate)
    if is_main():
        model.save_pretrained(str(Path(args.out) / name))


def _on(batch: Damaged, device: torch.device) -> Damaged:
    return Damaged(*(value.to(device) for value in vars(batch).values()))


def main() -> None:
    """Command line of the damage stage."""
    parser = Parser(description=__doc__)
    add_loop_arguments(parser, batch=16, lr=2e-3, patch_unit=16)
    parser.set_defaults(patch=128)
    parser.add_argument("--init", help="damage_estimator folder to start from")
    args = parser.parse_args()

    def make() -> DamageEstimator:
        return DamageEstimator.from_pretrained(args.init) if args.init else DamageEstimator()

    train_on_damaged(args, make, damage_loss, "damage_estimator")


if __name__ == "__main__":
    sys.exit(run_main(main))
