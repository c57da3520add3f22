"""A small fixed benchmark that needs no data: rendered scenes, degraded, restored, measured.

`tests/benchmarks/test_quality_guard.py` compares it with `guard.json`, which `python -m
benchmarks.guard.record` writes. A change that loses quality fails there.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from mmsr_core.image import load_image
from mmsr_core.metrics import kernel_psnr, lr_consistency, psnr, round_to_uint8, ssim
from mmsr_core.pipeline import MMSREngine, load_pipeline
from mmsr_core.types import DEFAULT_STEPS

from ..inputs.protocols import make_sample

RECORD = Path(__file__).with_name("record.json")
CASES = (("p2", 4), ("p2n", 4), ("p4", 4), ("p2", 2))
"""Protocol and scale, one rendered scene of 128x128 px each."""
TOLERANCE = {
    "psnr_y": 0.10,
    "ssim_y": 0.005,
    "kernel_psnr": 0.30,
    "lr_db": 1.0,
    "detail": 0.05,
}
"""How much worse a figure may be than its record: what other machines and rounding explain."""


def detail_error(picture: Tensor, truth: Tensor) -> float:
    """How far the energy of fine detail is from the truth's: |log ratio| of the mean |Laplacian|.

    Stands for LPIPS, whose parameters are not in the repository.
    """
    kernel = picture.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    weights = kernel.expand(3, 1, 3, 3)
    energy = [F.conv2d(x, weights, groups=3).abs().mean() for x in (picture, truth)]
    return float((energy[0] / energy[1]).log().abs())


def measure(pipe: MMSREngine | None = None) -> dict[str, dict[str, float]]:
    """All figures: case -> name -> value. Higher is better, but for `detail`."""
    pipe = pipe or load_pipeline("small", device="cpu", torch_dtype="float32")
    found: dict[str, dict[str, float]] = {}
    for index, (protocol, scale) in enumerate(CASES):
        hr = load_image(RECORD.with_name(f"scene{index}.png")).rgb
        sample = make_sample(protocol, hr, f"guard{index}", scale, 0)
        estimate = pipe.refine_kernel(sample.lr, scale)
        conditioning = pipe.fuse_modalities(sample.lr, estimate)
        row: dict[str, float] = {}
        if sample.true_field is not None:
            row["kernel_psnr"] = kernel_psnr(estimate.kernel_field, sample.true_field).item()
        for steps in (0, DEFAULT_STEPS):
            made = round_to_uint8(pipe.sample(conditioning, steps=steps, seed=0).images)
            row[f"psnr_y {steps}"] = psnr(made, hr, crop=scale).item()
            row[f"ssim_y {steps}"] = ssim(made, hr, crop=scale).item()
            row[f"lr_db {steps}"] = lr_consistency(
                made, sample.lr, estimate.kernel_field, estimate.sharpening
            ).item()
            if steps:
                row[f"detail {steps}"] = detail_error(made, hr)
        found[f"{protocol} x{scale}"] = {name: round(value, 4) for name, value in row.items()}
    return found


def losses(found: dict[str, dict[str, float]], recorded: dict[str, dict[str, float]]) -> list[str]:
    """What has become worse than the tolerance allows, in words."""
    worse = []
    for case, row in recorded.items():
        for name, before in row.items():
            now = found[case].get(name, math.nan)
            kind = name.split()[0]
            loss = now - before if kind == "detail" else before - now
            if not loss <= TOLERANCE[kind]:  # NaN counts as a loss
                worse.append(f"{case}, {name}: {now:g}, recorded {before:g}")
    return worse


def read_record() -> dict[str, dict[str, float]]:
    """The recorded figures."""
    return json.loads(RECORD.read_text(encoding="utf-8"))["figures"]
