"""Measures one dtype in its own process: a JSON job on standard input, JSON on standard output."""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Load, warm up, run `repeats` times."""
    start = time.perf_counter()
    import torch

    from ..pipeline import load_pipeline
    from .speed import median_and_iqr

    if job["threads"] is not None:
        torch.set_num_threads(job["threads"])
    pipe = load_pipeline(job["model"], device=job["device"], dtype=job["dtype"])
    load_seconds = time.perf_counter() - start

    generator = torch.Generator().manual_seed(job["seed"])
    coarse = torch.rand(1, 3, 16, 16, generator=generator)
    size = (job["size"], job["size"])
    lr = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
    totals: list[float] = []
    stages: dict[str, list[float]] = {}
    for repeat in range(job["repeats"] + 1):
        begin = time.perf_counter()
        output = pipe(lr, scale=job["scale"], steps=job["steps"], seed=job["seed"])
        seconds = time.perf_counter() - begin
        if repeat == 0:
            continue
        totals.append(seconds)
        for stage, value in output.report.stage_seconds.items():
            stages.setdefault(stage, []).append(float(value))
    return {
        "load_seconds": load_seconds,
        "stage_seconds": {stage: median_and_iqr(values) for stage, values in stages.items()},
        "total_seconds": median_and_iqr(totals),
        "all_total_seconds": totals,
        "peak_memory_mb": _peak_memory_mb(),
        "peak_gpu_memory_mb": _peak_gpu_memory_mb(),
        "torch_threads": torch.get_num_threads(),
    }


def _peak_memory_mb() -> float:
    """Largest resident size of this process so far; NaN-free: 0 where it cannot be read."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _peak_gpu_memory_mb() -> float | None:
    import torch

    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(json.load(sys.stdin))) + "\n")
