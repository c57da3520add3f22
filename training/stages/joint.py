"""Train DKENet, the mean net and the denoiser together, with a discriminator.

All three see the same batches. Each works on what the one before it makes, without gradients to it:
so each learns to live with the others' present errors.

`python -m training.stages.joint --data DIR --metrics DIR --init weights/small --out runs/joint
--minutes 9 --batch 64`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from mmsr_core.metrics import Lpips
from mmsr_core.models import DamageEstimator, Denoiser, KernelEstimator, MeanNet

from ..command import ABOVE_0, COUNT, SHARE, WEIGHT, Parser, multiple_of, run_main
from ..data.batches import Batch, Preparer
from ..data.captions import caption_embeddings
from ..data.photo_store import PhotoStore
from ..data.photos import Photo
from ..data.restoration import Conditions
from ..data.statistics import estimate_loss, moment_weights
from ..loop.echo import echoed
from ..loop.loop import Numbers, placed, train
from ..loop.parallel import is_main
from ..losses.discriminator import BalancedWeight, Discriminator, adversarial_losses, doubt
from ..losses.flow import FlowLoss
from ..tools.export import JOINT as COMPONENTS
from ..tools.extend import extend_denoiser, extend_estimator
from .common import (
    add_echo_argument,
    add_flow_arguments,
    add_loop_arguments,
    autocast,
    degraded_pairs,
    flow_options,
    held_out_batches,
    loop_config,
    measure_sampling,
    setup,
    training_photos,
)


def stored_batches(
    args: argparse.Namespace,
    photos: list[Photo],
    device: torch.device,
    prompts: dict[str, Tensor] | None,
) -> Iterator[Batch]:
    """Endless degraded batches, made on the device; photographs smaller than a patch are out."""
    large = [photo for photo in photos if min(photo.pixels.shape[:2]) >= args.patch]
    store = PhotoStore(large, device, prompts)
    told: list[Tensor] = []

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for picture, depth, prompt in store.batches(args.batch, args.patch, args.seed):
            told[:] = [prompt]
            yield picture, depth

    for batch in degraded_pairs(args, pairs(), device, args.max_lr_pixels):
        yield replace(batch, prompt=told[0])


def load_networks(args: argparse.Namespace, device: torch.device) -> nn.ModuleDict:
    """The three networks of `--init`, and a fresh discriminator."""
    folder = Path(args.init)
    networks = nn.ModuleDict(
        {
            "kernel": extend_estimator(
                KernelEstimator.from_pretrained(folder / "kernel_estimator")
            ),
            "mean": MeanNet.from_pretrained(folder / "mean_net"),
            "flow": extend_denoiser(Denoiser.from_pretrained(folder / "denoiser")),
            "discriminator": Discriminator(args.width),
        }
    )
    return placed(networks, device)


class JointLoss:
    """The sum of all losses of one batch; no network gets gradients from another's."""

    def __init__(self, args: argparse.Namespace, prepare: Preparer, flow: FlowLoss) -> None:
        """Args: the command line, what prepares a batch, the denoiser's own loss."""
        self._prepare = prepare
        self._flow = flow
        self._mse_from = args.mse_from
        self._discriminator_from = args.discriminator_from
        self._drawing_from = args.drawing_from
        self._balance = BalancedWeight(args.adversarial)

    def __call__(self, nets: nn.Module, batch: object, share: float) -> tuple[Tensor, Numbers]:
        """See `LossFn`."""
        assert isinstance(nets, nn.ModuleDict)
        assert isinstance(batch, Batch)
        found = nets["kernel"](batch.lr, batch.scale, batch.depth)
        moments = moment_weights(batch.scale, batch.lr.device)
        total, parts = estimate_loss(
            found, batch.kernels, moments, batch.noise_std, batch.jpeg_quality
        )
        numbers: Numbers = {f"kernel_{name}": value for name, value in parts.items()}
        c = self._prepare(batch, found)
        mean = mean_of(nets["mean"], c)
        error = mean - batch.hr
        l1, mse = error.abs().mean(), error.square().mean()
        total = total + (l1 if share < self._mse_from else 10 * mse)
        numbers |= {"mean_l1": l1.detach(), "mean_mse": mse.detach()}
        mean = mean.detach().float()
        flow = cast("Denoiser", nets["flow"])
        loss, drawn, parts = self._flow(flow, batch, c, mean)
        numbers |= {f"flow_{name}": value for name, value in parts.items()}
        if share >= self._discriminator_from:
            own, places, told = adversarial_losses(nets["discriminator"], drawn, batch.hr, mean)
            total = total + own
            numbers |= told
            if share >= self._drawing_from:
                adversarial = (places * doubt(mean, batch.hr)).mean()
                weight = self._balance(loss, adversarial, flow.conv_out.weight)
                loss = loss + weight * adversarial
                numbers |= {"adversarial": adversarial.detach(), "weight": weight}
        return total + loss, numbers


def mean_of(net: nn.Module, c: Conditions) -> Tensor:
    """The posterior mean `(B,3,H,W)`."""
    return net(c.base, c.back_projected, c.codes, c.global_conditions, c.depth)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = Parser(description=__doc__)
    add_loop_arguments(parser, batch=64, lr=7e-4)
    parser.set_defaults(second_order_share=0.45, resize_share=0.25, clean_share=0.4)
    add_echo_argument(parser)
    add_flow_arguments(parser)
    parser.add_argument("--init", required=True, help="weights folder to start from")
    parser.add_argument("--metrics", required=True, help="folder with the LPIPS parameters")
    parser.add_argument("--true-share", type=SHARE, default=0.35, help="batches with true kernels")
    parser.add_argument("--kernel-dropout", type=SHARE, default=0.08)
    parser.add_argument("--max-lr-pixels", type=COUNT, default=96, help="longest side of a patch")
    parser.add_argument("--mse-from", type=SHARE, default=0.8, help="share of the run with L1 only")
    parser.add_argument("--width", type=COUNT, default=32, help="channels of the discriminator")
    parser.add_argument("--adversarial", type=WEIGHT, default=0.2, help="its pull on the denoiser")
    parser.add_argument("--discriminator-from", type=SHARE, default=0.15, help="share of the run")
    parser.add_argument("--drawing-from", type=SHARE, default=0.25, help="when it begins to pull")
    parser.add_argument(
        "--discriminator-rate", type=ABOVE_0, default=0.2, help="as a share of --lr"
    )
    parser.add_argument(
        "--held-out-side", type=multiple_of(16), default=192, help="of validation patches, HR px"
    )
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Train, validate and save."""
    args = arguments(given)
    device = setup(args)

    nets = load_networks(args, device)
    estimator, mean_net, denoiser = (nets[name] for name in COMPONENTS)
    assert isinstance(estimator, KernelEstimator)
    assert isinstance(mean_net, MeanNet)
    assert isinstance(denoiser, Denoiser)
    damage = DamageEstimator.from_pretrained(Path(args.init) / "damage_estimator")
    damage = damage.to(device).eval().requires_grad_(False)
    perceptual = Lpips.from_folder(args.metrics).to(device).eval().requires_grad_(False)
    training, validation = training_photos(args, args.depth_file)
    encoder = Path(args.init) / "prompt_encoder"
    prompts = caption_embeddings(args.data, encoder) if encoder.is_dir() else None
    batches = echoed(stored_batches(args, training, device, prompts), args.echo, args.seed)
    generator = torch.Generator(device).manual_seed(args.seed + 1)
    basis, codes = estimator.basis, mean_net.config.kernel_codes
    prepare = Preparer(
        basis, codes, estimator, generator, args.true_share, args.kernel_dropout, damage
    )
    blind = Preparer(basis, codes, estimator, generator, 0.0, damage_estimator=damage)
    sigma_s, names = float(denoiser.config.sigma_s), denoiser.modalities
    flow = FlowLoss(names, sigma_s, perceptual, generator, flow_options(args), args.seed)
    fixed = held_out_batches(validation, device, count=2, size=args.held_out_side)

    def validate(averaged: nn.Module) -> dict[str, float]:
        assert isinstance(averaged, nn.ModuleDict)
        with autocast(args, device):
            known = []
            for batch in fixed:
                c = blind(batch, averaged["kernel"](batch.lr, batch.scale, batch.depth))
                known.append((batch, c, mean_of(averaged["mean"], c).float()))
            return measure_sampling(averaged["flow"], known, names, sigma_s, perceptual, (1,))

    config = loop_config(args)
    config.lr_shares = {"discriminator": args.discriminator_rate}
    trained = train(nets, batches, JointLoss(args, prepare, flow), config, validate)
    if is_main():
        assert isinstance(trained, nn.ModuleDict)
        for name, folder in COMPONENTS.items():
            trained[name].save_pretrained(str(Path(args.out) / folder))  # type: ignore[operator]


if __name__ == "__main__":
    sys.exit(run_main(main))
