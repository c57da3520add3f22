"""`python -m benchmarks tradeoff`: perception against distortion, over steps and detail."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from mmsr_core.errors import InputError
from mmsr_core.metrics import round_to_uint8

from ..arguments import TradeoffOptions
from ..inputs import sources
from ..inputs.samples import Inputs
from ..report.environment import begin_report, provenance, write_report
from ..report.failures import FAILURES, finish, leave_out
from ..report.table import quality_table
from .bicubic import bicubic_results
from .measure import Figures, Measurer, mean_figures
from .options import find_places
from .runner import describe_model
from .tradeoff_plot import need_matplotlib, save_plot

_LOG = logging.getLogger(__name__)


def run(options: TradeoffOptions) -> int:
    """Write `tradeoff.json`, `tradeoff.md` and `tradeoff.png` for every protocol.

    Kernels are estimated once for each picture; every point restores the same estimate.

    Returns:
        How many pictures failed.

    Raises:
        InputError: no LPIPS parameters, matplotlib missing, or a dial out of range.
    """
    need_matplotlib()
    scale = options.scale
    places = find_places(options, scale)
    if places.metrics is None:
        raise InputError("The curve needs LPIPS: give --metrics FOLDER with its parameter files.")
    for detail in options.details:
        if not 0 <= detail <= 2:
            raise InputError(f"--detail must be from 0 to 2, but is {detail:g}.")
    points = curve_points(options.steps, options.details)
    if not points:
        raise InputError("--steps names no point of the curve.")
    pictures = sources.list_pictures(places.data, options.limit)
    result = begin_report("tradeoff", options.out, asdict(options) | asdict(places), "protocols")
    measurer = Measurer.from_folder(places.metrics, scale)
    from mmsr_core.pipeline import load_pipeline

    pipe = load_pipeline(options.model, device=options.device, torch_dtype=options.dtype)
    peers = sources.read_peers(places.peers) if places.peers else {}
    result["model"] = describe_model(options.model, pipe)
    for protocol in options.protocols:
        inputs = Inputs(protocol, places, scale, options.seed)
        rows: dict[str, dict[str, Figures]] = {}
        failures: dict[str, str] = {}
        for path in tqdm(pictures, desc=protocol, unit="picture"):
            try:
                hr = sources.read_hr(path, scale)
                lr = inputs.sample(hr, path.stem).lr
                figures = {n: measurer(p, hr) for n, p in bicubic_results(lr, scale).items()}
                conditioning = pipe.fuse_modalities(lr, pipe.refine_kernel(lr, scale))
                for steps, detail in points:
                    made = pipe.sample(conditioning, steps=steps, detail=detail, seed=options.seed)
                    picture = round_to_uint8(made.images.float().cpu())
                    figures[point_name(steps, detail)] = measurer(picture, hr)
            except FAILURES as error:
                leave_out(failures, protocol, path.name, error)
                continue
            for name, row in figures.items():
                rows.setdefault(name, {})[path.stem] = row
        published = peers.get(protocol, {})
        if published and (options.limit or failures):
            published = {}  # means over the whole set, which these pictures are not
            inputs.note("Published rows are means over the whole set: not shown beside fewer.")
        part = _part(rows, points, published, inputs.notes, failures)
        result["protocols"][protocol] = part
        write_report(options.out, result, tradeoff_markdown(result))
        save_plot(options.out / f"tradeoff_{protocol}.png", protocol, part)
        _LOG.info(_protocol_markdown(protocol, part))
    return finish(options.out, result["protocols"].values())


def curve_points(steps: Sequence[int], details: Sequence[float]) -> list[tuple[int, float]]:
    """Steps and detail of each point. Without steps or without detail there is only the mean."""
    points: list[tuple[int, float]] = []
    for count in steps:
        for detail in details:
            points.append((count, detail) if count and detail else (0, 0.0))
    return list(dict.fromkeys(points))


def point_name(steps: int, detail: float) -> str:
    """Name of a point in the tables."""
    return f"steps {steps}, detail {detail:g}" if steps else "steps 0 (mean)"


def better_in_both(row: Figures, others: dict[str, Figures]) -> list[str]:
    """Names of the rows with a higher PSNR-Y and a lower LPIPS than `row`."""
    psnr, lpips = row.get("psnr_y"), row.get("lpips")
    if psnr is None or lpips is None:
        return []
    found = []
    for name, other in others.items():
        theirs = other.get("psnr_y"), other.get("lpips")
        if None not in theirs and theirs[0] > psnr and theirs[1] < lpips:  # type: ignore[operator]
            found.append(name)
    return found


def _part(
    rows: dict[str, dict[str, Figures]],
    points: list[tuple[int, float]],
    peers: dict[str, dict[str, float]],
    notes: list[str],
    failures: dict[str, str],
) -> dict[str, Any]:
    published = {k: dict(v) for k, v in peers.items() if k not in ("bicubic", "bicubic_pil")}
    means = {name: mean_figures(list(images.values())) for name, images in rows.items()}
    curve = []
    for steps, detail in points:
        name = point_name(steps, detail)
        if name in means:
            beaten = better_in_both(means[name], published)  # type: ignore[arg-type]
            curve.append({"steps": steps, "detail": detail, "name": name, "better": beaten})
    return {
        "pictures": len(next(iter(rows.values()), {})),
        "methods": {n: {"mean": means[n], "images": images} for n, images in rows.items()},
        "curve": curve,
        "published": published,
        "notes": notes,
        "failures": failures,
    }


def tradeoff_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    options = result["options"]
    head = (
        "# Perception and distortion\n\n"
        f"{provenance(result['environment'])}; model {options['model']}, seed {options['seed']}, "
        f"scale {options['scale']}. Figures as in the quality tables; the kernels are estimated "
        "once for each picture.\n"
    )
    parts = [_protocol_markdown(name, part) for name, part in result["protocols"].items()]
    return "\n".join([head, *parts])


def _protocol_markdown(name: str, part: dict[str, Any]) -> str:
    rows: dict[str, Figures] = {m: entry["mean"] for m, entry in part["methods"].items()}
    rows |= {f"{peer} (published)": row for peer, row in part["published"].items()}
    lines = [f"## {name}, {part['pictures']} pictures\n", quality_table(rows), ""]
    for point in part["curve"]:
        if point["better"]:
            lines.append(f"Better than {point['name']} in both: {', '.join(point['better'])}.\n")
    if part["published"] and not any(point["better"] for point in part["curve"]):
        lines.append("No published row is better than a point of the curve in both figures.\n")
    lines += [f"{note}\n" for note in part["notes"]]
    lines += [f"Left out: {file}: {reason}\n" for file, reason in part["failures"].items()]
    return "\n".join(lines)
