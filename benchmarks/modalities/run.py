"""`python -m benchmarks modalities`: what each contributes, and whether the router knows it.

Each picture is damaged in several ways, inside and outside the range of training, and restored
with all modalities, without each one, with uniform weights, and at a constant temperature.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from mmsr_core.errors import InputError
from mmsr_core.metrics import round_to_uint8

from ..ablation.switches import constant_temperature, uniform_router
from ..arguments import ModalitiesOptions
from ..inputs import sources
from ..inputs.conditions import CONDITIONS, make_condition
from ..inputs.protocols import Sample
from ..quality.measure import Figures, Measurer
from ..quality.runner import describe_model
from ..report.environment import begin_report, write_report
from ..report.failures import finish
from .report import modalities_markdown
from .run_prompt_bodies import run_prompt_bodies

if TYPE_CHECKING:
    from mmsr_core.pipeline import MMSREngine, RestorationOutput

_LOG = logging.getLogger(__name__)
REGION = 8
"""Weights and contributions are compared over regions of this many grid cells a side."""
FULL = "all, learned weights"
UNIFORM = "all, uniform weights"
CONSTANT = "all, constant temperature"


def run(options: ModalitiesOptions) -> int:
    """Write `modalities.json` and `modalities.md`, or train the bodies instead.

    Returns:
        0: a picture that fails ends the run.
    """
    if options.bodies is not None:
        return run_prompt_bodies(options, options.bodies)
    from mmsr_core.pipeline import load_pipeline

    names = options.conditions or [c.name for c in CONDITIONS]
    if unknown := set(names) - {c.name for c in CONDITIONS}:
        raise InputError(f"Unknown condition {sorted(unknown)[0]!r} for --condition.")
    folder = options.data or sources.shared_path("data", "kodak24")
    data = sources.need_folder(folder, "full-size pictures", "--data")
    pictures = sources.list_pictures(data, options.limit)
    prompts = _read_prompts(options.prompts)
    result = begin_report("modalities", options.out, asdict(options), "conditions")
    metrics = options.metrics or sources.shared_path("metrics")
    measurer = Measurer.from_folder(metrics, options.scale)
    pipe = load_pipeline(options.model, options.device, options.dtype)
    result["model"] = describe_model(options.model, pipe)
    for condition in names:
        bench = _Condition(condition, options, pipe, measurer)
        for path in tqdm(pictures, desc=condition, unit="picture"):
            hr = _middle(sources.read_hr(path, options.scale), options.crop, options.scale)
            for seed in options.seeds:
                bench.picture(hr, path.stem, prompts.get(path.stem), seed)
        result["conditions"][condition] = bench.result()
        write_report(options.out, result, modalities_markdown(result))
    _LOG.info(modalities_markdown(result))
    return finish(options.out)


class _Condition:
    """One condition over pictures and seeds."""

    def __init__(
        self, name: str, options: ModalitiesOptions, pipe: MMSREngine, measurer: Measurer
    ) -> None:
        self.name = name
        self.options = options
        self.pipe = pipe
        self.measurer = measurer
        self.rows: dict[str, dict[int, list[Figures]]] = {}
        self.regions: dict[str, tuple[list[Tensor], list[Tensor]]] = {}
        self.weights: dict[str, list[float]] = {}

    def picture(self, hr: Tensor, name: str, prompt: str | None, seed: int) -> None:
        sample = make_condition(self.name, hr, name, self.options.scale, seed)
        restore = self._restorer(sample, prompt, seed)
        full = restore({}, nullcontext())
        self._add(FULL, seed, full, hr)
        for modality, share in full.report.modality_weights.items():
            self.weights.setdefault(modality, []).append(share)
        used = [m for m, maps in full.weight_maps.items() if bool((maps > 0).any())]
        error = _region_errors(full.images, hr)
        for modality in used:
            without = restore({modality: 0.0}, nullcontext())
            self._add(f"without {modality}", seed, without, hr)
            gained, weighed = self.regions.setdefault(modality, ([], []))
            gained.append((_region_errors(without.images, hr) - error).flatten())
            weighed.append(F.avg_pool2d(full.weight_maps[modality], REGION).flatten())
        self._add(UNIFORM, seed, restore({}, uniform_router(self.pipe)), hr)
        self._add(CONSTANT, seed, restore({}, constant_temperature(self.pipe)), hr)

    def _restorer(
        self, sample: Sample, prompt: str | None, seed: int
    ) -> Callable[[dict[str, float], AbstractContextManager[object]], RestorationOutput]:
        """Restores the same estimate again and again, so that only the weighing differs."""
        pipe, options = self.pipe, self.options
        estimate = pipe.refine_kernel(sample.lr, options.scale)
        embedding = None if prompt is None else pipe.encode_prompt(prompt)

        def restore(
            strengths: dict[str, float], switch: AbstractContextManager[object]
        ) -> RestorationOutput:
            conditioning = pipe.fuse_modalities(
                sample.lr, estimate, strengths=strengths, prompt=embedding
            )
            with switch:
                return pipe.sample(conditioning, steps=options.steps, seed=seed)

        return restore

    def _add(self, row: str, seed: int, out: RestorationOutput, hr: Tensor) -> None:
        figures = self.measurer(round_to_uint8(out.images), hr)
        self.rows.setdefault(row, {}).setdefault(seed, []).append(figures)

    def result(self) -> dict[str, Any]:
        seeds = {
            row: {
                seed: {k: _mean([f.get(k) for f in figures]) for k in ("psnr_y", "lpips")}
                for seed, figures in by_seed.items()
            }
            for row, by_seed in self.rows.items()
        }
        correlation = {
            name: spearman(torch.cat(weighed), torch.cat(gained))
            for name, (gained, weighed) in self.regions.items()
        }
        return {
            "seeds": seeds,
            "changes": {
                row: {k: _change(seeds[row], seeds[FULL], k) for k in ("psnr_y", "lpips")}
                for row in seeds
                if row != FULL
            },
            "rank_correlation": correlation,
            "regions": {name: int(torch.cat(g).numel()) for name, (g, _) in self.regions.items()},
            "mean_weights": {name: sum(v) / len(v) for name, v in self.weights.items()},
        }


def spearman(a: Tensor, b: Tensor) -> float:
    """Rank correlation of two flat tensors, ties by their mean rank; NaN where one is constant."""
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(f"spearman needs two flat tensors of one size, not {a.shape}, {b.shape}.")
    ranks = []
    for values in (a, b):
        _, inverse, counts = values.double().unique(return_inverse=True, return_counts=True)
        ends = counts.cumsum(0).double()
        ranks.append((ends - (counts.double() - 1) / 2)[inverse])
    x, y = (r - r.mean() for r in ranks)
    scale = float(x.norm() * y.norm())
    return float((x * y).sum()) / scale if scale else math.nan


def _region_errors(picture: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of each region of `REGION` grid cells, `(1,1,h,w)`."""
    error = (picture - truth).abs().mean(1, keepdim=True)
    return F.avg_pool2d(error, 4 * REGION)


def _middle(picture: Tensor, side: int, scale: int) -> Tensor:
    side -= side % (4 * scale)
    height, width = (min(v, side) for v in picture.shape[-2:])
    top, left = (picture.shape[-2] - height) // 2, (picture.shape[-1] - width) // 2
    return picture[..., top : top + height, left : left + width]


def _change(
    row: dict[int, dict[str, float | None]], full: dict[int, dict[str, float | None]], key: str
) -> dict[str, float] | None:
    """Mean change of a metric against all modalities, and its spread over the seeds."""
    pairs = [(row[s][key], full[s][key]) for s in row]
    changes = [a - b for a, b in pairs if a is not None and b is not None]
    if not changes:
        return None
    mean = sum(changes) / len(changes)
    spread = math.sqrt(sum((c - mean) ** 2 for c in changes) / max(1, len(changes) - 1))
    return {"mean": mean, "std": spread}


def _mean(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _read_prompts(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(text) for name, text in read.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"--prompts: {path} cannot be used ({error}). Expected a JSON object of picture names "
            "and texts."
        ) from error
