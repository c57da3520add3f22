"""Train DKENet: L1 and MSE on the kernels, L1 on their moments, noise and JPEG.

A run from nothing starts with the branch that reads statistics alone (`statistics.py`).

`python -m training.stages.kernel --data DIR --depth-file FILE --out runs/kernel --minutes 30`
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from mmsr_core.models import KernelEstimator

from ..command import ABOVE_0, COUNT, Parser, run_main
from ..data.batches import Batch, fit_basis
from ..data.statistics import estimate_loss, fit_cells, gather_cells, moment_weights
from ..loop.loop import Numbers, placed, train
from ..loop.parallel import is_main
from ..tools.extend import STATISTICS, extend_estimator
from .common import (
    add_loop_arguments,
    autocast,
    degraded_batches,
    held_out_batches,
    loop_config,
    setup,
    training_photos,
)


def main() -> None:
    """Command line of the kernel stage."""
    parser = Parser(description=__doc__)
    add_loop_arguments(parser, batch=8, lr=1e-3)
    parser.set_defaults(patch=288)
    parser.add_argument("--table-minutes", type=ABOVE_0, default=6.0, help="to fill the table")
    parser.add_argument("--table-steps", type=COUNT, default=8000, help="on the table")
    parser.add_argument("--init", help="kernel_estimator folder to start from")
    parser.add_argument("--basis", help="kernel_estimator folder whose basis the codes refer to")
    args = parser.parse_args()
    device = setup(args)

    if args.init:
        model = extend_estimator(KernelEstimator.from_pretrained(args.init))
    else:
        model = KernelEstimator(statistics_windows=STATISTICS)
        given = KernelEstimator.from_pretrained(args.basis).basis if args.basis else None
        model.set_basis(given or fit_basis(model.config.basis_rank))
    model = placed(model, device)
    training, validation = training_photos(args, args.depth_file)
    batches = degraded_batches(args, training, device, max_lr_pixels=72)
    fixed = held_out_batches(validation, device, count=2, size=288)

    def loss_fn(net: nn.Module, batch: object, share: float) -> tuple[Tensor, Numbers]:
        assert isinstance(batch, Batch)
        estimate = net(batch.lr, batch.scale, batch.depth)
        moments = moment_weights(batch.scale, device)
        loss, parts = estimate_loss(
            estimate, batch.kernels, moments, batch.noise_std, batch.jpeg_quality
        )
        return loss, parts

    def validate(net: nn.Module) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for batch in fixed:
            with autocast(args, device):
                estimate = net(batch.lr, batch.scale, None)
            flat = batch.kernels.mean((2, 3), keepdim=True)  # the best constant in the L2 sense
            for name, guess in (("net", estimate.kernels), ("constant", flat)):
                error = guess - batch.kernels
                mse = error.square().mean((1, 2, 3))
                peak = batch.kernels.amax((1, 2, 3))
                db = float((20 * peak.log10() - 10 * mse.log10()).mean())
                l1 = float(error.abs().sum(1).mean())
                numbers[f"psnr_{name}"] = numbers.get(f"psnr_{name}", 0) + db / len(fixed)
                numbers[f"l1_{name}"] = numbers.get(f"l1_{name}", 0) + l1 / len(fixed)
        return {k: v for k, v in numbers.items() if math.isfinite(v)}

    if not args.init and not (Path(args.out) / "last.pt").is_file():
        cells = gather_cells(model, batches, args.table_minutes)
        print(f"{len(cells.inputs)} cells", flush=True)
        print(fit_cells(model, cells, args.table_steps, seed=args.seed), flush=True)
        Path(args.out).mkdir(parents=True, exist_ok=True)
        model.save_pretrained(str(Path(args.out) / "from_table"))
        with torch.no_grad():
            print(validate(model), flush=True)
    model = train(model, batches, loss_fn, loop_config(args), validate)
    if is_main():
        model.save_pretrained(str(Path(args.out) / "kernel_estimator"))


if __name__ == "__main__":
    sys.exit(run_main(main))
