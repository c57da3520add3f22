"""The Markdown page of a quality run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..report.environment import provenance
from ..report.table import format_figure, quality_table
from .measure import Figures


def quality_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    environment, options = result["environment"], result["options"]
    head = (
        "# Quality\n\n"
        f"{provenance(environment)}; "
        f"model {options['model']}, dtype {options['dtype']}, seed {options['seed']}, "
        f"scale {options['scale']}, data {Path(str(options['data'])).name}.\n\n"
        "PSNR and SSIM leave a border of one scale out, Y is BT.601; LPIPS-Alex sees the whole "
        "picture; all results are rounded to 8 bit first. LR dB is the PSNR (RGB) of the degraded "
        "result against the input. Kernel PSNR has the largest value of the true field as its "
        "peak. bicubic: without antialias (torch, A = -0.75); bicubic_pil: with antialias (Pillow "
        "and torch, A = -0.5), which filters nothing when a picture is enlarged.\n"
    )
    parts = [protocol_markdown(name, item) for name, item in result["protocols"].items()]
    return "\n".join([head, *parts])


def protocol_markdown(name: str, item: dict[str, Any]) -> str:
    """Table and notes of one protocol."""
    rows: dict[str, Figures] = {
        f"{peer} (published)": row for peer, row in item["published"].items()
    }
    rows = {method: entry["mean"] for method, entry in item["methods"].items()} | rows
    lines = [f"## {name}, {item['pictures']} pictures\n", quality_table(rows), ""]
    constant = item["best_constant_kernel_psnr"]["mean"]
    if constant is not None:
        lines.append(
            "The best single constant kernel for each picture (the mean of its true field, which "
            f"is optimal in L2) has a kernel PSNR of {format_figure(constant, 2)} dB.\n"
        )
    lines += [f"{note}\n" for note in item["notes"]]
    lines += [f"Left out: {file}: {reason}\n" for file, reason in item["failures"].items()]
    return "\n".join(lines)
