"""What the training scripts share: arguments, set-up, held-out batches, a quick PSNR."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mmsr_core.cli.arguments import device_name
from mmsr_core.degradation import SynthesisConfig
from mmsr_core.errors import InputError
from mmsr_core.image.luma import STUDIO_LUMA_WEIGHTS
from mmsr_core.pipeline.loading import resolve_device

from ..command import ABOVE_0, COUNT, COUNT_OR_0, SEED, SHARE, WEIGHT, multiple_of, type_of
from ..data.batches import Batch, degraded
from ..data.photos import Photo, load_photos, only_named, patches, split
from ..data.record import describe, origin_of, write_record
from ..data.restoration import Conditions
from ..loop.echo import echoed
from ..loop.loop import LoopConfig
from ..loop.parallel import is_main, process_seed, several_processes, state
from ..losses.flow import FlowOptions, modalities_of
from ..losses.spectrum import spectrum_distance

T = TypeVar("T")


def add_loop_arguments(
    parser: argparse.ArgumentParser, batch: int, lr: float, patch_unit: int = 48
) -> None:
    """Arguments of every training script.

    Args:
        parser: of the script.
        batch: default.
        lr: default.
        patch_unit: what the side of a patch must be a multiple of, px; 48 suits every scale.
    """
    parser.add_argument(
        "--data", nargs="+", required=True, help="folders with photos_*.tar (tools.pack_photos)"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="train on these alone, as 'hires_*' 'own_*'"
    )
    parser.add_argument("--depth-file", help="npz made by training.data.photo_depth")
    parser.add_argument("--out", required=True, help="run folder; an unfinished run is resumed")
    parser.add_argument("--minutes", type=ABOVE_0, default=30.0)
    parser.add_argument("--steps", type=COUNT_OR_0, default=1_000_000)
    parser.add_argument("--batch", type=COUNT, default=batch)
    parser.add_argument(
        "--patch",
        type=multiple_of(patch_unit),
        default=192,
        help=f"HR pixels; a multiple of {patch_unit}",
    )
    parser.add_argument("--lr", type=ABOVE_0, default=lr)
    parser.add_argument("--clean-share", type=SHARE, default=0.45, help="without noise and JPEG")
    parser.add_argument(
        "--loudest-noise", type=ABOVE_0, default=14.0, help="most noise, grey levels of 255"
    )
    parser.add_argument(
        "--faded-share", type=SHARE, default=0.0, help="pictures made to have less contrast"
    )
    parser.add_argument("--x4-share", type=SHARE, default=0.76, help="of scale 4; the rest: 1 to 8")
    parser.add_argument("--x2-share", type=SHARE, help="of scale 2 (default: 33 %% of the rest)")
    parser.add_argument("--x1-share", type=SHARE, help="of scale 1 (default: 17 %% of the rest)")
    parser.add_argument(
        "--second-order-share", type=SHARE, default=0.0, help="batches with real-world damage"
    )
    parser.add_argument(
        "--resize-share", type=SHARE, default=0.1, help="kernels of resize filters (bicubic, ...)"
    )
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--device", type=device_name, default="auto")
    parser.add_argument(
        "--threads", type=COUNT_OR_0, default=0, help="CPU threads; 0 leaves the default"
    )
    parser.add_argument("--validate-minutes", type=WEIGHT, default=3.0)
    parser.add_argument("--precision", default="bf16", choices=("bf16", "no", "fp16"))


ORIGINS = (
    "init", "kernel_weights", "mean_weights", "damage_weights", "encoder", "basis", "depth_file",
    "metrics",
)  # fmt: skip
"""Options that name what other data has gone into: networks, and depth that a network found."""


def training_photos(
    args: argparse.Namespace, depth_file: str | None = None
) -> tuple[list[Photo], list[Photo]]:
    """Training and validation photographs as the command line asks for them.

    Of every folder the same photographs are held out, whatever `--only` says; the first folder's
    are the validation set. What is trained on goes into the run's `data.json`.

    Raises:
        InputError: there are none or too few, none fits `--only`, or two folders have the same
            names.
    """
    training: list[Photo] = []
    validation: list[Photo] = []
    for folder in args.data:
        own, held_out = split(load_photos(folder, depth_file))
        if both := {p.name for p in own + held_out} & {p.name for p in training + validation}:
            raise InputError(
                f"{min(both)} is in {folder} and in a folder before it. Names must differ: pack "
                "one of the folders again with another --source."
            )
        training += own
        validation = validation or held_out
    if not training:
        raise InputError(
            f"{' '.join(map(str, args.data))}: {len(validation)} photographs, which are held out. "
            "Training needs more."
        )
    if args.only:
        training = only_named(training, args.only)
    if is_main():
        entry: dict[str, Any] = describe(training, args.data)
        if args.only:
            entry["only"] = list(args.only)
        given = {name: getattr(args, name, None) for name in ORIGINS}
        entry["with"] = {name: origin_of(path) for name, path in given.items() if path}
        write_record(Path(args.out), entry)
    return training, validation


def setup(args: argparse.Namespace) -> torch.device:
    """Choose the device and the number of threads; on several processes, this one's seed."""
    if args.threads:
        torch.set_num_threads(args.threads)
    if several_processes():
        own = state(cpu=args.device == "cpu")
        args.seed = process_seed(args.seed)
        return own.device or torch.device("cpu")
    if args.device != "auto":
        return resolve_device(args.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(args: argparse.Namespace, device: torch.device) -> torch.autocast:
    """bfloat16 if the command line asks for it, for what runs outside the loop's autocast."""
    return torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16")


def add_flow_arguments(parser: argparse.ArgumentParser) -> None:
    """The weights and shares of the denoiser's loss, with the defaults of `FlowOptions`."""
    for option in fields(FlowOptions):
        name = "--" + option.name.replace("_", "-")
        kind = type_of(option.name, option.default)
        parser.add_argument(name, type=kind, default=option.default)


def flow_options(args: argparse.Namespace) -> FlowOptions:
    """What `add_flow_arguments` has read."""
    return FlowOptions(
        **{option.name: getattr(args, option.name) for option in fields(FlowOptions)}
    )


def add_echo_argument(parser: argparse.ArgumentParser) -> None:
    """For stages whose batches cost much to prepare."""
    parser.add_argument("--echo", type=COUNT, default=2, help="how often a prepared batch is used")


def prepared_batches(
    args: argparse.Namespace,
    batches: Iterator[Batch],
    prepare: Callable[[Batch], T],
    device: torch.device,
) -> Iterator[T]:
    """Every batch as `prepare` makes it, under the loop's precision, echoed as `--echo` asks."""

    def made() -> Iterator[T]:
        for batch in batches:
            with autocast(args, device):
                item = prepare(batch)
            yield item

    return echoed(made(), args.echo, args.seed)


def degraded_batches(
    args: argparse.Namespace,
    photos: list[Photo],
    device: torch.device,
    max_lr_pixels: int = 96,
    prompts: Mapping[str, Tensor] | None = None,
) -> Iterator[Batch]:
    """Endless training batches as the command line asks for them.

    With `prompts` (photo name to embeddings `(k,512)`) a batch has one of each photo's at random.
    """
    chosen: list[Photo] = []

    def remember(batch: list[Photo]) -> None:
        chosen[:] = batch

    pairs = patches(photos, args.batch, args.patch, args.seed, on_choice=remember)
    made = degraded_pairs(args, pairs, device, max_lr_pixels)
    if prompts is None:
        yield from made
        return
    rng = np.random.default_rng(args.seed + 2)
    for batch in made:
        rows = [pick_prompt(prompts.get(photo.name), rng) for photo in chosen]
        yield replace(batch, prompt=torch.stack(rows).to(device))


def degraded_pairs(
    args: argparse.Namespace,
    pairs: Iterator[tuple[Tensor, Tensor]],
    device: torch.device,
    max_lr_pixels: int,
) -> Iterator[Batch]:
    """Pairs of picture and depth, degraded as the command line asks for."""
    x1_share = 0.7 / 4 * (1 - args.x4_share) if args.x1_share is None else args.x1_share
    rest = 1 - args.x4_share - x1_share
    x2_share = 1.3 / 3.3 * rest if args.x2_share is None else args.x2_share
    rest = (rest - x2_share) / 2
    if rest < -1e-9:
        raise InputError(
            "--x4-share, --x2-share and --x1-share are more than 1 together. Expected at most 1: "
            "make one of them smaller."
        )
    return degraded(
        pairs,
        device,
        args.seed,
        SynthesisConfig(
            families=with_resize_share(args.resize_share),
            clean_share=args.clean_share,
            noise_std=(SynthesisConfig.noise_std[0], args.loudest_noise / 255),
        ),
        (args.x4_share, x2_share, max(rest, 0), max(rest, 0), x1_share),
        max_lr_pixels=max_lr_pixels,
        second_order_share=args.second_order_share,
        faded_share=args.faded_share,
    )


def with_resize_share(share: float) -> tuple[float, ...]:
    """`SynthesisConfig.families` with another share of resize kernels, the rest in proportion.

    Raises:
        InputError: `share` outside 0..1.
    """
    if not 0 <= share <= 1:
        raise InputError(f"The share of resize kernels must lie in 0..1, but is {share}.")
    *others, resize = SynthesisConfig.families
    return (*(other * (1 - share) / (1 - resize) for other in others), share)


def pick_prompt(known: Tensor | None, rng: np.random.Generator) -> Tensor:
    """One of the embeddings `(k,512)` of a photo; NaN `(512,)` for one without any."""
    if known is None or not len(known):
        return torch.full((512,), float("nan"))
    return known[int(rng.integers(len(known)))]


def loop_config(args: argparse.Namespace) -> LoopConfig:
    """The loop's configuration from the command line."""
    return LoopConfig(
        out=args.out,
        steps=args.steps,
        minutes=args.minutes,
        lr=args.lr,
        seed=args.seed,
        validate_minutes=args.validate_minutes,
        mixed_precision=args.precision,
    )


def held_out_batches(
    validation: list[Photo], device: torch.device, count: int = 3, size: int = 192
) -> list[Batch]:
    """Fixed batches of held-out photographs at x4: varying Gaussian blur, no noise (as p2)."""
    config = SynthesisConfig(
        families=(1, 0, 0, 0), layouts=(0, 1, 0, 0), sigma_widen=1.0, clean_share=1.0
    )
    pairs = patches(validation, 8, size, seed=99, shrink=(0.75, 0.75))
    made = degraded(pairs, device, 99, config, (1, 0, 0, 0, 0), depth_dropout=0.0)
    return [next(made) for _ in range(count)]


@torch.no_grad()
def measure_sampling(
    net: nn.Module,
    known: Sequence[tuple[Batch, Conditions, Tensor]],
    modalities: tuple[str, ...],
    sigma_s: float,
    perceptual: nn.Module,
    counts: tuple[int, ...],
) -> dict[str, float]:
    """PSNR of the mean, and LPIPS and local spectra after each count of sampling steps.

    Args:
        net: the denoiser.
        known: batches with their conditions and means.
        modalities: the denoiser's, in its order.
        sigma_s: std of the start's noise, 0..1 units.
        perceptual: LPIPS.
        counts: numbers of steps.
    """
    device = known[0][2].device
    noise, shifts = (torch.Generator(device).manual_seed(seed) for seed in (5, 6))
    sums: dict[str, float] = {}

    def add(name: str, value: float) -> None:
        sums[name] = sums.get(name, 0.0) + value / len(known)

    for batch, c, mean in known:
        add("psnr_mean", psnr_y(mean, batch.hr))
        add("lpips_mean", float(perceptual(mean.clamp(0, 1), batch.hr).mean()))
        given, has = modalities_of(batch, c, modalities, None)
        for steps in counts:
            z = mean + sigma_s * torch.randn(mean.shape, generator=noise, device=device)
            estimate = z
            for i in range(steps):
                t, after = 1 - i / steps, 1 - (i + 1) / steps
                at = torch.full((len(mean),), t, device=device)
                estimate = net(z, mean, at, given, has, c.global_conditions).sample
                z = estimate + after / t * (z - estimate)
            picture = estimate.float().clamp(0, 1)
            add(f"psnr_{steps}", psnr_y(picture, batch.hr))
            add(f"lpips_{steps}", float(perceptual(picture, batch.hr).mean()))
            add(f"spectrum_{steps}", float(spectrum_distance(picture, batch.hr, shifts)))
    return sums


def psnr_y(a: Tensor, b: Tensor, crop: int = 4) -> float:
    """PSNR in dB of the BT.601 luma, mean over the batch, not rounded: for curves only."""
    weights = a.new_tensor(STUDIO_LUMA_WEIGHTS, dtype=torch.float32).view(1, 3, 1, 1)
    error = ((a.float().clamp(0, 1) - b) * weights).sum(1)[..., crop:-crop, crop:-crop]
    return float((-10 * torch.log10(error.square().mean((1, 2)).clamp_min(1e-12))).mean())
