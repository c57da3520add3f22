"""Train DKENet: L1 and MSE on the kernels, L1 on their moments, noise and JPEG.

The first part of a run trains the branch of the statistics alone, at the cells, six times faster.

`python -m training.train_kernel --data DIR --depth-file FILE --out runs/kernel --minutes 30`
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmsr_core.degradation import window_offsets_px
from mmsr_core.models import KernelEstimator

from .batches import Batch, fit_basis
from .common import add_loop_arguments, degraded_batches, held_out_batches, loop_config, setup
from .data import load_photos, split
from .extend import STATISTICS, extend_estimator
from .loop import train
from .parallel import is_main


def second_moments(kernels: Tensor, scale: int) -> Tensor:
    """`(B,3,h,w)`: second moments xx, yy, xy about the site's centre, HR px squared.

    The L1 distance of two kernels says little about which is too wide; their moments say just that.
    """
    x, y = window_offsets_px(scale, kernels.device)
    return torch.einsum("pk,bkhw->bphw", torch.stack((x * x, y * y, x * y)), kernels)


def main() -> None:
    """Command line of the kernel stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_loop_arguments(parser, batch=8, lr=1e-3)
    parser.set_defaults(patch=288)
    parser.add_argument(
        "--cells-until", type=float, default=0.35, help="share of the run on the statistics alone"
    )
    parser.add_argument("--init", help="kernel_estimator folder to start from")
    args = parser.parse_args()
    device = setup(args)

    if args.init:
        model = extend_estimator(KernelEstimator.from_pretrained(args.init))
    else:
        model = KernelEstimator(statistics_windows=STATISTICS)
        model.set_basis(fit_basis(model.config.basis_rank))
    model = model.to(device).to(memory_format=torch.channels_last)
    training, validation = split(load_photos(args.data, args.depth_file))
    batches = degraded_batches(args, training, device, max_sites=72)
    fixed = held_out_batches(validation, device, count=2, size=288)

    def loss_fn(net: nn.Module, batch: object, share: float) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(batch, Batch)
        true = batch.kernels
        if share < args.cells_until:
            lr = batch.lr[..., : true.shape[2] // 4 * 4, : true.shape[3] // 4 * 4]
            estimate = model.at_cells(lr, batch.scale)
            true = F.avg_pool2d(true, 4)
        else:
            estimate = net(batch.lr, batch.scale, batch.depth)
        error = estimate.kernels - true
        kernel = error.abs().sum(1).mean()
        energy = (error.square().sum((1, 2, 3)) / true.square().sum((1, 2, 3))).mean()
        wrong = second_moments(estimate.kernels, batch.scale) - second_moments(true, batch.scale)
        spread = wrong.abs().mean()
        target = torch.log(batch.noise_std + 0.5 / 255).view(-1, 1, 1, 1)
        noise = (estimate.log_noise - target).abs().mean()
        damage = (100 - batch.jpeg_quality).view(-1, 1, 1, 1) / 100
        jpeg = (estimate.jpeg_damage - damage).abs().mean()
        loss = kernel + energy + 0.05 * spread + 0.1 * noise + 1.0 * jpeg
        parts = {"kernel": kernel, "energy": energy, "spread": spread, "noise": noise, "jpeg": jpeg}
        return loss, {k: float(v.detach()) for k, v in parts.items()}

    def validate(net: nn.Module) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for batch in fixed:
            with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16"):
                estimate = net(batch.lr, batch.scale, None)
                cells = model.at_cells(batch.lr, batch.scale).kernels
            rough = F.interpolate(cells, scale_factor=4, mode="nearest")
            flat = batch.kernels.mean((2, 3), keepdim=True)  # the best constant in the L2 sense
            for name, guess in (("net", estimate.kernels), ("cells", rough), ("constant", flat)):
                error = guess - batch.kernels
                mse = error.square().mean((1, 2, 3))
                peak = batch.kernels.amax((1, 2, 3))
                db = float((20 * peak.log10() - 10 * mse.log10()).mean())
                l1 = float(error.abs().sum(1).mean())
                numbers[f"psnr_{name}"] = numbers.get(f"psnr_{name}", 0) + db / len(fixed)
                numbers[f"l1_{name}"] = numbers.get(f"l1_{name}", 0) + l1 / len(fixed)
        return {k: v for k, v in numbers.items() if math.isfinite(v)}

    model = train(model, batches, loss_fn, loop_config(args), validate)
    if is_main():
        model.save_pretrained(str(Path(args.out) / "kernel_estimator"))


if __name__ == "__main__":
    main()
