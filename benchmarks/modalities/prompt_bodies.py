"""PDN's module in other networks: an EDSR-like and an RCAN-like body, with and without a prompt.

Both bodies are toys of a few thousand parameters, trained for a minute or two: the comparison says
whether the module helps at that size, not how good either network can be.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmsr_core.errors import InputError
from mmsr_core.metrics import psnr
from mmsr_core.models import insert_dynamic_correlation, set_prompt_progress

from ..inputs.captioned import CaptionedPicture
from ..inputs.protocols import make_sample
from ..report.table import format_figure, markdown_table
from .residual_bodies import BODY_SCALE, EdsrBody, RcanBody

_LOG = logging.getLogger(__name__)
ARMS = ("without", "with")
BODIES: Mapping[str, Callable[[], nn.Module]] = {"EDSR-like": EdsrBody, "RCAN-like": RcanBody}


@dataclass(frozen=True)
class PromptBodyRow:
    """PSNR-Y in dB on held-out pictures, one number for each seed."""

    body: str
    parameters: tuple[int, int]
    """Without and with the module."""
    without: tuple[float, ...]
    right: tuple[float, ...]
    """With the module and each picture's own prompt."""
    wrong: tuple[float, ...]
    """The same networks, another picture's prompt."""
    none: tuple[float, ...]
    """The same networks, no prompt."""
    bicubic: float


def compare_prompt_bodies(
    training: Sequence[CaptionedPicture],
    held_out: Sequence[CaptionedPicture],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int = 300,
    seconds: float = float("inf"),
    batch: int = 8,
    patch: int = 64,
    measured_side: int = 192,
    bodies: Mapping[str, Callable[[], nn.Module]] = BODIES,
    every: int = 2,
) -> list[PromptBodyRow]:
    """Train each body with and without the module, alike, and measure on held-out pictures.

    Both arms of a seed start from the same weights and see the same patches in the same order.
    A fifth of the patches get no prompt.

    Args:
        training: pictures to train on, none of them in `held_out`.
        held_out: at least two, with different prompts.
        seeds: one run of each arm for each.
        steps: of training.
        seconds: a limit for all of it; the steps of every run are cut alike, after the first run
            has shown what a step costs.
        batch: patches in a step.
        patch: their side, HR px, a multiple of 4.
        measured_side: of held-out pictures the middle is measured, at most so many HR px a side.
        bodies: name to a function that makes one.
        every: a module after every so many blocks.
    """
    if len(held_out) < 2 or not training:
        raise InputError("The comparison needs training pictures and two held-out ones at least.")
    small = [p.name for p in training if min(p.hr.shape[-2:]) < patch]
    if patch % BODY_SCALE or small:
        raise InputError(f"Patches of {patch} px do not fit (pictures too small: {small[:3]}).")
    measured = [_degraded(p, measured_side) for p in held_out]
    base = [F.interpolate(lr, scale_factor=BODY_SCALE, mode="bicubic") for lr, _ in measured]
    bicubic = _mean([_psnr(b, hr) for b, (_, hr) in zip(base, measured, strict=True)])
    others = [held_out[(i + 1) % len(held_out)].prompt for i in range(len(held_out))]
    own = [p.prompt for p in held_out]
    rows = []
    runs = len(bodies) * len(seeds) * len(ARMS)
    for label, make in bodies.items():
        figures: dict[str, list[float]] = {k: [] for k in ("without", "right", "wrong", "none")}
        sizes: dict[str, int] = {}
        for seed in seeds:
            for arm in ARMS:
                torch.manual_seed(seed)
                net = insert_dynamic_correlation(make(), every)  # identity until prompted
                started = time.monotonic()
                done = _train(
                    net, arm == "with", training, seed, steps, batch, patch, seconds / runs
                )
                if done < steps:  # every later run trains as long as this one
                    steps, seconds = done, float("inf")
                sizes[arm] = sum(p.numel() for p in (net if arm == "with" else make()).parameters())
                if arm == "without":
                    figures["without"].append(_measure(net, measured, None))
                else:
                    for key, prompts in (("right", own), ("wrong", others), ("none", None)):
                        figures[key].append(_measure(net, measured, prompts))
                spent = time.monotonic() - started
                _LOG.info("%s %s seed %d: %d steps, %.0f s", label, arm, seed, done, spent)
        numbers = {k: tuple(v) for k, v in figures.items()}
        rows.append(
            PromptBodyRow(label, (sizes["without"], sizes["with"]), bicubic=bicubic, **numbers)
        )
    return rows


def prompt_bodies_table(rows: Sequence[PromptBodyRow]) -> str:
    """Markdown: means over seeds, and the spread (standard deviation) of the gain."""
    header = ["body", "parameters", "bicubic", "without", "with, own prompt", "with, another's",
              "with, none", "gain over without", "own over another's"]  # fmt: skip
    body = []
    for row in rows:
        gains = (_differences(row.right, row.without), _differences(row.right, row.wrong))
        body.append(
            [
                row.body,
                f"{row.parameters[0] / 1e3:.0f} k / {row.parameters[1] / 1e3:.0f} k",
                format_figure(row.bicubic, 2),
                *(
                    format_figure(_mean(v), 3)
                    for v in (row.without, row.right, row.wrong, row.none)
                ),
                *(f"{_mean(g):+.3f} ± {_spread(g):.3f}" for g in gains),
            ]
        )
    return markdown_table(header, body)


def _train(
    net: nn.Module,
    prompted: bool,
    pictures: Sequence[CaptionedPicture],
    seed: int,
    steps: int,
    batch: int,
    patch: int,
    seconds: float,
) -> int:
    """L1 and AdamW with a cosine; returns the steps that the time allowed."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, betas=(0.9, 0.99))
    batches = _patches(pictures, seed, batch, patch)
    started = time.monotonic()
    net.train()
    step = 0
    while step < steps:
        if step == 5:  # the first steps set things up; then it is known what a step costs
            each = (time.monotonic() - started) / step
            steps = min(steps, max(10, int(seconds / each))) if seconds < 1e9 else steps
        share = step / steps
        rate = 2e-3 * (0.02 + 0.98 * 0.5 * (1 + torch.cos(torch.tensor(share * torch.pi)).item()))
        for group in optimizer.param_groups:
            group["lr"] = rate
        lr, hr, prompt, given = next(batches)
        set_prompt_progress(net, share)
        out = net(lr, prompt=prompt, prompt_amount=given) if prompted else net(lr)
        loss = (out - hr).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
    set_prompt_progress(net, 1.0)
    net.eval()
    return step


def _patches(
    pictures: Sequence[CaptionedPicture], seed: int, batch: int, patch: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Endless `(lr, hr, prompt, given)`; p1: one constant blur, reduced by four."""
    generator = torch.Generator().manual_seed(seed)

    def draw(limit: int) -> int:
        return int(torch.randint(limit, (1,), generator=generator))

    while True:
        chosen = [pictures[draw(len(pictures))] for _ in range(batch)]
        crops = []
        for picture in chosen:
            height, width = picture.hr.shape[-2:]
            top, left = draw(height - patch + 1), draw(width - patch + 1)
            crop = picture.hr[:, top : top + patch, left : left + patch]
            crops.append(crop.flip(-1) if draw(2) else crop)
        hr = torch.stack(crops)
        lr = torch.cat([make_sample("p1", crop[None], "", BODY_SCALE, seed).lr for crop in crops])
        given = (torch.rand(batch, generator=generator) >= 0.2).float()
        yield lr, hr, torch.stack([p.prompt for p in chosen]), given


def _degraded(picture: CaptionedPicture, most: int) -> tuple[Tensor, Tensor]:
    height, width = (min(side, most) // BODY_SCALE * BODY_SCALE for side in picture.hr.shape[-2:])
    top, left = (picture.hr.shape[-2] - height) // 2, (picture.hr.shape[-1] - width) // 2
    hr = picture.hr[None, :, top : top + height, left : left + width]
    return make_sample("p1", hr, picture.name, BODY_SCALE, 0).lr, hr


@torch.no_grad()
def _measure(
    net: nn.Module, pictures: Sequence[tuple[Tensor, Tensor]], prompts: Sequence[Tensor] | None
) -> float:
    found = []
    for i, (lr, hr) in enumerate(pictures):
        out = net(lr) if prompts is None else net(lr, prompt=prompts[i][None])
        found.append(_psnr(out, hr))
    return _mean(found)


def _psnr(image: Tensor, hr: Tensor) -> float:
    return float(psnr(image, hr, crop=BODY_SCALE).mean())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _differences(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def _spread(values: Sequence[float]) -> float:
    mean = _mean(values)
    return (sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1)) ** 0.5
