"""Train the denoiser of the flow: L1 + LPIPS on the x0 estimate, mean net and DKENet frozen.

`python -m training.train_flow --data DIR --metrics DIR --kernel-weights DIR --mean-weights DIR
--out runs/flow --minutes 60`
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from mmsr_core.metrics import Lpips
from mmsr_core.models import Denoiser, KernelEstimator, MeanNet

from .batches import Batch, Conditions, Preparer
from .common import (
    add_loop_arguments,
    degraded_batches,
    held_out_batches,
    loop_config,
    psnr_y,
    setup,
)
from .data import load_photos, split
from .loop import train


class Anchor:
    """The frozen first stages: conditions and the posterior mean of a batch."""

    def __init__(self, prepare: Preparer, mean_net: MeanNet) -> None:
        """Args: what prepares a batch, and the trained mean net."""
        self.prepare = prepare
        self.mean_net = mean_net

    @torch.no_grad()
    def __call__(self, batch: Batch) -> tuple[Conditions, Tensor]:
        """Conditions and mean of a batch."""
        c = self.prepare(batch)
        mean = self.mean_net(c.base, c.back_projected, c.codes, c.global_conditions, c.depth)
        return c, mean.float()


def denoise(
    net: nn.Module, c: Conditions, mean: Tensor, z: Tensor, t: Tensor, keep: dict[str, Tensor]
) -> object:
    """Call the denoiser with every modality the batch has."""
    given = {"lr": c.base, "kernel": c.codes}
    if c.depth is not None:
        given["depth"] = c.depth
    amounts = {name: keep[name] for name in given}
    return net(z, mean, t, given, amounts, c.global_conditions)


def main() -> None:
    """Command line of the flow stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_loop_arguments(parser, batch=8, lr=5e-4)
    parser.add_argument("--kernel-weights", required=True)
    parser.add_argument("--mean-weights", required=True)
    parser.add_argument("--metrics", required=True, help="folder with the LPIPS parameters")
    parser.add_argument("--init", help="denoiser folder to start from")
    parser.add_argument("--lpips", type=float, default=0.4, help="weight of LPIPS")
    parser.add_argument("--sparsity", type=float, default=1e-4, help="weight of the feature L1")
    parser.add_argument("--dropout", type=float, default=0.15, help="of each modality")
    parser.add_argument(
        "--own-share", type=float, default=0.5, help="batches below t = 1 from own estimates"
    )
    parser.add_argument("--first-share", type=float, default=0.4, help="batches at t = 1")
    args = parser.parse_args()
    device = setup(args)

    estimator = KernelEstimator.from_pretrained(args.kernel_weights).to(device).eval()
    mean_net = MeanNet.from_pretrained(args.mean_weights).to(device).eval()
    mean_net.to(memory_format=torch.channels_last)
    perceptual = Lpips.from_folder(args.metrics).to(device).eval().requires_grad_(False)
    model = (Denoiser.from_pretrained(args.init) if args.init else Denoiser()).to(device)
    model.to(memory_format=torch.channels_last)
    training, validation = split(load_photos(args.data, args.depth_file))
    generator = torch.Generator(device).manual_seed(args.seed + 1)
    codes = mean_net.config.kernel_codes
    anchor = Anchor(Preparer(estimator.basis, codes, estimator, generator, 0.3), mean_net)
    blind = Anchor(Preparer(estimator.basis, codes, estimator, generator, 0.0), mean_net)
    batches = degraded_batches(args, training, device)
    fixed = held_out_batches(validation, device, count=2)
    sigma_s = float(model.config.sigma_s)

    def randn(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, device=device)

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    def loss_fn(net: nn.Module, batch: object, share: float) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(batch, Batch)
        c, mean = anchor(batch)
        b = mean.shape[0]
        t = torch.where(
            rand(b) < args.first_share, torch.ones(b, device=device), 0.1 + 0.9 * rand(b)
        )
        at = t.view(-1, 1, 1, 1)
        z = (1 - at) * batch.hr + at * (mean + sigma_s * randn(mean))
        keep = {m: (rand(b, 1, 1, 1) >= args.dropout).float() for m in model.modalities}
        if float(rand(1)) < args.own_share:
            # What sampling really meets at t < 1: the net's own estimate, its artefacts included.
            start = mean + sigma_s * randn(mean)
            with torch.no_grad():
                own = denoise(net, c, mean, start, torch.ones_like(t), keep).sample.float()
            z = torch.where(at < 1, (1 - at) * own + at * start, z)
        out = denoise(net, c, mean, z, t, keep)
        l1 = (out.sample - batch.hr).abs().mean()
        distance = perceptual(out.sample.clamp(0, 1), batch.hr).mean()
        loss = l1 + args.lpips * distance + args.sparsity * out.feature_l1
        numbers = {"l1": l1, "lpips": distance, "features": out.feature_l1}
        return loss, {k: float(v.detach()) for k, v in numbers.items()}

    def validate(net: nn.Module) -> dict[str, float]:
        sums = dict.fromkeys(("psnr_mean", "psnr_4", "lpips_mean", "lpips_1", "lpips_4"), 0.0)
        noise = torch.Generator(device).manual_seed(5)
        for batch in fixed:
            with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16"):
                c, mean = blind(batch)
                keep = {m: torch.ones(len(mean), 1, 1, 1, device=device) for m in model.modalities}
                for steps in (1, 4):
                    z = mean + sigma_s * torch.randn(mean.shape, generator=noise, device=device)
                    estimate = z
                    for i in range(steps):
                        t, after = 1 - i / steps, 1 - (i + 1) / steps
                        at = torch.full((len(mean),), t, device=device)
                        estimate = denoise(net, c, mean, z, at, keep).sample
                        z = estimate + after / t * (z - estimate)
                    picture = estimate.float().clamp(0, 1)
                    sums[f"lpips_{steps}"] += float(perceptual(picture, batch.hr).mean())
                    if steps == 4:
                        sums["psnr_4"] += psnr_y(picture, batch.hr)
            sums["psnr_mean"] += psnr_y(mean, batch.hr)
            sums["lpips_mean"] += float(perceptual(mean.clamp(0, 1), batch.hr).mean())
        return {name: value / len(fixed) for name, value in sums.items()}

    model = train(model, batches, loss_fn, loop_config(args), validate)
    model.save_pretrained(str(Path(args.out) / "denoiser"))


if __name__ == "__main__":
    main()
