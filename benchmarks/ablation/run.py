"""`python -m benchmarks ablation`: what each part of the method is worth, over several seeds.

A seed draws the inputs (ready ones are not used here) and the flow's noise. Every group of rows
has a reference; differences to it are taken within a seed, so that they are those of the method.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from tqdm import tqdm

from mmsr_core.errors import InputError
from mmsr_core.metrics import kernel_psnr, lr_consistency, round_to_uint8
from mmsr_core.types import SVKR_ROUNDS

from ..arguments import AblationOptions
from ..inputs import sources
from ..inputs.protocols import Sample
from ..inputs.samples import Inputs
from ..quality.measure import Figures, Measurer, mean_figures
from ..quality.options import find_places
from ..quality.runner import describe_model
from ..report.environment import begin_report, write_report
from ..report.failures import FAILURES, finish, leave_out
from .report import ablation_markdown
from .switches import bicubic_anchor, constant_temperature, uniform_router

if TYPE_CHECKING:
    from mmsr_core.pipeline import DegradationEstimate, MMSREngine

_LOG = logging.getLogger(__name__)
QUICK_PICTURES = 3


@dataclass(frozen=True)
class Setting:
    """One way to run the method."""

    steps: int = 4
    kernel: str = "estimated"
    """`estimated`, `true`, or `off` (strength 0: no network sees it; consistency still does)."""
    depth: str = "on"
    """`on` (the built-in net), `given` (the protocol's), or `off` (no stage sees any)."""
    iterations: int = SVKR_ROUNDS
    """SVKR's T. 0: one pass of DKENet without depth; the later stages get the picture's depth."""
    router: str = "routed"
    """`routed`, `uniform`, or `constant` (temperature as at the middle of the flow)."""
    anchor: str = "mean"
    """`mean`, or `bicubic`: the flow starts there, with the same denoiser."""
    consistency: str = "ibp"


FULL = Setting()
MEAN = Setting(steps=0)

GROUPS: dict[str, dict[str, Setting]] = {
    "kernel, steps 0": {
        "estimated": MEAN,
        "off": replace(MEAN, kernel="off"),
        "off, no consistency": replace(MEAN, kernel="off", consistency="off"),
        "true": replace(MEAN, kernel="true"),
    },
    "kernel, steps 4": {
        "estimated": FULL,
        "off": replace(FULL, kernel="off"),
        "off, no consistency": replace(FULL, kernel="off", consistency="off"),
        "true": replace(FULL, kernel="true"),
    },
    "depth, steps 0": {
        "on": MEAN,
        "off": replace(MEAN, depth="off"),
        "given": replace(MEAN, depth="given"),
    },
    "depth, steps 4": {"on": FULL, "off": replace(FULL, depth="off")},
    "SVKR, steps 0": {f"t = {t}": replace(MEAN, iterations=t) for t in (1, 0, 2, 3)},
    "AMF weights": {"routed": FULL, "uniform": replace(FULL, router="uniform")},
    "temperature": {"scheduled": FULL, "constant": replace(FULL, router="constant")},
    "anchor of the flow": {"mean": FULL, "bicubic": replace(FULL, anchor="bicubic")},
    "steps": {f"{n}": replace(FULL, steps=n) for n in (4, 0, 1, 2, 8)},
    "consistency, steps 0": {"on": MEAN, "off": replace(MEAN, consistency="off")},
    "consistency, steps 4": {"on": FULL, "off": replace(FULL, consistency="off")},
}
"""Rows of each group; the first is the reference, which is the default path."""


def run(options: AblationOptions) -> int:
    """Write `ablation.json` and `ablation.md` into the output folder.

    Returns:
        How many pictures failed.
    """
    if options.quick:
        limit = min(options.limit or QUICK_PICTURES, QUICK_PICTURES)
        options = replace(options, seeds=options.seeds[:1], limit=limit)
    groups = _chosen(options.groups)
    places = find_places(options, options.scale)
    pictures = sources.list_pictures(places.data, options.limit)
    result = begin_report("ablation", options.out, asdict(options) | asdict(places), "protocols")
    measurer = Measurer.from_folder(places.metrics, options.scale)
    from mmsr_core.pipeline import load_pipeline

    pipe = load_pipeline(options.model, device=options.device, torch_dtype=options.dtype)
    result["model"] = describe_model(options.model, pipe)
    for protocol in options.protocols:
        bench = _Ablation(Inputs(protocol, places, options.scale), pipe, measurer, groups)
        for seed in options.seeds:
            for path in tqdm(pictures, desc=f"{protocol}, seed {seed}", unit="picture"):
                try:
                    bench.picture(path, seed)
                except FAILURES as error:
                    leave_out(bench.failures, protocol, path.name, error)
        result["protocols"][protocol] = bench.result()
        write_report(options.out, result, ablation_markdown(result))
    _LOG.info(ablation_markdown(result))
    return finish(options.out, result["protocols"].values())


def _chosen(names: Iterable[str]) -> dict[str, dict[str, Setting]]:
    names = list(names)
    for name in names:
        if not any(group.startswith(name) for group in GROUPS):
            raise InputError(f"--group must begin like one of {', '.join(GROUPS)}, not {name!r}.")
    chosen = {g: r for g, r in GROUPS.items() if not names or any(g.startswith(n) for n in names)}
    return chosen


class _Ablation:
    """One protocol over seeds and pictures."""

    def __init__(
        self,
        inputs: Inputs,
        pipe: MMSREngine,
        measurer: Measurer,
        groups: dict[str, dict[str, Setting]],
    ) -> None:
        self.pipe = pipe
        self.measurer = measurer
        self.groups = groups
        self.inputs = inputs
        self.rows: dict[Setting, dict[int, dict[str, Figures]]] = {}
        self.failures: dict[str, str] = {}

    def picture(self, path: Path, seed: int) -> None:
        """Every setting once, although several groups may ask for it."""
        hr = sources.read_hr(path, self.inputs.scale)
        sample = self.inputs.sample(hr, path.stem, seed)
        settings = dict.fromkeys(s for rows in self.groups.values() for s in rows.values())
        estimates: dict[tuple[str, int], DegradationEstimate] = {}
        figures: dict[Setting, Figures] = {}
        for setting in settings:
            if setting.kernel == "true" and sample.true_field is None:
                continue
            if setting.depth == "given" and sample.inverse_depth is None:
                continue
            key = (setting.depth, setting.iterations)
            if key not in estimates:
                estimates[key] = estimate(self.pipe, sample, self.inputs.scale, setting)
            figures[setting] = self._figures(hr, sample, estimates[key], setting, seed)
        for setting, row in figures.items():  # all or none of a picture
            self.rows.setdefault(setting, {}).setdefault(seed, {})[path.stem] = row

    def _figures(
        self, hr: Tensor, sample: Sample, found: DegradationEstimate, setting: Setting, seed: int
    ) -> Figures:
        picture = restore_as(self.pipe, sample, found, setting, seed)
        row = self.measurer(picture, hr)
        if sample.true_field is not None:
            row["lr_db_true"] = lr_consistency(picture, sample.lr, sample.true_field).item()
            if setting.kernel == "estimated":
                row["kernel_psnr"] = kernel_psnr(found.kernel_field, sample.true_field).item()
        return row

    def result(self) -> dict[str, Any]:
        """Means and spreads over the seeds, and the differences to each group's reference."""
        groups = {}
        for group, rows in self.groups.items():
            reference = next(iter(rows.values()))
            groups[group] = {
                name: self._row(setting, reference)
                for name, setting in rows.items()
                if setting in self.rows
            }
        count = max((len(i) for s in self.rows.values() for i in s.values()), default=0)
        return {
            "pictures": count,
            "groups": groups,
            "notes": self.inputs.notes,
            "failures": self.failures,
        }

    def _row(self, setting: Setting, reference: Setting) -> dict[str, Any]:
        own = self._seed_means(setting)
        other = self._seed_means(reference)
        keys = dict.fromkeys(key for row in own.values() for key in row)
        return {
            "setting": asdict(setting),
            "seeds": {str(seed): row for seed, row in own.items()},
            "mean": {k: spread([row.get(k) for row in own.values()]) for k in keys},
            "difference": {
                k: spread([_minus(own[s].get(k), other.get(s, {}).get(k)) for s in own])
                for k in keys
            },
        }

    def _seed_means(self, setting: Setting) -> dict[int, Figures]:
        seeds = self.rows.get(setting, {})
        return {seed: mean_figures(list(images.values())) for seed, images in seeds.items()}


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def spread(values: Iterable[float | None]) -> dict[str, float | None]:
    """Mean and standard deviation (n - 1) over the seeds; no deviation of a single one."""
    there = [v for v in values if v is not None]
    if not there:
        return {"mean": None, "std": None}
    deviation = statistics.stdev(there) if len(there) > 1 else None
    return {"mean": statistics.fmean(there), "std": deviation}


def estimate(pipe: MMSREngine, sample: Sample, scale: int, setting: Setting) -> DegradationEstimate:
    """What SVKR finds under a setting."""
    if setting.depth == "off":
        return pipe.estimate_degradation(sample.lr, scale, use_depth=False)
    if setting.depth == "given":
        return pipe.refine_kernel(
            sample.lr, scale, sample.inverse_depth, iterations=1, fixed_depth=True
        )
    if setting.iterations == 0:
        found = pipe.estimate_degradation(sample.lr, scale, use_depth=False)
        return replace(found, inverse_depth=pipe.estimate_depth(sample.lr).cpu())
    return pipe.refine_kernel(sample.lr, scale, iterations=setting.iterations)


def restore_as(
    pipe: MMSREngine, sample: Sample, found: DegradationEstimate, setting: Setting, seed: int
) -> Tensor:
    """The picture `(1,3,H,W)` of a setting, in 8-bit values."""
    strengths = {}
    if setting.kernel == "off":
        strengths["kernel"] = 0.0
    if setting.kernel == "true" and sample.true_field is not None:
        found = replace(found, kernel_field=sample.true_field)
    if setting.depth == "off":
        strengths["depth"] = 0.0
    conditioning = pipe.fuse_modalities(sample.lr, found, strengths=strengths)
    with _router(pipe, setting.router), _anchor(pipe, setting.anchor):
        made = pipe.sample(
            conditioning, steps=setting.steps, seed=seed, consistency=setting.consistency
        )
    return round_to_uint8(made.images.float().cpu())


def _router(pipe: MMSREngine, name: str) -> AbstractContextManager[None]:
    if name == "uniform":
        return uniform_router(pipe)
    return constant_temperature(pipe) if name == "constant" else nullcontext()


def _anchor(pipe: MMSREngine, name: str) -> AbstractContextManager[None]:
    return bicubic_anchor(pipe) if name == "bicubic" else nullcontext()
