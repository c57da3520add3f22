"""The restoration report: what was wrong, what was done, and how well it agrees with the input."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..degradation import NO_JPEG_QUALITY

if TYPE_CHECKING:
    from torch import Tensor

    from .outputs import DegradationEstimate
    from .run import Run
    from .sampling import Restored
    from .scene import Scene


@dataclass(frozen=True)
class RestorationReport:
    """Numbers about one run. Of a batch, the means."""

    input_size: tuple[int, int]
    """(width, height) in pixels."""
    output_size: tuple[int, int]
    scale: int
    steps: int
    seed: list[int]
    detail: float
    consistency_db: dict[str, float]
    """PSNR of the re-degraded picture against the input, RGB: `before` (bicubic) and `after`."""
    blur_sigma_px: dict[str, float]
    """Blur width over the picture, HR px: `min`, `mean`, `max` (geometric mean of the axes)."""
    noise_std: float
    """0..1 units."""
    jpeg_quality: float
    """1..100; 100 means none."""
    modality_weights: dict[str, float]
    """Mean router weight of each modality at the last step; empty at steps = 0."""
    modality_weights_by_step: list[dict[str, float]]
    """The same at every step, first to last."""
    stage_seconds: dict[str, float]
    total_seconds: float
    peak_memory_mb: float
    """Highest resident memory of the process so far, or of the GPU's allocator in this run."""
    device: str
    dtype: str
    tile: int
    model: str
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain numbers, strings, lists and dicts."""
        return asdict(self)

    def to_json(self) -> str:
        """The report as indented JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def summary(self) -> str:
        """A few lines for people."""
        blur = self.blur_sigma_px
        jpeg = (
            "none"
            if self.jpeg_quality > NO_JPEG_QUALITY
            else f"quality about {self.jpeg_quality:.0f}"
        )
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        lines = [
            f"{_size(self.input_size)} -> {_size(self.output_size)} (x{self.scale}), "
            f"{steps}, {self.total_seconds:.1f} s on {self.device}",
            f"blur {blur['min']:.1f} to {blur['max']:.1f} px (mean {blur['mean']:.1f}), "
            f"noise {self.noise_std * 255:.1f}/255, JPEG {jpeg}",
            f"agrees with the input to {self.consistency_db['after']:.1f} dB "
            f"(bicubic: {self.consistency_db['before']:.1f} dB)",
        ]
        if self.modality_weights:
            shares = ", ".join(f"{k} {v:.0%}" for k, v in self.modality_weights.items())
            lines.append(f"evidence used: {shares}")
        return "\n".join(lines + self.notes)


@dataclass(frozen=True)
class Settings:
    """What the caller chose, as far as the report repeats it."""

    steps: int
    seeds: list[int]
    detail: float
    model: str


def build_report(
    scene: Scene,
    made: Restored,
    estimate: DegradationEstimate,
    settings: Settings,
    run: Run,
    seconds: float,
) -> RestorationReport:
    """Collect the numbers of a finished run."""
    height, width = scene.size
    sigma = scene.field.moments().blur_sigma_px.prod(1).sqrt()
    blur = {"min": float(sigma.min()), "mean": float(sigma.mean()), "max": float(sigma.max())}
    weights = _means(made.weight_maps)
    return RestorationReport(
        input_size=(scene.lr.shape[-1], scene.lr.shape[-2]),
        output_size=(width, height),
        scale=scene.scale,
        steps=settings.steps,
        seed=settings.seeds,
        detail=settings.detail,
        consistency_db=made.consistency_db,
        blur_sigma_px={k: round(v, 3) for k, v in blur.items()},
        noise_std=round(float(scene.noise_std.mean()), 5),
        jpeg_quality=round(float(scene.jpeg_quality.mean()), 1),
        modality_weights=weights,
        modality_weights_by_step=[_means(maps) for maps in made.weight_steps],
        stage_seconds={k: round(v, 3) for k, v in run.seconds.items()},
        total_seconds=round(seconds, 3),
        peak_memory_mb=round(peak_memory_mb(run.device), 1),
        device=str(run.device),
        dtype=str(run.dtype).removeprefix("torch."),
        tile=run.runner.core,
        model=settings.model,
        notes=list(dict.fromkeys((*estimate.notes, *run.runner.notes))),
    )


def _means(maps: dict[str, Tensor]) -> dict[str, float]:
    return {name: round(float(values.mean()), 4) for name, values in maps.items()}


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory in MB: of the CUDA allocator, else the process's highest resident size.

    0 where the system does not tell (Windows without psutil).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        import resource
    except ImportError:  # not on Windows
        try:
            import psutil
        except ImportError:
            return 0.0
        info = psutil.Process().memory_info()
        return getattr(info, "peak_wset", info.rss) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
