"""Draw the curves of training runs: `python -m benchmarks.figures.curves RUN... -o curves.png`.

Each RUN is a folder with a `log.jsonl` (several of the same stage are drawn one above the other).
One panel for the loss and one for every validation figure that a run has. Needs matplotlib.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from training.command import Parser, run_main

from ..quality.tradeoff_plot import need_matplotlib

Curve = tuple[list[float], list[float]]


def read_log(path: Path) -> dict[str, Curve]:
    """Name of a figure -> (hours, values). A half-written last line is left out."""
    curves: dict[str, Curve] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        hours = float(entry.get("seconds", math.nan)) / 3600
        for name, value in entry.items():
            if name in ("step", "seconds", "lr") or not math.isfinite(float(value)):
                continue
            if name == "loss" or name.startswith("val_"):
                times, values = curves.setdefault(name, ([], []))
                times.append(hours)
                values.append(float(value))
    return curves


def smoothed(values: list[float], window: int) -> list[float]:
    """Running mean over at most `window` values before and including each."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    starts = [max(0, i + 1 - window) for i in range(len(values))]
    return [(sums[i + 1] - sums[s]) / (i + 1 - s) for i, s in enumerate(starts)]


def draw(runs: list[Path], out: Path) -> None:
    """One row of panels for each run."""
    need_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    logs = {run: read_log(run / "log.jsonl") for run in runs}
    columns = max(len(curves) for curves in logs.values())
    figure = Figure(figsize=(3.4 * columns, 2.6 * len(runs)), dpi=110)
    FigureCanvasAgg(figure)
    for row, (run, curves) in enumerate(logs.items()):
        for column, (name, (hours, values)) in enumerate(sorted(curves.items())):
            axes = figure.add_subplot(len(runs), columns, row * columns + column + 1)
            if name == "loss":
                axes.plot(hours, values, color="0.8", lw=0.6)
                axes.plot(hours, smoothed(values, 25), lw=1.2)
                axes.set_yscale("log")
            else:
                axes.plot(hours, values, "o-", ms=2.5, lw=1.2)
            axes.set_title(f"{run.name}: {name.removeprefix('val_')}", fontsize=8)
            axes.set_xlabel("hours", fontsize=7)
            axes.tick_params(labelsize=7)
            axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out, format="png")


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.png")
    args = parser.parse_args()
    for run in args.runs:
        if not (run / "log.jsonl").is_file():
            parser.error(f"{run} holds no log.jsonl")
    draw(args.runs, args.out)


if __name__ == "__main__":
    sys.exit(run_main(main))
