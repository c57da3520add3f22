"""What the demo is asked to do, and what it answers. Plain data, no gradio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mmsr_core.image import TargetSize
from mmsr_core.types import DEFAULT_DETAIL, DEFAULT_STEPS, DEFAULT_TRUST

from ..settings import COMPARE_PRESET, PRESETS
from .inspection import Inspection
from .parts import Part
from .sizes import SizePlan

if TYPE_CHECKING:
    from torch import Tensor


class Made(Protocol):
    """What every result has."""

    @property
    def own_folder(self) -> Path | None:
        """The folder that its run made. It is deleted with a result that is not shown."""
        ...


class Pictured(Protocol):
    """A result that is one picture beside what it was made of."""

    @property
    def after(self) -> Path:
        """The result: a PNG with the report in its metadata, until it is made another file."""
        ...

    @property
    def before(self) -> Path:
        """The enlarged input, of the same size."""
        ...

    @property
    def transparent(self) -> bool:
        """Whether anything shines through the result."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of both pictures, px."""
        ...


@dataclass(frozen=True)
class RestoreJob:
    """One picture to restore."""

    picture: Path
    name: str = "picture"
    """For the file name of the result."""
    scale: int | None = None
    """1..16; None lets the size decide."""
    size: TargetSize | None = None
    """The size that is wanted; then `scale` does not count."""
    steps: int = DEFAULT_STEPS
    detail: float = DEFAULT_DETAIL
    seed: int = 0
    consistency: str = "ibp"
    prompt: str = ""
    references: tuple[Path, ...] = ()
    """Pictures that show what is meant, for the prompt."""
    depth: Path | None = None
    guide: Path | None = None
    guide_mode: str = "guide"
    strengths: Mapping[str, float] = field(default_factory=dict)
    noise_255: float | None = None
    """Known noise, std in 8-bit units; None is measured."""
    jpeg_quality: float | None = None
    """Known quality 1..100, 100 for none; None is measured."""
    blur_px: float | None = None
    """Known blur, the same everywhere: std of a Gaussian in px of the result; None is measured."""
    sharpening: float | None = None
    """Known sharpening, an amount of unsharp masking, 0 for none; None is measured."""
    denoise: float = 1.0
    """0..1, how much of the noise is taken away; 0 keeps the grain."""
    place: tuple[float, float] | None = None
    """(x, y) as shares of the picture: only the part around it is restored; None for all of it."""


@dataclass(frozen=True)
class Restoration:
    """A restored picture on disk, with what was measured."""

    after: Path
    """The result: a PNG with the report in its metadata, until it is made another file."""
    before: Path
    """The enlarged input, of the same size."""
    plan: SizePlan
    report: dict[str, Any]
    inspection: Inspection
    own_folder: Path | None = None
    """See `Made`; None for the answer of an earlier run."""
    transparent: bool = False
    """Whether anything shines through the result."""
    part: Part | None = None
    """What of the picture that is worked on was restored; None for all of it."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of both pictures, px."""
        return self.plan.result if self.part is None else self.part.shown_size(self.plan.result)


@dataclass(frozen=True)
class MergeJob:
    """A picture, and another upscaler's picture of it to be taken in."""

    picture: Path
    prior: Path
    """The other upscaler's picture."""
    name: str = "picture"
    """For the file name of the result."""
    trust: float = DEFAULT_TRUST
    """0..1, how far the other picture is followed."""
    scale: int | None = None
    """1..16; None takes the whole factor nearest to the other picture's."""
    size: TargetSize | None = None
    """The size that is wanted; then `scale` does not count."""
    noise_255: float | None = None
    """As these of `RestoreJob`."""
    jpeg_quality: float | None = None
    sharpening: float | None = None


@dataclass(frozen=True)
class Merged:
    """A picture and another upscaler's, made one, on disk."""

    after: Path
    """See `Pictured`, as for the next one."""
    before: Path
    prior: Path
    """The other upscaler's picture as it was given, of the result's size."""
    plan: SizePlan
    report: dict[str, Any]
    headline: str
    sentences: tuple[tuple[str, str], ...]
    """(subject, finding) in words."""
    followed: Tensor
    """`(h',w')` in 0..1: how far the other picture was followed at every place."""
    warning: str = ""
    """Why the two seem not to show the same; empty where they do."""
    notes: tuple[str, ...] = ()
    """What else is to be known of the files and of the run."""
    own_folder: Path | None = None
    """See `Made`; None for the answer of an earlier run."""
    transparent: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """See `Pictured`."""
        return self.plan.result


@dataclass(frozen=True)
class CompareJob:
    """A good picture, and how it was or is to be damaged."""

    good: Path
    damaged: Path | None = None
    """The damaged picture itself; else `good` is damaged with the numbers below."""
    scale: int = 4
    blur_px: float = 1.2
    """Standard deviation of the blur at the left edge, px of the good picture."""
    blur_end_px: float = 2.4
    """At the right edge."""
    noise_255: float = 2.0
    jpeg_quality: int = 100
    """100 for none."""
    steps: int = PRESETS[COMPARE_PRESET].steps
    detail: float = PRESETS[COMPARE_PRESET].detail
    seed: int = 0


@dataclass(frozen=True)
class Score:
    """How close a picture is to the truth."""

    name: str
    psnr_db: float
    """Y channel, 8 bit, a border of `scale` pixels left out."""
    ssim: float | None
    """Likewise; None where the picture is too small."""
    lpips: float | None
    """LPIPS-Alex; None without its parameters or where the picture is too small."""


@dataclass(frozen=True)
class Comparison:
    """The truth beside two answers."""

    truth: Path
    damaged: Path
    bicubic: Path
    restored: Path
    scores: tuple[Score, ...]
    note: str
    """What is missing and why, and what is to be known of the files; empty if nothing."""

    @property
    def own_folder(self) -> Path:
        """See `Made`."""
        return self.restored.parent


@dataclass(frozen=True)
class BatchLine:
    """What became of one picture of a batch."""

    name: str
    result: str
    """Name in the ZIP; empty when it failed."""
    message: str


@dataclass(frozen=True)
class BatchResult:
    """A finished batch."""

    archive: Path
    lines: tuple[BatchLine, ...]

    @property
    def own_folder(self) -> Path:
        """See `Made`."""
        return self.archive.parent
