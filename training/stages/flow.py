"""Train the denoiser of the flow: L1, LPIPS and local spectra of the x0 estimate, router's losses.

Mean net and DKENet are frozen.

`python -m training.stages.flow --data DIR --metrics DIR --kernel-weights DIR --mean-weights DIR
--out runs/flow --minutes 60`
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import count
from pathlib import Path

import torch
from torch import Tensor, nn

from mmsr_core.metrics import Lpips
from mmsr_core.models import Denoiser, DenoiserOutput, KernelEstimator, MeanNet
from mmsr_core.models.network import load_network
from mmsr_core.models.text_encoder import PromptTextEncoder, encode_texts

from ..data.batches import Batch, Preparer
from ..data.captions import read_captions
from ..data.guides import synthetic_guides
from ..data.photos import load_photos, split
from ..data.restoration import Conditions
from ..loop.loop import train
from ..loop.parallel import is_main
from ..losses.alignment import Amounts, alignment_loss, measure_contributions
from ..losses.spectrum import off_the_grid, spectrum_distance
from ..tools.extend import extend_denoiser
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
)


def caption_embeddings(data: str, encoder: str) -> dict[str, Tensor]:
    """Photo name to the embeddings `(k,512)` of its captions."""
    net = load_network(Path(encoder), PromptTextEncoder)
    captions = read_captions(Path(data) / "photos.json")
    return {name: encode_texts(net, texts) for name, texts in captions.items()}


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


def modalities_of(
    batch: Batch, c: Conditions, names: tuple[str, ...], guide: Tensor | None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What a batch has of the modalities, and for each item whether it has it `(B,1,1,1)`."""
    there = torch.ones(len(batch.hr), 1, 1, 1, device=batch.hr.device)
    given = {"lr": c.base, "kernel": c.codes}
    has = {"lr": there, "kernel": there}
    if c.depth is not None:
        given["depth"], has["depth"] = c.depth, there
    if batch.prompt is not None and "prompt" in names:
        missing = batch.prompt.isnan().any(1)
        given["prompt"] = batch.prompt.nan_to_num()
        has["prompt"] = (~missing).float().view(-1, 1, 1, 1)
    if guide is not None and "guide" in names:
        given["guide"], has["guide"] = guide, there
    return given, has


def shifted_distance(
    perceptual: nn.Module, picture: Tensor, truth: Tensor, generator: torch.Generator
) -> Tensor:
    """LPIPS, mean over the batch, of pictures that lack up to 3 rows and columns at random.

    AlexNet's first layer looks at every fourth pixel, and the networks draw in blocks of four.
    Without the shift they learn a pattern with that period which LPIPS likes and an eye does not.
    """
    return perceptual(*off_the_grid(generator, picture, truth)).mean()


def main() -> None:
    """Command line of the flow stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_loop_arguments(parser, batch=8, lr=5e-4)
    add_echo_argument(parser)
    parser.add_argument("--kernel-weights", required=True)
    parser.add_argument("--mean-weights", required=True)
    parser.add_argument("--metrics", required=True, help="folder with the LPIPS parameters")
    parser.add_argument("--init", help="denoiser folder to start from")
    parser.add_argument("--encoder", help="prompt_encoder folder: captions become prompts")
    parser.add_argument("--lpips", type=float, default=0.3, help="weight of LPIPS")
    parser.add_argument("--spectrum", type=float, default=0.1, help="weight of local spectra")
    parser.add_argument("--sparsity", type=float, default=1e-4, help="weight of the feature L1")
    parser.add_argument("--dropout", type=float, default=0.15, help="of each modality")
    parser.add_argument(
        "--own-share", type=float, default=0.5, help="batches below t = 1 from own estimates"
    )
    parser.add_argument("--first-share", type=float, default=0.4, help="batches at t = 1")
    parser.add_argument("--guide-share", type=float, default=0.35, help="batches with a guide")
    parser.add_argument("--align", type=float, default=0.05, help="weight of the router's losses")
    parser.add_argument("--align-every", type=int, default=4, help="steps between two of them")
    parser.add_argument("--align-items", type=int, default=2, help="pictures measured each time")
    args = parser.parse_args()
    device = setup(args)

    estimator = KernelEstimator.from_pretrained(args.kernel_weights).to(device).eval()
    mean_net = MeanNet.from_pretrained(args.mean_weights).to(device).eval()
    mean_net.to(memory_format=torch.channels_last)
    perceptual = Lpips.from_folder(args.metrics).to(device).eval().requires_grad_(False)
    model = extend_denoiser(Denoiser.from_pretrained(args.init)) if args.init else Denoiser()
    model.to(device)
    model.to(memory_format=torch.channels_last)
    training, validation = split(load_photos(args.data, args.depth_file))
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

    def randn(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, device=device)

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    turns, kept = count(), {"kl": torch.zeros(()), "nll": torch.zeros(())}

    def loss_fn(net: nn.Module, item: object, share: float) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(item, tuple)
        batch, c, mean = item
        b = mean.shape[0]
        t = torch.where(
            rand(b) < args.first_share, torch.ones(b, device=device), 0.1 + 0.9 * rand(b)
        )
        at = t.view(-1, 1, 1, 1)
        z = (1 - at) * batch.hr + at * (mean + sigma_s * randn(mean))
        guided = float(rand(1)) < args.guide_share
        guide = synthetic_guides(batch.hr, generator) if guided else None
        given, has = modalities_of(batch, c, model.modalities, guide)
        keep = {m: v * (rand(b, 1, 1, 1) >= args.dropout).float() for m, v in has.items()}
        if float(rand(1)) < args.own_share:
            # What sampling really meets at t < 1: the net's own estimate, its artefacts included.
            start = mean + sigma_s * randn(mean)
            with torch.no_grad():
                ones = torch.ones_like(t)
                own = net(start, mean, ones, given, keep, c.global_conditions).sample.float()
            z = torch.where(at < 1, (1 - at) * own + at * start, z)
        out = net(z, mean, t, given, keep, c.global_conditions)
        l1 = (out.sample - batch.hr).abs().mean()
        distance = shifted_distance(perceptual, out.sample.clamp(0, 1), batch.hr, generator)
        spectrum = spectrum_distance(out.sample, batch.hr, generator)
        loss = l1 + args.lpips * distance + args.spectrum * spectrum
        loss = loss + args.sparsity * out.feature_l1
        numbers = {"l1": l1, "lpips": distance, "spectrum": spectrum, "features": out.feature_l1}
        turn = next(turns)
        if args.align and turn % args.align_every == 0:
            few = slice(min(b, args.align_items))
            some = {k: v[few] for k, v in given.items()}

            def evaluate(amounts: Amounts) -> DenoiserOutput:
                scene = c.global_conditions[few]
                return net(z[few], mean[few], t[few], some, dict(amounts), scene)

            there = {k: v[few] for k, v in has.items()}
            measured = measure_contributions(evaluate, model.modalities, there, batch.hr[few])
            kl, nll = alignment_loss(evaluate(there), measured)
            loss = loss + args.align * (kl + 0.1 * nll) * args.align_every
            kept.update(kl=kl.detach(), nll=nll.detach())
        numbers.update(kept)
        return loss, {k: float(v.detach()) for k, v in numbers.items()}

    def validate(net: nn.Module) -> dict[str, float]:
        names = ("psnr_mean", "psnr_4", "lpips_mean", "lpips_1", "lpips_4")
        sums = dict.fromkeys((*names, "spectrum_1", "spectrum_4"), 0.0)
        noise, shifts = (torch.Generator(device).manual_seed(seed) for seed in (5, 6))
        for batch in fixed:
            with autocast(args, device):
                c, mean = blind(batch)
                given, has = modalities_of(batch, c, model.modalities, None)
                for steps in (1, 4):
                    z = mean + sigma_s * torch.randn(mean.shape, generator=noise, device=device)
                    estimate = z
                    for i in range(steps):
                        t, after = 1 - i / steps, 1 - (i + 1) / steps
                        at = torch.full((len(mean),), t, device=device)
                        estimate = net(z, mean, at, given, has, c.global_conditions).sample
                        z = estimate + after / t * (z - estimate)
                    picture = estimate.float().clamp(0, 1)
                    sums[f"lpips_{steps}"] += float(perceptual(picture, batch.hr).mean())
                    sums[f"spectrum_{steps}"] += float(spectrum_distance(picture, batch.hr, shifts))
                    if steps == 4:
                        sums["psnr_4"] += psnr_y(picture, batch.hr)
            sums["psnr_mean"] += psnr_y(mean, batch.hr)
            sums["lpips_mean"] += float(perceptual(mean.clamp(0, 1), batch.hr).mean())
        return {name: value / len(fixed) for name, value in sums.items()}

    model = train(model, batches, loss_fn, loop_config(args), validate)
    if is_main():
        model.save_pretrained(str(Path(args.out) / "denoiser"))


if __name__ == "__main__":
    main()
