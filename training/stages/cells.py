"""Train `CellKernels`, which stands for the U-Net at scale 1, inside trained weights of DKENet.

Nothing else of the network changes. Its reader of statistics starts from the U-Net's own.

`python -m training.stages.cells --data DIR --depth-file FILE --init runs/kernel/kernel_estimator
--out runs/cells --minutes 30`
"""

from __future__ import annotations

import sys
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from mmsr_core.models import KernelEstimator
from mmsr_core.models.blur_statistics import CELL
from mmsr_core.models.cell_kernels import CellKernels

from ..command import Parser, run_main
from ..data.batches import Batch, degraded
from ..data.photos import patches
from ..data.statistics import estimate_loss, moment_weights
from ..loop.loop import Numbers, train
from ..loop.parallel import is_main
from ..tools.extend import extend_with_cells
from .common import (
    add_loop_arguments,
    autocast,
    degraded_batches,
    loop_config,
    setup,
    training_photos,
)

_MAX_LR_PIXELS = 144


def main() -> None:
    """Command line of the stage."""
    parser = Parser(description=__doc__)
    add_loop_arguments(parser, batch=8, lr=1e-3)
    parser.set_defaults(patch=288, x4_share=0.0, x1_share=1.0)
    parser.add_argument("--init", required=True, help="kernel_estimator folder to put it in")
    args = parser.parse_args()
    device = setup(args)

    whole = extend_with_cells(KernelEstimator.from_pretrained(args.init)).to(device)
    assert whole.cells is not None
    training, validation = training_photos(args, args.depth_file)
    batches = degraded_batches(args, training, device, max_lr_pixels=_MAX_LR_PIXELS)
    pairs = patches(validation, 8, args.patch, seed=99, shrink=(0.5, 1.0))
    held_out = degraded(pairs, device, 99, None, (0, 0, 0, 0, 1), 0.0, max_lr_pixels=_MAX_LR_PIXELS)
    fixed = [next(held_out) for _ in range(6)]

    def loss_of(net: nn.Module, batch: Batch) -> tuple[Tensor, Numbers]:
        kernels = F.avg_pool2d(batch.kernels, CELL)
        moments = moment_weights(batch.scale, device)
        estimate = net(batch.lr, batch.scale, batch.depth)
        return estimate_loss(estimate, kernels, moments, batch.noise_std, batch.jpeg_quality)

    def loss_fn(net: nn.Module, batch: object, share: float) -> tuple[Tensor, Numbers]:
        assert isinstance(batch, Batch)
        return loss_of(net, batch)

    def validate(net: nn.Module) -> dict[str, float]:
        sums: dict[str, float] = {}
        for batch in fixed:
            with autocast(args, device):
                parts = loss_of(net, batch)[1]
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + float(value) / len(fixed)
        return sums

    trained = train(whole.cells, batches, loss_fn, loop_config(args), validate)
    assert isinstance(trained, CellKernels)
    whole.cells = trained
    if is_main():
        whole.save_pretrained(str(Path(args.out) / "kernel_estimator"))


if __name__ == "__main__":
    sys.exit(run_main(main))
