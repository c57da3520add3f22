"""`python -m benchmarks speed`: time of each stage, memory, share of the peak, two peers.

Every size, dtype and mode is measured in a process of its own, so that load time and peak memory
are its own; the peers follow in the same run.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from mmsr_core.errors import InputError, MMSRError

from ..arguments import Mode, SpeedOptions
from ..report.environment import begin_report, provenance, write_json, write_report
from ..report.failures import finish
from ..report.table import format_figure, markdown_table

_LOG = logging.getLogger(__name__)


def run(options: SpeedOptions) -> int:
    """Write `speed.json` and `speed.md` into the output folder.

    Returns:
        0: what cannot be measured is no failure.
    """
    if options.repeats < 1:
        raise InputError(f"--repeats must be at least 1, but is {options.repeats}.")
    sizes = {text: parse_size(text) for text in options.sizes}
    modes = options.modes or _modes(options.device)
    result = begin_report("speed", options.out, asdict(options), "runs", "peers", "failures")

    def attempt(place: str, name: str, job: dict[str, Any]) -> None:
        _LOG.info("%s: %d repeats", name, options.repeats)
        try:
            result[place][name] = _measure_in_new_process(job)
        except MMSRError as error:
            if job["mode"] == "eager":
                raise
            result["failures"][name] = str(error)  # no compiler, no memory for a peer, ...
            _LOG.warning("%s", error)
        write_json(options.out / "speed.json", result)

    for index, (text, (height, width)) in enumerate(sizes.items()):
        for dtype in options.dtypes:
            job = asdict(options) | {"out": "", "dtype": dtype, "size": [height, width]}
            for mode in modes:
                attempt("runs", run_name(text, dtype, mode), job | {"mode": mode})
            if index == 0 and options.peers:
                attempt("peers", run_name(text, dtype, "peers"), job | {"mode": "peers"})
    text = speed_markdown(result)
    write_report(options.out, result, text)
    _LOG.info(text)
    return finish(options.out)


def run_name(size: str, dtype: str, mode: str) -> str:
    """Key of a run in the JSON, heading of its column."""
    return " ".join([size, dtype, *([] if mode == "eager" else [mode])])


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of `SIDE` or `WIDTHxHEIGHT`.

    Raises:
        InputError: anything else, or a side below 1.
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(p.isdecimal() and int(p) > 0 for p in parts):
        raise InputError(f"--size must be a side in pixels or WIDTHxHEIGHT, but is {text!r}.")
    return int(parts[-1]), int(parts[0])


def _modes(device: str) -> tuple[Mode, ...]:
    import torch

    gpu = torch.cuda.is_available() and (device == "auto" or device.startswith("cuda"))
    return ("eager", "compile", "graphs") if gpu else ("eager",)


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
    if any(run["peak_gpu_memory_mb"] for run in runs.values()):
        gpu = (f"{run['peak_gpu_memory_mb'] or 0:.0f}" for run in runs.values())
        rows.append(["peak GPU memory, MB", *gpu])
    rows.append(["GFLOP", *(f"{run['operations'] / 1e9:.1f}" for run in runs.values())])
    peak = (f"{run['matrix_peak_flops'] / 1e9:.0f}" for run in runs.values())
    rows.append(["matrix peak, GFLOP/s", *peak])
    rows.append(["share of the peak", *(f"{run['peak_share']:.1%}" for run in runs.values())])
    threads = next(iter(runs.values()))["torch_threads"] if runs else "?"
    head = (
        f"# Speed, x{options['scale']}, {options['steps']} steps\n\n"
        f"{provenance(environment)}; {threads} threads, model {options['model']}. "
        f"Seconds: median ± interquartile range of {options['repeats']} runs "
        "after two warm-ups, of a picture stated not to be sharpened; load is import and loading, "
        "once. GFLOP counts convolutions and matrix products; the peak is the fastest square "
        "matrix product of the same process.\n\n"
    )
    text = head + markdown_table(["stage", *runs], rows) + "\n"
    for name, peers in result["peers"].items():
        text += "\n" + _peers_markdown(name, peers, runs)
    for name, reason in result["failures"].items():
        text += f"\nNot measured: {name}: {reason}\n"
    return text


def _peers_markdown(name: str, peers: dict[str, Any], runs: dict[str, dict[str, Any]]) -> str:
    """The peers of one size and dtype, and how ours compares."""
    size, dtype = name.split()[:2]
    labels = {
        "compact": "(a) compact body (SRVGG: 64 ch, 32 conv)",
        "unet_step": "(b) U-Net of ResShift's size, one step",
        "vq_encode": "(b) VQ-f4 autoencoder, encoder",
        "vq_decode": "(b) VQ-f4 autoencoder, decoder",
    }
    rows = [
        [label, f"{peers[key]['parameters_m']:.1f} M", _cell(peers[key]["seconds"])]
        for key, label in labels.items()
    ]
    whole = peers["diffusion_seconds"]
    rows.append(["(b) 4 steps with encoder and decoder", "", format_figure(whole, 3)])
    lines = [f"## Peers, {size}, {dtype} (random weights)\n"]
    lines += [markdown_table(["network", "parameters", "seconds"], rows), ""]
    compact = peers["compact"]["seconds"]["median"]
    for own, run in runs.items():
        if own.split()[:2] == [size, dtype]:
            ours = run["total_seconds"]["median"]
            lines.append(
                f"{own}, whole run: {ours:.3f} s; ours / (a) = {ours / compact:.2f}, "
                f"(b) / ours = {whole / ours:.2f}.\n"
            )
    return "\n".join(lines)


def _cell(value: dict[str, float] | None) -> str:
    return "–" if value is None else f"{value['median']:.3f} ± {value['iqr']:.3f}"


def _measure_in_new_process(job: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed.worker"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        what = f"{job['mode']}, {job['dtype']}"
        raise MMSRError(f"The measurement ({what}) failed: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])
