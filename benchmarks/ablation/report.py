"""The Markdown page of an ablation."""

from __future__ import annotations

from typing import Any

from ..report.environment import provenance
from ..report.table import format_figure, markdown_table

_COLUMNS = (
    ("psnr_y", "PSNR-Y", 3),
    ("lpips", "LPIPS", 4),
    ("lr_db_true", "LR dB (true kernel)", 2),
    ("kernel_psnr", "kernel PSNR", 2),
)
_DIFFERENCES = (("psnr_y", "Δ PSNR-Y", 3), ("lpips", "Δ LPIPS", 4))


def ablation_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    options = result["options"]
    head = (
        "# Ablations\n\n"
        f"{provenance(result['environment'])}; model {options['model']}, scale "
        f"{options['scale']}, seeds {', '.join(map(str, options['seeds']))}.\n\n"
        "A seed draws the inputs and the flow's noise; mean ± standard deviation over the seeds of "
        "the mean over the pictures. Δ: to the first row of the group (the default path), within a "
        "seed. Kernel off: no network sees it, consistency still uses it. SVKR t = 0: one pass of "
        "DKENet without depth. Bicubic anchor: the same denoiser, not trained for it.\n"
    )
    return "\n".join([head, *(_protocol(name, p) for name, p in result["protocols"].items())])


def _protocol(name: str, part: dict[str, Any]) -> str:
    columns = [c for c in _COLUMNS if _anywhere(part, c[0])]
    body = []
    for group, rows in part["groups"].items():
        for index, (row, entry) in enumerate(rows.items()):
            cells = [_cell(entry["mean"].get(key), digits) for key, _, digits in columns]
            changes = [
                "" if index == 0 else _cell(entry["difference"].get(key), digits, "+")
                for key, _, digits in _DIFFERENCES
                if _anywhere(part, key)
            ]
            body.append([f"{group}: {row}", *cells, *changes])
    header = ["row", *(heading for _, heading, _ in columns)]
    header += [heading for key, heading, _ in _DIFFERENCES if _anywhere(part, key)]
    lines = [f"## {name}, {part['pictures']} pictures\n", markdown_table(header, body), ""]
    lines += [f"{note}\n" for note in part["notes"]]
    lines += [f"Left out: {file}: {reason}\n" for file, reason in part["failures"].items()]
    return "\n".join(lines)


def _anywhere(part: dict[str, Any], key: str) -> bool:
    rows = [entry for group in part["groups"].values() for entry in group.values()]
    return any((entry["mean"].get(key) or {}).get("mean") is not None for entry in rows)


def _cell(value: dict[str, float | None] | None, digits: int, sign: str = "") -> str:
    if value is None or value["mean"] is None:
        return "–"
    text = f"{value['mean']:{sign}.{digits}f}"
    return text if value["std"] is None else f"{text} ± {format_figure(value['std'], digits)}"
