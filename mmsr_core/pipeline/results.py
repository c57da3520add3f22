"""What the pipeline hands out: the estimate, the conditioning, the result and its report."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..degradation import NO_JPEG_QUALITY, KernelField


@dataclass(frozen=True)
class DegradationEstimate:
    """What is wrong with a picture."""

    kernel_field: KernelField
    """Blur kernel at every LR pixel, in HR px of the scale it was estimated for."""
    inverse_depth: Tensor | None
    """`(B,1,h,w)`, 0..1, near = 1; None when there is no evidence of depth."""
    noise_std: Tensor
    """`(B,)`, 0..1 units."""
    jpeg_quality: Tensor
    """`(B,)`, 1..100; 100 means no JPEG damage."""
    notes: tuple[str, ...] = ()
    """Remarks for the report, such as a tile that was halved."""
    stage_seconds: dict[str, float] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> DegradationEstimate:
        """The same estimate on `device`."""
        depth = self.inverse_depth
        return replace(
            self,
            kernel_field=self.kernel_field.to(device),
            inverse_depth=None if depth is None else depth.to(device),
            noise_std=self.noise_std.to(device),
            jpeg_quality=self.jpeg_quality.to(device),
        )


@dataclass(frozen=True)
class Conditioning:
    """Everything the sampler needs: the picture and the weighed evidence.

    Made by `MMSREngine.fuse_modalities`, which checks it.
    """

    lr: Tensor
    """`(B,3,h,w)`, 0..1."""
    scale: int
    estimate: DegradationEstimate
    strengths: dict[str, float]
    """Strength 0..2 of each modality; 0 is exactly the same as leaving it out."""
    masks: dict[str, Tensor]
    """`(B,1,h,w)`, 0..1, for the modalities that act in a part of the picture only."""
    prompt: Tensor | None = None
    """`(B,512)` embedding."""
    guide: Tensor | None = None
    """`(B,3,gh,gw)`, 0..1: a second sensor's picture."""
    guide_mode: str = "guide"
    """ "guide" restores the picture with the guide's structure, "fuse" makes one of both."""


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
class RestorationOutput:
    """A restored picture, with the evidence and the proof. On the device of the input."""

    images: Tensor
    """`(B,3,H,W)`, 0..1, H = h * scale and W = w * scale exactly."""
    report: RestorationReport
    estimate: DegradationEstimate
    weight_maps: dict[str, Tensor]
    """Router weights `(B,1,H/4,W/4)` of each modality at the last step; empty at steps = 0."""
    weight_steps: tuple[dict[str, Tensor], ...] = ()
    """Router weights `(B,1,h',w')` of each step, at most 256 px on the long side."""
    prompt_mask: Tensor | None = None
    """`(B,1,H/4,W/4)`, 0..1: where the prompt found its likeness; None without a prompt."""


def mean_weights(maps: dict[str, Tensor]) -> dict[str, float]:
    """The mean of each modality's map, as the report has it."""
    return {name: round(float(values.mean()), 4) for name, values in maps.items()}


def blur_range_px(field: KernelField) -> dict[str, float]:
    """Width of the blur over a field, HR px: `min`, `mean`, `max` (geometric mean of the axes)."""
    sigma = field.moments().blur_sigma_px.prod(1).sqrt()
    found = {"min": float(sigma.min()), "mean": float(sigma.mean()), "max": float(sigma.max())}
    return {name: round(value, 3) for name, value in found.items()}


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory in MB (1e6 bytes): of the CUDA allocator, else the process's resident size.

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
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
