"""What the stages of the pipeline hand to each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ..degradation import KernelField
from .evidence import Evidence
from .report import RestorationReport


@dataclass(frozen=True)
class DegradationEstimate:
    """What is wrong with a picture."""

    kernel_field: KernelField
    """Blur kernel at every LR site, in HR px of the scale it was estimated for."""
    inverse_depth: Tensor | None
    """`(B,1,h,w)`, 0..1, near = 1; None when there is no evidence of depth."""
    noise_std: Tensor
    """`(B,)`, 0..1 units."""
    jpeg_quality: Tensor
    """`(B,)`, 1..100; 100 means no JPEG damage."""
    notes: tuple[str, ...] = ()
    """Remarks for the report, such as a tile that was halved."""
    stage_seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Conditioning:
    """Everything the sampler needs: the picture and the weighed evidence."""

    lr: Tensor
    """`(B,3,h,w)`, 0..1."""
    scale: int
    estimate: DegradationEstimate
    strengths: dict[str, float]
    """Strength 0..2 of each modality; 0 is exactly the same as leaving it out."""
    masks: dict[str, Tensor]
    """`(B,1,h,w)`, 0..1, for the modalities that act in a part of the picture only."""
    evidence: Evidence = field(default_factory=Evidence)
    """A prompt's embedding, a second sensor's picture."""


@dataclass(frozen=True)
class RestorationOutput:
    """A restored picture, with the evidence and the proof."""

    images: Tensor
    """`(B,3,H,W)`, 0..1, H = h * scale and W = w * scale exactly, on the CPU."""
    report: RestorationReport
    estimate: DegradationEstimate
    weight_maps: dict[str, Tensor]
    """Router weights `(B,1,H/4,W/4)` of each modality at the last step; empty at steps = 0."""
    weight_steps: tuple[dict[str, Tensor], ...] = ()
    """Router weights `(B,1,h',w')` of each step, at most 256 px on the long side."""
    prompt_mask: Tensor | None = None
    """`(B,1,H/4,W/4)`, 0..1: where the prompt found its likeness; None without a prompt."""
