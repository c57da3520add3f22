"""Train the denoiser of the flow: L1, LPIPS and local spectra of the x0 estimate, router's losses.

Mean net and DKENet are frozen.

`python -m training.stages.flow --data DIR --metrics DIR --kernel-weights DIR --mean-weights DIR
--out runs/flow --minutes 60`
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from mmsr_core.metrics import Lpips
from mmsr_core.models import Denoiser, KernelEstimator, MeanNet

from ..command import Parser, run_main
from ..data.batches import Batch, Preparer
from ..data.captions import caption_embeddings
from ..data.restoration import Conditions
from ..loop.loop import Numbers, placed, train
from ..loop.parallel import is_main
from ..losses.flow import FlowLoss
from ..tools.extend import extend_denoiser
from .common import (
    add_echo_argument,
    add_flow_arguments,
    add_loop_arguments,
    autocast,
    degraded_batches,
    flow_options,
    held_out_batches,
    loop_config,
    measure_sampling,
    prepared_batches,
    setup,
    training_photos,
)


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


def main() -> None:
    """Command line of the flow stage."""
    parser = Parser(description=__doc__)
    add_loop_arguments(parser, batch=8, lr=5e-4)
    add_echo_argument(parser)
    parser.add_argument("--kernel-weights", required=True)
    parser.add_argument("--mean-weights", required=True)
    parser.add_argument("--metrics", required=True, help="folder with the LPIPS parameters")
    parser.add_argument("--init", help="denoiser folder to start from")
    parser.add_argument("--encoder", help="prompt_encoder folder: captions become prompts")
    add_flow_arguments(parser)
    args = parser.parse_args()
    device = setup(args)

    estimator = KernelEstimator.from_pretrained(args.kernel_weights).to(device).eval()
    mean_net = placed(MeanNet.from_pretrained(args.mean_weights), device).eval()
    perceptual = Lpips.from_folder(args.metrics).to(device).eval().requires_grad_(False)
    model = extend_denoiser(Denoiser.from_pretrained(args.init)) if args.init else Denoiser()
    model = placed(model, device)
    training, validation = training_photos(args, args.depth_file)
    generator = torch.Generator(device).manual_seed(args.seed + 1)
    codes = mean_net.config.kernel_codes
    anchor = Anchor(Preparer(estimator.basis, codes, estimator, generator, 0.3), mean_net)
    blind = Anchor(Preparer(estimator.basis, codes, estimator, generator, 0.0), mean_net)
    prompts = caption_embeddings(args.data, args.encoder) if args.encoder else None
    made = degraded_batches(args, training, device, prompts=prompts)

    def anchored(batch: Batch) -> tuple[Batch, Conditions, Tensor]:
        # Nothing needs the kernels again, which are most of a batch's memory.
        return replace(batch, kernels=batch.kernels[..., :0, :0].clone()), *anchor(batch)

    batches = prepared_batches(args, made, anchored, device)
    fixed = held_out_batches(validation, device, count=2)
    sigma_s = float(model.config.sigma_s)
    options = flow_options(args)
    loss = FlowLoss(model.modalities, sigma_s, perceptual, generator, options, args.seed)

    def loss_fn(net: nn.Module, item: object, share: float) -> tuple[Tensor, Numbers]:
        assert isinstance(item, tuple)
        batch, c, mean = item
        total, _, numbers = loss(net, batch, c, mean)
        return total, numbers

    def validate(net: nn.Module) -> dict[str, float]:
        with autocast(args, device):
            known = [(batch, *blind(batch)) for batch in fixed]
            return measure_sampling(net, known, model.modalities, sigma_s, perceptual, (1, 4))

    model = train(model, batches, loss_fn, loop_config(args), validate)
    if is_main():
        model.save_pretrained(str(Path(args.out) / "denoiser"))


if __name__ == "__main__":
    sys.exit(run_main(main))
