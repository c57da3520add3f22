"""`python -m benchmarks.gpu_check`: whether a GPU computes the same, how fast, in what memory.

Three minutes at most. Prints a Markdown table; exits with 1 where a result differs from the CPU's.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import torch

from mmsr_core.pipeline import load_pipeline
from mmsr_core.pipeline.engine import MMSREngine
from training.command import COUNT, Parser, run_main

from .report.table import markdown_table
from .speed.peers import resolve_device
from .speed.picture import NOT_SHARPENED, picture

ALLOWED_DIFFERENCE = 1e-3
"""Largest difference of a float32 result from the CPU's, 0..1 units."""
SIZES = ((128, 128, 4, 4), (512, 512, 4, 4), (1000, 1500, 4, 2), (1024, 1024, 1, 2))
"""LR rows, LR columns, scale, runs."""
_ROOT = Path(__file__).resolve().parent.parent


def synchronise(device: torch.device) -> None:
    """Wait for a device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def difference_from_cpu(device: str) -> float:
    """Largest difference of a float32 result of this device from the CPU's, 0..1 units."""
    lr = picture(96, 96)
    made = [
        load_pipeline(device=name, torch_dtype="float32")(lr, scale=4, steps=1, seed=0).images.cpu()
        for name in ("cpu", device)
    ]
    return float((made[0] - made[1]).abs().max())


def measure(pipe: MMSREngine, size: tuple[int, int, int, int]) -> list[str]:
    """Best time, its stages and the memory of one size, as a row."""
    height, width, scale, runs = size
    lr = picture(height, width).to(pipe.device)
    best, stages = float("inf"), {}
    if pipe.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(runs + 1):
        synchronise(pipe.device)
        start = time.perf_counter()
        report = pipe(lr, scale=scale, steps=1, seed=0, overrides=NOT_SHARPENED).report
        synchronise(pipe.device)
        if (spent := time.perf_counter() - start) < best:
            best, stages = spent, report.stage_seconds
    parts = ", ".join(f"{name} {1000 * value:.0f}" for name, value in stages.items())
    memory = f"{torch.cuda.max_memory_allocated() / 1e9:.2f}" if pipe.device.type == "cuda" else "–"
    name = f"{width}x{height} to {width * scale}x{height * scale}"
    return [name, f"{1000 * best:.0f}", memory, parts]


def main() -> int:
    """Run the tests that need a GPU, compare with the CPU, measure; 0 where all agree."""
    parser = Parser(description=__doc__)
    parser.add_argument("--device", default="auto", help="the device that is checked")
    parser.add_argument("--dtype", nargs="+", default=["auto", "float32"])
    parser.add_argument("--sizes", type=COUNT, default=len(SIZES), help="how many of the sizes")
    parser.add_argument("--no-tests", action="store_true", help="leave pytest out")
    options = parser.parse_args()
    device = resolve_device(options.device)
    failed = False
    if not options.no_tests:
        tests = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"]
        failed = subprocess.run(tests, cwd=_ROOT, check=False).returncode not in (0, 5)
    largest = difference_from_cpu(device)
    failed = failed or largest > ALLOWED_DIFFERENCE
    print(f"Largest difference from the CPU, float32: {largest:.1e}")
    for dtype in options.dtype:
        pipe = load_pipeline(device=device, torch_dtype=dtype)
        rows = [measure(pipe, size) for size in SIZES[: options.sizes]]
        where = torch.cuda.get_device_name() if pipe.device.type == "cuda" else device
        print(f"\n{where}, {pipe.compute_dtype}, one step\n")
        print(markdown_table(["size", "ms, best", "GB", "stages, ms"], rows))
    return int(failed)


if __name__ == "__main__":
    sys.exit(run_main(main))
