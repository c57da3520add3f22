"""`mmsr bench speed`: load time, time per stage and peak memory of the whole run.

Every dtype is measured in a process of its own, so that load time and peak memory are its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError, MMSRError
from ..image import check_writable_folder
from .environment import describe_environment, provenance, write_json, write_text
from .sources import display_options
from .table import format_figure, markdown_table

Say = Callable[[str], None]


@dataclass(frozen=True)
class SpeedOptions:
    """Arguments of `mmsr bench speed`."""

    out: Path
    size: int = 128
    """Side of the square input in pixels."""
    scale: int = 4
    steps: int = 4
    repeats: int = 5
    dtypes: list[str] = field(default_factory=lambda: ["float32", "bfloat16"])
    model: str = "small"
    device: str = "auto"
    threads: int | None = None
    """Torch threads; None leaves torch's choice."""
    seed: int = 0


def run_speed(options: SpeedOptions, say: Say) -> dict[str, Any]:
    """Run the benchmark and write `speed.json` and `speed.md` into the output folder.

    Args:
        options: What to run.
        say: Called with each line of text for the user.

    Returns:
        What the JSON file holds.
    """
    for name, value, low in (("--size", options.size, 1), ("--repeats", options.repeats, 1)):
        if value < low:
            raise InputError(f"{name} must be at least {low}, but is {value}.")
    options.out.mkdir(parents=True, exist_ok=True)
    check_writable_folder(options.out)
    result: dict[str, Any] = {
        "benchmark": "speed",
        "environment": describe_environment(),
        "options": display_options(asdict(options)),
        "runs": {},
    }
    for dtype in options.dtypes:
        say(f"{dtype}: {options.repeats} repeats")
        result["runs"][dtype] = _measure_in_new_process(options, dtype)
        write_json(options.out / "speed.json", result)
    text = speed_markdown(result)
    write_text(options.out / "speed.md", text)
    say(text)
    return result


def median_and_iqr(values: list[float]) -> dict[str, float]:
    """Median and interquartile range (linear interpolation) of at least one value."""
    ordered = sorted(values)

    def quantile(share: float) -> float:
        position = share * (len(ordered) - 1)
        low = int(position)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (position - low) * (ordered[high] - ordered[low])

    return {"median": quantile(0.5), "iqr": quantile(0.75) - quantile(0.25)}


def speed_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    environment, options = result["environment"], result["options"]
    runs: dict[str, dict[str, Any]] = result["runs"]
    stages = dict.fromkeys(stage for run in runs.values() for stage in run["stage_seconds"])
    rows = [["load", *(format_figure(run["load_seconds"], 2) for run in runs.values())]]
    for stage in stages:
        rows.append([stage, *(_cell(run["stage_seconds"].get(stage)) for run in runs.values())])
    rows.append(["whole run", *(_cell(run["total_seconds"]) for run in runs.values())])
    rows.append(["peak memory, MB", *(f"{run['peak_memory_mb']:.0f}" for run in runs.values())])
    side = options["size"]
    threads = next(iter(runs.values()))["torch_threads"] if runs else "?"
    head = (
        f"# Speed, {side}x{side} to {side * options['scale']}x{side * options['scale']}, "
        f"{options['steps']} steps\n\n"
        f"{provenance(environment)}; {threads} threads, model {options['model']}. "
        f"Seconds: median ± interquartile range of {options['repeats']} runs "
        "after one warm-up; load is import and loading, once.\n\n"
    )
    return head + markdown_table(["stage", *runs], rows) + "\n"


def _cell(value: dict[str, float] | None) -> str:
    return "–" if value is None else f"{value['median']:.3f} ± {value['iqr']:.3f}"


def _measure_in_new_process(options: SpeedOptions, dtype: str) -> dict[str, Any]:
    job = json.dumps(asdict(options) | {"out": str(options.out), "dtype": dtype})
    done = subprocess.run(
        [sys.executable, "-m", "mmsr_core.bench.speed_worker"],
        input=job,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MMSRError(f"The measurement in {dtype} failed: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])
