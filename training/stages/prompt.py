"""Put PDN's modules into a trained mean net and train them, and nothing else, on captioned photos.

`python -m training.stages.prompt --data DIR --mean-weights weights/small/mean_net
--encoder weights/small/prompt_encoder --out runs/prompt --minutes 10`

ImageNet and COCO photographs have captions; the others get no prompt. At the end (and with
`--evaluate FOLDER`, which trains nothing) it prints PSNR-Y on held-out captioned photographs with
their own prompt, another photograph's and none.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmsr_core.degradation import SynthesisConfig
from mmsr_core.errors import InputError
from mmsr_core.models import MeanNet, set_prompt_progress
from mmsr_core.models.network import load_network
from mmsr_core.models.text_encoder import PromptTextEncoder, encode_texts
from mmsr_core.prompts import mix_prompts

from ..command import COUNT, SHARE, Parser, run_main
from ..data.batches import Batch, Preparer, degraded, fit_basis
from ..data.captions import captions_of
from ..data.photos import Photo, crop_patch
from ..loop.loop import Numbers, train
from ..loop.parallel import is_main
from .common import add_loop_arguments, loop_config, psnr_y, setup, training_photos


def grow(shipped: MeanNet, prompt_every: int) -> MeanNet:
    """The same net with DCMs (fresh, unless it had them at the same places)."""
    config = {k: v for k, v in shipped.config.items() if not k.startswith("_")}
    net = MeanNet(**{**config, "prompt_every": prompt_every})
    keys = net.load_state_dict(shipped.state_dict(), strict=False)
    if odd := [k for k in keys.missing_keys if not k.startswith("correlations.")]:
        raise InputError(f"The weights lack {odd[0]}. Expected those of a mean net.")
    return net


def prompted_batches(
    photos: list[Photo],
    prompts: dict[str, Tensor],
    args: argparse.Namespace,
    device: torch.device,
) -> Iterator[Batch]:
    """Endless batches at scale 4; `--captioned-share` of the patches from captioned photos."""
    rng = np.random.default_rng(args.seed)
    captioned = [p for p in photos if p.name in prompts]
    rest = [p for p in photos if p.name not in prompts]
    missing = torch.full((1, args.patch // 4, args.patch // 4), float("nan"))
    chosen: list[Photo] = []

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            chosen.clear()
            for _ in range(args.batch):
                pool = captioned if not rest or rng.random() < args.captioned_share else rest
                chosen.append(pool[int(rng.integers(len(pool)))])
            made = [crop_patch(p, args.patch, rng, (0.6, 1.0)) for p in chosen]
            yield (
                torch.stack([hr for hr, _ in made]),
                torch.stack([missing if d is None else d for _, d in made]),
            )

    config = SynthesisConfig(clean_share=args.clean_share)
    none = torch.full((512,), float("nan"))
    for batch in degraded(pairs(), device, args.seed, config, (1, 0, 0, 0, 0)):
        known = [p.name in prompts and rng.random() >= args.prompt_dropout for p in chosen]
        rows = [prompts[p.name] if k else none for p, k in zip(chosen, known, strict=True)]
        yield replace(batch, prompt=torch.stack(rows).to(device))


def held_out_batches(
    photos: list[Photo], prompts: dict[str, Tensor], device: torch.device, size: int = 192
) -> list[Batch]:
    """One crop of each captioned photo, degraded alike in every run (as p2)."""
    config = SynthesisConfig(
        families=(1, 0, 0, 0), layouts=(0, 1, 0, 0), sigma_widen=1.0, clean_share=1.0
    )
    found = []
    for start in range(0, len(photos), 8):
        part = photos[start : start + 8]
        rng = np.random.default_rng(99 + start)
        hr = torch.stack([crop_patch(p, size, rng, (0.75, 0.75))[0] for p in part])
        nothing = torch.full((len(part), 1, size // 4, size // 4), float("nan"))
        made = degraded(iter([(hr, nothing)]), device, 99 + start, config, (1, 0, 0, 0, 0))
        rows = [prompts[p.name] for p in part]
        found.append(replace(next(made), prompt=torch.stack(rows).to(device)))
    return found


def main() -> None:
    """Command line of the prompt stage."""
    parser = Parser(description=__doc__)
    add_loop_arguments(parser, batch=4, lr=1e-3)
    parser.add_argument("--mean-weights", required=True, help="mean_net folder to start from")
    parser.add_argument("--encoder", required=True, help="prompt_encoder folder")
    parser.add_argument("--prompt-every", type=COUNT, default=4, help="blocks between two DCMs")
    parser.add_argument("--captioned-share", type=SHARE, default=0.9)
    parser.add_argument("--prompt-dropout", type=SHARE, default=0.1)
    parser.add_argument("--train-body", action="store_true", help="do not freeze the rest")
    parser.add_argument("--evaluate", help="mean_net folder with DCMs: print figures only")
    args = parser.parse_args()
    device = setup(args)

    captions = captions_of(args.data)
    encoder = load_network(Path(args.encoder), PromptTextEncoder)
    prompts = {n: mix_prompts(encode_texts(encoder, c))[0] for n, c in captions.items()}
    # The mean net never saw `unseen`; the DCMs do not see every fifth captioned photo either.
    rest, unseen = training_photos(args, args.depth_file)
    captioned = [p for p in rest if p.name in prompts]
    extra = {p.name for p in captioned[::5]}
    training = [p for p in rest if p.name not in extra]
    validation = [p for p in unseen if p.name in prompts] + [p for p in rest if p.name in extra]

    basis = fit_basis().to(device)
    generator = torch.Generator(device).manual_seed(args.seed + 1)
    source = load_network(Path(args.evaluate or args.mean_weights), MeanNet)
    codes = source.config["kernel_codes"]
    prepare = Preparer(basis, codes, None, generator, 0.5, 0.1)
    exact = Preparer(basis, codes, None, generator, 1.0)
    fixed = held_out_batches(validation, prompts, device)

    def loss_fn(net: nn.Module, batch: object, share: float) -> tuple[Tensor, Numbers]:
        if not isinstance(batch, Batch) or batch.prompt is None:
            raise TypeError(f"expected a Batch with prompts, got {type(batch).__name__}")
        set_prompt_progress(net, share)
        c = prepare(batch)
        given = (~batch.prompt.isnan().any(1)).float()
        out = net(
            c.base, c.back_projected, c.codes, c.global_conditions, c.depth, None,
            batch.prompt.nan_to_num(), given,
        )  # fmt: skip
        l1 = (out - batch.hr).abs().mean()
        return l1, {"l1": l1.detach()}

    @torch.no_grad()
    def validate(net: nn.Module) -> dict[str, float]:
        found: dict[str, list[float]] = {"own": [], "other": [], "none": []}
        for batch in fixed:
            c = exact(batch)
            inputs = (c.base, c.back_projected, c.codes, c.global_conditions, c.depth, None)
            own = batch.prompt
            other = None if own is None else own.roll(1, 0)
            for name, prompt in (("own", own), ("other", other), ("none", None)):
                out = net(*inputs, prompt)
                found[name] += [
                    psnr_y(o[None], t[None]) for o, t in zip(out, batch.hr, strict=True)
                ]
        values = {name: np.array(v) for name, v in found.items()}
        result = {f"psnr_{name}": float(v.mean()) for name, v in values.items()}
        for other in ("none", "other"):
            gain = values["own"] - values[other]
            result[f"own_over_{other}"] = float(gain.mean())
            result[f"own_over_{other}_error"] = float(gain.std(ddof=1) / len(gain) ** 0.5)
        return result

    if args.evaluate:
        model = source.to(device)
    else:
        model = grow(source, args.prompt_every).to(device)
        if not args.train_body:
            model.requires_grad_(False)
            model.correlations.requires_grad_(True)
        batches = prompted_batches(training, prompts, args, device)
        model = train(model, batches, loss_fn, loop_config(args), validate)
        set_prompt_progress(model, 1.0)
        if is_main():
            model.save_pretrained(str(Path(args.out) / "mean_net"))
    figures = {"held_out": len(validation), "never_seen": len(validation) - len(extra)}
    print(json.dumps({**figures, **validate(model.eval())}, indent=2))


if __name__ == "__main__":
    sys.exit(run_main(main))
