"""Train the mean net: L1, then MSE towards the end.

`python -m training.stages.mean --data DIR --out runs/mean --minutes 60 [--kernel-weights DIR]`
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from mmsr_core.models import DamageEstimator, KernelEstimator, MeanNet

from ..command import COUNT, SHARE, Parser, run_main
from ..data.batches import Preparer, fit_basis
from ..data.restoration import Conditions
from ..loop.loop import Numbers, placed, train
from ..loop.parallel import is_main
from .common import (
    add_echo_argument,
    add_loop_arguments,
    autocast,
    degraded_batches,
    held_out_batches,
    loop_config,
    prepared_batches,
    psnr_y,
    setup,
    training_photos,
)


def main() -> None:
    """Command line of the mean stage."""
    parser = Parser(description=__doc__)
    add_loop_arguments(parser, batch=16, lr=8e-4)
    add_echo_argument(parser)
    parser.add_argument("--kernel-weights", help="folder of a trained kernel_estimator")
    parser.add_argument("--damage-weights", help="folder of a trained damage_estimator")
    parser.add_argument("--init", help="mean_net folder to start from")
    parser.add_argument("--true-share", type=SHARE, default=0.5, help="batches with true kernels")
    parser.add_argument("--kernel-dropout", type=SHARE, default=0.1)
    parser.add_argument("--max-lr-pixels", type=COUNT, default=96, help="longest side of a patch")
    parser.add_argument("--mse-from", type=SHARE, default=0.8, help="share of the run with L1 only")
    args = parser.parse_args()
    device = setup(args)

    estimator = None
    if args.kernel_weights:
        estimator = KernelEstimator.from_pretrained(args.kernel_weights).to(device).eval()
        basis = estimator.basis
    else:
        basis = fit_basis().to(device)
    damage = None
    if args.damage_weights:
        damage = DamageEstimator.from_pretrained(args.damage_weights).to(device).eval()
    model = placed(MeanNet.from_pretrained(args.init) if args.init else MeanNet(), device)
    training, validation = training_photos(args, args.depth_file)
    codes = model.config.kernel_codes
    generator = torch.Generator(device).manual_seed(args.seed + 1)
    prepare = Preparer(
        basis, codes, estimator, generator, args.true_share, args.kernel_dropout, damage
    )
    made = degraded_batches(args, training, device, max_lr_pixels=args.max_lr_pixels)
    batches = prepared_batches(args, made, lambda batch: (batch.hr, prepare(batch)), device)
    fixed = held_out_batches(validation, device)
    exact = Preparer(basis, codes, None, generator, 1.0)
    blind = Preparer(basis, codes, estimator, generator, 0.0, damage_estimator=damage)

    def restore(net: nn.Module, c: Conditions) -> Tensor:
        return net(c.base, c.back_projected, c.codes, c.global_conditions, c.depth)

    def loss_fn(net: nn.Module, item: object, share: float) -> tuple[Tensor, Numbers]:
        assert isinstance(item, tuple)
        hr, c = item
        error = restore(net, c) - hr
        l1 = error.abs().mean()
        mse = error.square().mean()
        loss = l1 if share < args.mse_from else 10 * mse
        return loss, {"l1": l1.detach(), "mse": mse.detach()}

    def validate(net: nn.Module) -> dict[str, float]:
        with autocast(args, device):
            truth = [psnr_y(restore(net, exact(b)), b.hr) for b in fixed]
            guess = [psnr_y(restore(net, blind(b)), b.hr) for b in fixed]
        plain = [psnr_y(exact(b).base, b.hr) for b in fixed]
        names = ("psnr_true", "psnr_blind", "psnr_bicubic")
        return {n: sum(v) / len(v) for n, v in zip(names, (truth, guess, plain), strict=True)}

    model = train(model, batches, loss_fn, loop_config(args), validate)
    if is_main():
        model.save_pretrained(str(Path(args.out) / "mean_net"))


if __name__ == "__main__":
    sys.exit(run_main(main))
