"""Train the damage estimator: noise, JPEG and blur with their errors.

`python -m training.stages.damage --data DIR --out runs/damage --minutes 60`
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from mmsr_core.models.damage_estimator import (
    BLUR_FLOOR_PX,
    NOISE_FLOOR,
    DamageEstimator,
    DamageMaps,
    weighed_mean,
)

from ..command import Parser, run_main
from ..data.damages import Damaged, damaged_batches
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


def main() -> None:
    """Command line of the damage stage."""
    parser = Parser(description=__doc__)
    add_loop_arguments(parser, batch=16, lr=2e-3, patch_unit=16)
    parser.set_defaults(patch=128)
    parser.add_argument("--init", help="damage_estimator folder to start from")
    args = parser.parse_args()
    device = setup(args)
    model = DamageEstimator.from_pretrained(args.init) if args.init else DamageEstimator()
    model = placed(model, device)
    training, validation = training_photos(args)
    batches = damaged_batches(training, args.batch, args.patch, args.seed)
    held_out = damaged_batches(validation, args.batch, args.patch, 99)
    fixed = [next(held_out) for _ in range(12)]

    def loss_fn(net: nn.Module, batch: object, share: float) -> tuple[Tensor, Numbers]:
        assert isinstance(batch, Damaged)
        loss, parts = damage_loss(net(batch.pictures.to(device)), _on(batch, device))
        return loss, {name: value.detach() for name, value in parts.items()}

    def validate(net: nn.Module) -> dict[str, float]:
        sums: dict[str, float] = {}
        for batch in fixed:
            _, parts = damage_loss(net(batch.pictures.to(device)), _on(batch, device))
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + float(value) / len(fixed)
        return sums

    model = train(model, batches, loss_fn, loop_config(args), validate)
    if is_main():
        model.save_pretrained(str(Path(args.out) / "damage_estimator"))


def _on(batch: Damaged, device: torch.device) -> Damaged:
    return Damaged(*(value.to(device) for value in vars(batch).values()))


if __name__ == "__main__":
    sys.exit(run_main(main))
