"""The perception-distortion curve as a picture; needs matplotlib, an optional dependency."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmsr_core.errors import InputError


def need_matplotlib() -> None:
    """Say how to get matplotlib if it is not there.

    Raises:
        InputError: it is not installed.
    """
    if find_spec("matplotlib") is None:
        raise InputError("The plot needs matplotlib: python -m pip install 'mmsr[bench]'")


def save_plot(path: Path, protocol: str, part: dict[str, Any]) -> None:
    """Draw LPIPS (to the right: better) and PSNR-Y of the curve and of the published rows.

    Args:
        path: PNG file to write.
        protocol: name for the title.
        part: one protocol of the result of the trade-off.
    """
    need_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 5.0), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    means = {name: entry["mean"] for name, entry in part["methods"].items()}
    groups: dict[int, list[tuple[float, float, float]]] = {}
    mean_point: tuple[float, float] | None = None
    for point in part["curve"]:
        row = means[point["name"]]
        place = (row["lpips"], row["psnr_y"])
        if None in place:
            continue
        if point["steps"] == 0:
            mean_point = place
        else:
            groups.setdefault(point["steps"], []).append((point["detail"], *place))
    for steps, points in sorted(groups.items()):
        start = [(0.0, *mean_point)] if mean_point else []
        line = sorted([*start, *points])
        label = f"MMSR, {steps} step{'s' if steps > 1 else ''}"
        drawn = axes.plot([p[1] for p in line], [p[2] for p in line], "o-", ms=4, label=label)
        for detail, x, y in points:
            axes.annotate(
                f"{detail:g}", (x, y), textcoords="offset points", xytext=(4, 4), fontsize=7,
                color=drawn[0].get_color(),
            )  # fmt: skip
    if mean_point:
        axes.plot(*mean_point, "k*", ms=12, label="MMSR, mean (0 steps)")
    others = {k: means[k] for k in ("bicubic",) if k in means} | part["published"]
    for name, row in others.items():
        if row.get("lpips") is None or row.get("psnr_y") is None:
            continue
        axes.plot(row["lpips"], row["psnr_y"], "x", color="0.35")
        axes.annotate(
            name, (row["lpips"], row["psnr_y"]), textcoords="offset points", xytext=(-5, -9),
            fontsize=7, color="0.35", ha="right",
        )  # fmt: skip
    axes.invert_xaxis()
    axes.set_xlabel("LPIPS-Alex (better to the right)")
    axes.set_ylabel("PSNR-Y, dB")
    axes.set_title(f"{protocol}, {part['pictures']} pictures; numbers: detail", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="best")
    figure.tight_layout()
    figure.savefig(path, format="png")
