"""Tables of `python -m benchmarks fusion`."""

from __future__ import annotations

from typing import Any

from ..report.table import format_figure, markdown_table

COLUMNS = (
    ("en", "EN", 3),
    ("sd", "SD", 2),
    ("sf", "SF", 2),
    ("mi", "MI", 3),
    ("scd", "SCD", 3),
    ("vif", "VIF", 3),
    ("qabf", "Qabf", 3),
    ("ssim_sum", "SSIM sum", 3),
)


def fusion_table(protocol: str, part: dict[str, Any]) -> str:
    """Means of every method of one protocol."""
    body = [
        [name, *(format_figure(method["mean"].get(key), digits) for key, _, digits in COLUMNS)]
        for name, method in part["methods"].items()
    ]
    table = markdown_table(["method", *(heading for _, heading, _ in COLUMNS)], body)
    lines = [f"## Fusion, {protocol}, {part['pictures']} pairs\n", table, ""]
    lines += [f"Left out: {name}: {reason}\n" for name, reason in part["failures"].items()]
    return "\n".join(lines)


def guide_table(part: dict[str, Any]) -> str:
    """PSNR-Y with every guide, by seed, and the change against no guide."""
    methods: dict[str, dict[str, float]] = part["methods"]
    seeds = list(methods.get("no guide", {}))
    body = []
    for name, by_seed in methods.items():
        changes = [by_seed[s] - methods["no guide"][s] for s in seeds if s in by_seed]
        mean = sum(changes) / len(changes) if changes else None
        cells = [format_figure(by_seed.get(s), 3) for s in seeds]
        spread = max(changes) - min(changes) if changes else None
        body.append([name, *cells, format_figure(mean, 3), format_figure(spread, 3)])
    header = ["guide", *(f"seed {s}" for s in seeds), "change, dB", "its range"]
    title = f"## Guided restoration, {part['protocol']}, {part['pictures']} pairs, PSNR-Y\n"
    lines = [title, markdown_table(header, body), ""]
    lines += [f"Left out: {name}: {reason}\n" for name, reason in part["failures"].items()]
    return "\n".join(lines)


def fusion_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    options = result["options"]
    side = f"central windows of {options['window']} px" if options["window"] else "whole pictures"
    head = (
        "# Fusion of two sensors\n\n"
        f"{result['provenance']}; model {options['model']}, seed {options['seed']}, "
        f"scale {options['scale']}.\n\n"
        f"Both sources are degraded, each on its own. Fusion: {side}; F is measured against both "
        "full-size sources in 8-bit grey. All metrics are better when higher; there is no truth. "
        f"Guided restoration: central windows of {options['guide_window']} px, border of one scale "
        "left out; the guide is degraded like the visible picture unless the row says otherwise.\n"
    )
    parts = [fusion_table(name, part) for name, part in result["fusion"].items()]
    if result["guide"]:
        parts.append(guide_table(result["guide"]))
    return "\n".join([head, *parts])
