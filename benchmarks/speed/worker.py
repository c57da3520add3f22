"""Measures one job in its own process: JSON on standard input, JSON on standard output."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from mmsr_core.pipeline import MMSREngine

NETWORKS = {"kernel_estimator": "features", "mean_net": "forward", "denoiser": "forward"}
"""Network -> the method that a run calls."""


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Load, warm up, count operations, run `repeats` times."""
    start = time.perf_counter()
    import torch

    from mmsr_core.pipeline import load_pipeline
    from mmsr_core.pipeline.results import peak_memory_mb

    from .picture import NOT_SHARPENED, picture
    from .run import median_and_iqr

    if job["threads"] is not None:
        torch.set_num_threads(job["threads"])
    pipe = load_pipeline(job["model"], device=job["device"], torch_dtype=job["dtype"])
    load_seconds = time.perf_counter() - start

    lr = picture(*job["size"])

    def run() -> dict[str, float]:
        output = pipe(
            lr, scale=job["scale"], steps=job["steps"], seed=job["seed"], overrides=NOT_SHARPENED
        )
        return output.report.stage_seconds

    operations = _operations(run)  # the first warm-up, before anything is compiled
    peak_flops = matrix_peak(pipe.device, pipe.compute_dtype)
    if job["mode"] != "eager":
        compile_networks(pipe, job["mode"])
    run()
    totals: list[float] = []
    stages: dict[str, list[float]] = {}
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    for _ in range(job["repeats"]):
        begin = time.perf_counter()
        seconds = run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        totals.append(time.perf_counter() - begin)
        for stage, value in seconds.items():
            stages.setdefault(stage, []).append(float(value))
    total = median_and_iqr(totals)
    return {
        "load_seconds": load_seconds,
        "stage_seconds": {stage: median_and_iqr(values) for stage, values in stages.items()},
        "total_seconds": total,
        "all_total_seconds": totals,
        "peak_memory_mb": peak_memory_mb(torch.device("cpu")),
        "peak_gpu_memory_mb": peak_memory_mb(pipe.device) if pipe.device.type == "cuda" else None,
        "torch_threads": torch.get_num_threads(),
        "operations": operations,
        "matrix_peak_flops": peak_flops,
        "peak_share": operations / total["median"] / peak_flops,
    }


def compile_networks(pipe: MMSREngine, mode: str) -> None:
    """`compile`: torch.compile; `graphs`: the same with CUDA graphs. On this engine only."""
    import torch

    how = "reduce-overhead" if mode == "graphs" else "default"
    for name, method in NETWORKS.items():
        network = getattr(pipe, name)
        compiled = torch.compile(getattr(network, method), mode=how, dynamic=False)
        network.__dict__[method] = _stepped(compiled) if mode == "graphs" else compiled


def _stepped(compiled: Any) -> Any:
    """A graph's outputs live until the next call: every call begins a new step."""
    import torch

    def forward(*inputs: Any, **named: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        return compiled(*inputs, **named)

    return forward


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """The fastest of a few square matrix products, operations a second."""
    import torch

    side = 8192 if device.type == "cuda" else 1536
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        c = a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            float(c[0, 0])
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def _operations(run: Any) -> int:
    """Multiplications and additions of convolutions and matrix products in one run."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def main() -> None:
    """One job."""
    job = json.load(sys.stdin)
    if job["mode"] == "peers":
        from .peers import measure_peers

        done = measure_peers(job)
    else:
        done = measure(job)
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    main()
