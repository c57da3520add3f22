"""`python -m benchmarks fusion`: one picture of two sensors, and restoring with a guide."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm import tqdm

from mmsr_core.errors import InputError
from mmsr_core.metrics import psnr, round_to_uint8
from mmsr_core.metrics.fusion import fusion_figures

from ..arguments import FusionOptions
from ..inputs import sources
from ..inputs.protocols import make_sample
from ..inputs.sensor_pairs import SensorPair, read_pairs
from ..quality.bicubic import bicubic_results
from ..quality.measure import Figures, mean_figures
from ..quality.runner import describe_model
from ..report.environment import begin_report, provenance, write_report
from ..report.failures import FAILURES, finish, leave_out
from .report import fusion_markdown, fusion_table, guide_table

if TYPE_CHECKING:
    from .second_sensor import SecondSensor, Source

_LOG = logging.getLogger(__name__)
SHIFT_PX = (4, 6)
"""Rows and columns by which the guide of the row `shifted` is displaced, HR px."""


def run(options: FusionOptions) -> int:
    """Write `fusion.json` and `fusion.md` into the output folder.

    Returns:
        How many pairs failed.
    """
    sources.check_limit(options.limit)
    source = options.pairs or sources.shared_path("data", "infrared_visible.tar")
    if source is None:
        raise InputError(
            f"No pairs: give --pairs, or set {sources.ENVIRONMENT_VARIABLE} to a folder holding "
            "the benchmark data."
        )
    pairs = read_pairs(source, options.scale, options.all_pairs)[: options.limit]
    result = begin_report("fusion", options.out, asdict(options), "fusion", "guide")
    from .second_sensor import load_second_sensor

    sensor = load_second_sensor(options.model, options.device, options.dtype)
    result["provenance"] = provenance(result["environment"])
    result["model"] = describe_model(options.model, sensor.engine)
    fused = [pair.centre(options.window or 1 << 20, options.scale) for pair in pairs]
    for protocol in options.protocols:
        result["fusion"][protocol] = _fuse_all(protocol, fused, sensor, options)
        write_report(options.out, result, fusion_markdown(result))
        _LOG.info(fusion_table(protocol, result["fusion"][protocol]))
    if options.guide_seeds:
        seeded = [name for name in options.protocols if name not in ("bicubic", "p1")]
        protocol = (seeded or options.protocols)[0]
        result["guide"] = _guide_all(protocol, pairs, sensor, options)
        write_report(options.out, result, fusion_markdown(result))
        _LOG.info(guide_table(result["guide"]))
    parts = [*result["fusion"].values(), *([result["guide"]] if result["guide"] else [])]
    return finish(options.out, parts)


def degrade_source(hr: Tensor, protocol: str, name: str, scale: int, seed: int) -> Tensor:
    """The LR version `(1,3,h,w)` of one source `(1,1 or 3,H,W)`, 8-bit values in 0..1."""
    picture = hr.expand(-1, 3, -1, -1).contiguous()
    if protocol == "bicubic":
        size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
        small = torch.nn.functional.interpolate(
            picture, size=size, mode="bicubic", align_corners=False, antialias=True
        )
        return round_to_uint8(small)
    return make_sample(protocol, picture, name, scale, seed).lr


def baselines(visible_lr: Tensor, infrared_lr: Tensor, scale: int) -> dict[str, Tensor]:
    """Both sources enlarged bicubically, then averaged, or the larger of the two: grey."""
    from mmsr_core.image import luminance

    large = [
        luminance(next(iter(bicubic_results(lr, scale).values())))
        for lr in (visible_lr, infrared_lr)
    ]
    return {
        "bicubic, then average": (large[0] + large[1]) / 2,
        "bicubic, then maximum": torch.maximum(large[0], large[1]),
    }


def _fuse_all(
    protocol: str, pairs: list[SensorPair], sensor: SecondSensor, options: FusionOptions
) -> dict[str, Any]:
    rows: dict[str, dict[str, Figures]] = {}
    failures: dict[str, str] = {}
    scale, label = options.scale, Path(options.model).name
    for pair in tqdm(pairs, desc=f"fuse {protocol}", unit="pair"):
        try:
            lows = [
                degrade_source(hr, protocol, f"{pair.name}/{kind}", scale, options.seed)
                for kind, hr in (("visible", pair.visible), ("infrared", pair.infrared))
            ]
            pictures = baselines(lows[0], lows[1], scale)
            visible, guide = (sensor.restore(low, scale) for low in lows)
            pictures[f"MMSR {label} mean, then maximum"] = visible.maximum(guide)
            pictures[f"MMSR {label}, fuse"] = sensor.fused(lows[0], lows[1], scale)
            made = {
                name: {
                    key: value.item()
                    for key, value in fusion_figures(pair.visible, pair.infrared, fused).items()
                }
                for name, fused in pictures.items()
            }
        except FAILURES as error:
            leave_out(failures, protocol, pair.name, error)
            continue
        for method, row in made.items():
            rows.setdefault(method, {})[pair.name] = dict(row)
    methods = {m: {"mean": mean_figures(list(r.values())), "images": r} for m, r in rows.items()}
    count = len(next(iter(rows.values()), {}))
    return {"pictures": count, "methods": methods, "failures": failures}


def _guide_all(
    protocol: str, pairs: list[SensorPair], sensor: SecondSensor, options: FusionOptions
) -> dict[str, Any]:
    """PSNR-Y of the visible picture with every guide: method -> seed -> mean, and its failures."""
    rows: dict[str, dict[str, list[float]]] = {}
    failures: dict[str, str] = {}
    windows = [pair.centre(options.guide_window, options.scale) for pair in pairs]
    for seed in range(options.seed, options.seed + options.guide_seeds):
        restored: list[tuple[SensorPair, Source, Source]] = []
        for pair in tqdm(windows, desc=f"guide, seed {seed}", unit="pair"):
            try:
                own, guide = (
                    sensor.restore(
                        degrade_source(hr, protocol, f"{pair.name}/{kind}", options.scale, seed),
                        options.scale,
                    )
                    for kind, hr in (("visible", pair.visible), ("infrared", pair.infrared))
                )
            except FAILURES as error:
                leave_out(failures, "guide", f"{pair.name}, seed {seed}", error)
                continue
            restored.append((pair, own, guide))
        for index, (pair, own, guide) in enumerate(restored):
            foreign = _foreign(restored, index)
            for name, value in _guide_rows(pair, own, guide, foreign, sensor, options).items():
                rows.setdefault(name, {}).setdefault(str(seed), []).append(value)
    means = {
        name: {seed: sum(values) / len(values) for seed, values in by_seed.items()}
        for name, by_seed in rows.items()
    }
    return {"protocol": protocol, "pictures": len(windows), "methods": means, "failures": failures}


def _foreign(restored: list[tuple[SensorPair, Source, Source]], index: int) -> Source | None:
    """The guide of another scene of the same size, half of the list away or more."""
    count, shape = len(restored), restored[index][2].picture.shape
    for step in range(count // 2, count // 2 + count):
        other = (index + step) % count
        if other != index and restored[other][2].picture.shape == shape:
            return restored[other][2]
    return None


def _guide_rows(
    pair: SensorPair,
    visible: Source,
    right: Source,
    foreign: Source | None,
    sensor: SecondSensor,
    options: FusionOptions,
) -> dict[str, float]:
    guides = {
        "right guide, LR": right,
        "right guide, full resolution": sensor.as_given(pair.infrared),
        "shifted guide": right.rolled(SHIFT_PX),
        "black guide": right.blackened(),
    }
    if foreign is not None:
        guides["guide of another picture"] = foreign
    scale = options.scale
    made = {name: sensor.guided(visible, guide, scale) for name, guide in guides.items()}
    made = {"no guide": visible.picture.float().cpu()} | made
    return {
        name: psnr(picture.clamp(0, 1), pair.visible, crop=scale).item()
        for name, picture in made.items()
    }
