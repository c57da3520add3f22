"""Rewrite `guard.json` with what the present code and weights give.

`python -m benchmarks.guard.record`. Do this when weights change, and say in the commit what rose
and what fell.
"""

from __future__ import annotations

import sys

from mmsr_core.pipeline import load_pipeline
from training.command import run_main

from ..quality.runner import describe_model
from ..report.environment import describe_environment, write_json
from .measure import RECORD, losses, measure, read_record


def main() -> None:
    """Measure and write."""
    pipe = load_pipeline("small", device="cpu", torch_dtype="float32")
    figures = measure(pipe)
    if RECORD.is_file():
        print("\n".join(losses(figures, read_record())) or "Nothing lost beyond the tolerance.")
    record = {
        "environment": describe_environment(),
        "model": describe_model("small", pipe),
        "figures": figures,
    }
    write_json(RECORD, record)
    print(f"Written to {RECORD}.")


if __name__ == "__main__":
    sys.exit(run_main(main))
