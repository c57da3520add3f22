"""What stays of a run beside its picture: the PNG's metadata and what can be looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from .inspection import Inspection, inspect_run
from .jobs import RestoreJob
from .sizes import SizePlan

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipeline import RestorationOutput


def png_metadata(job: RestoreJob, plan: SizePlan, output: RestorationOutput) -> dict[str, str]:
    """What is written into the PNG: the settings (`mmsr`) and the report (`mmsr_report`)."""
    settings = {
        "scale": plan.scale,
        "steps": job.steps,
        "detail": job.detail,
        "seed": job.seed,
        "consistency": job.consistency,
        "prompt": job.prompt,
        "reduced_first": plan.is_reduced,
    }
    return {
        "Software": f"mmsr {__version__}",
        "mmsr": json.dumps(settings),
        "mmsr_report": json.dumps(output.report.to_dict()),
    }


def inspect_result(
    lr: Tensor, output: RestorationOutput, folder: Path, job: RestoreJob
) -> Inspection:
    """What is kept of a run for "What was wrong"; `lr` is `(1,3,h,w)` in 0..1."""
    return inspect_run(
        lr,
        output.estimate,
        folder,
        output.weight_steps,
        output.report.consistency_db,
        output.prompt_mask,
        shows_two=job.guide is not None and job.guide_mode == "fuse",
    )
