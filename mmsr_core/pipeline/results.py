"""What the pipeline hands out: the estimate, the conditioning, the result and its report."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..degradation import (
    NO_JPEG_QUALITY,
    KernelField,
    Sharpening,
    jpeg_error_std,
    noise_gain,
    sharpen,
    unsharpen,
)
from ..image import resize_bicubic
from ..models.damage_estimator import NOISE_FLOOR, DamageMaps
from ..types import SHARPENING_RADIUS_PX, preset_name
from .sharpness import Sharpness, sharpness_of_damage, sharpness_of_widths

AGREEMENT_MARGIN = 1.2
"""A result agrees with the input if it leaves no more than this many times the noise..."""
ROUNDING_LEVELS = 0.6
"""...and this many grey levels, for the input's rounding to 8 bits."""


_EVIDENCE_WORDS = {
    "lr": "the picture",
    "kernel": "the measured blur",
    "prompt": "the prompt",
    "guide": "the second picture",
}
_LEVELS = {
    "noise_std": "noise_levels",
    "unexplained_std": "unexplained_levels",
    "difference": "difference_levels",
    "prior_noise_std": "prior_noise_levels",
}
"""What a report has in 0..1 units, and its name in grey levels of 255, as options take it."""
JPEG_HIDES = 0.55
"""By how much of JPEG's own error (std) the measured noise is off: noise of 4 to 10 of 255 in
photographs that were then compressed at quality 60 to 92."""
UNSEEN_CHANGE = 0.5 / 255
"""Less than this changes no value of 8 bits."""
_NO_BLUR_PX = 0.45
"""Width of the narrowest kernel, sampled at whole pixels: all that is known at scale 1 where a
picture is sharp."""


@dataclass(frozen=True)
class DegradationEstimate:
    """What is wrong with a picture."""

    kernel_field: KernelField
    """Blur kernel at every LR pixel, in HR px of the scale it was estimated for. Of a picture that
    was reduced first, at every pixel of the reduction, and for its larger scale."""
    inverse_depth: Tensor | None
    """`(B,1,h,w)`, 0..1, near = 1; None when there is no evidence of depth."""
    noise_std: Tensor
    """`(B,)`, 0..1 units."""
    jpeg_quality: Tensor
    """`(B,)`, 1..100; 100 means no JPEG damage."""
    notes: tuple[str, ...] = ()
    """Remarks for the report, such as a tile that was halved."""
    stage_seconds: dict[str, float] = field(default_factory=dict)
    damage: DamageMaps | None = None
    """Noise, JPEG damage and blur at every place of the picture, with the error of each; None where
    the weights have no damage estimator, or nothing was measured."""
    noise_map: Tensor | None = None
    """Noise std of each place, `(B,1,h/4,w/4)`, 0..1 units, rounded up; `noise_std` is its root
    mean square. None where the noise is alike everywhere, or taken to be."""
    sharpening: Sharpening | None = None
    """Unsharp masking that is taken back first. All else is what is wrong with the picture before
    it was sharpened. None: not looked for."""
    kernels_given: bool = False
    """Whether the caller stated or edited the kernels: no error is claimed for them."""

    @property
    def unexplained_std(self) -> Tensor:
        """Std `(B,)` of what blur does not explain in the input: noise and JPEG, 0..1 units."""
        return torch.hypot(self.noise_std, jpeg_error_std(self.jpeg_quality))

    @property
    def given_noise_std(self) -> Tensor:
        """Std `(B,)` of the noise of the picture as it was given, 0..1 units.

        Sharpening raised it; taken for white.
        """
        return self.noise_std / self.kept_noise

    @property
    def kept_noise(self) -> Tensor:
        """How much of the noise's std is left without the sharpening, a share `(B,)`."""
        if not self.sharpening:
            return torch.ones_like(self.noise_std)
        return noise_gain(self.sharpening).to(self.noise_std)

    def before_sharpening(self, picture: Tensor) -> Tensor:
        """The picture `(B,3,h,w)` that this is an estimate of, before it was sharpened."""
        return unsharpen(picture, self.sharpening).clamp(0, 1) if self.sharpening else picture

    def sharpened(self, picture: Tensor) -> Tensor:
        """The reverse, for a result `(B,3,h,w)` that was degraded with the kernels; not clamped.

        So it can be compared with the picture as it was given.
        """
        return sharpen(picture, self.sharpening) if self.sharpening else picture

    def with_sharpening(self, sharpening: Sharpening) -> DegradationEstimate:
        """The same of a picture that was sharpened so; its noise as given stays."""
        made = replace(self, sharpening=sharpening)
        change, noise_map = made.kept_noise / self.kept_noise, self.noise_map
        if noise_map is not None:
            noise_map = noise_map * change.to(noise_map).view(-1, 1, 1, 1)
        return replace(made, noise_std=self.noise_std * change, noise_map=noise_map)

    def to(self, device: torch.device | str) -> DegradationEstimate:
        """The same estimate on `device`."""
        depth = self.inverse_depth
        return replace(
            self,
            kernel_field=self.kernel_field.to(device),
            inverse_depth=None if depth is None else depth.to(device),
            noise_std=self.noise_std.to(device),
            jpeg_quality=self.jpeg_quality.to(device),
            damage=None if self.damage is None else self.damage.to(device),
            noise_map=None if self.noise_map is None else self.noise_map.to(device),
            sharpening=None if self.sharpening is None else self.sharpening.to(device),
        )


@dataclass(frozen=True)
class Overrides:
    """What the caller knows, in place of what would be measured. None: measured."""

    noise_std: float | None = None
    """0..1 units, of the picture as it is: where sharpening is taken back, it falls with it."""
    jpeg_quality: float | None = None
    """1..100; 100 means none."""
    file_quality: float | None = None
    """Quality of the JPEG file that the picture comes from (`LoadedImage.jpeg_quality`). Damage
    from before that file, measured beyond doubt, still counts."""
    sharpening: float | None = None
    """Amount of unsharp masking, 0..3; see `DegradationEstimate.sharpening`. 0: none."""
    sharpening_radius_px: float = SHARPENING_RADIUS_PX
    """Its radius (std), px of the picture, where the amount is stated."""

    @property
    def stated_sharpening(self) -> Sharpening | None:
        """Of one picture; None: measured."""
        if self.sharpening is None:
            return None
        return Sharpening.of(self.sharpening, self.sharpening_radius_px)

    @property
    def any_damage(self) -> bool:
        """Whether noise or JPEG damage is stated."""
        return self.noise_std is not None or self.jpeg_quality is not None

    def quality(self, measured: Tensor, error: Tensor) -> Tensor:
        """The quality to go on with, `(B,)`, from the measured one and its expected error."""
        if self.jpeg_quality is not None:
            return torch.full_like(measured, self.jpeg_quality)
        if self.file_quality is None:
            return measured
        known = torch.full_like(measured, self.file_quality)
        return torch.where(measured + 2 * error < known, measured, known)


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
    """The whole factor at which it was restored; see `factor`."""
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
    errors: dict[str, float]
    """Expected errors of `noise_std` (0..1 units) and `jpeg_quality` (points), and the relative one
    of the blur, `blur`; empty where they were not measured with their errors."""
    unexplained_std: float
    """What noise and JPEG may leave between the input and the re-degraded result, 0..1 units."""
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
    sharpness: dict[str, Any] = field(default_factory=dict)
    """How sharp the picture is, as it was measured: see `Sharpness.to_dict`, px of the picture."""
    sharpening: float | None = None
    """Amount of unsharp masking that was taken back first; 0 for none, None where it was neither
    looked for nor stated."""
    sharpening_radius_px: float | None = None
    """Its radius (std), px of the picture; None where there is none."""
    fused: bool = False
    """Whether this is one picture of two sensors, which is meant to differ from either."""
    unchanged: bool = False
    """Whether the result, before it was brought to a size, is the picture as it was given, to half
    a grey level."""

    @property
    def factor(self) -> float:
        """How many times larger the result is, by its longer side.

        Less than `scale` where a size was asked for.
        """
        return max(self.output_size) / max(self.input_size)

    @property
    def preset(self) -> str | None:
        """The preset with these `steps` and this `detail`: "faithful", "balanced", "crisp" or None.

        None means that they were chosen by hand.
        """
        return preset_name(self.steps, self.detail)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain numbers, strings, lists and dicts; see `with_levels`."""
        more = {"factor": round(self.factor, 4), "preset": self.preset}
        return with_levels(asdict(self) | more)

    def to_json(self) -> str:
        """The report as indented JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def summary(self) -> str:
        """A few lines for people."""
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        steps += "" if self.preset is None else f" ({self.preset})"
        factor = f"x{self.factor:.4g}"
        whole = "" if factor == f"x{self.scale}" else f", restored at x{self.scale}"
        lines = [
            f"{_size(self.input_size)} -> {_size(self.output_size)} ({factor}{whole}), "
            f"{steps}, {self.total_seconds:.1f} s on {self.device}",
            *self._blur_lines(),
            *damage_lines(
                self.noise_std,
                self.jpeg_quality,
                self.errors,
                self.sharpening,
                self.sharpening_radius_px,
            ),
            self._agreement(),
        ]
        if self.modality_weights:
            weights = self.modality_weights.items()
            shares = ", ".join(f"{_EVIDENCE_WORDS.get(k, k)} {v:.0%}" for k, v in weights)
            lines.append(f"detail drawn from: {shares}")
        return "\n".join(lines + self.notes)

    def _blur_lines(self) -> list[str]:
        return blur_lines(self.sharpness.get("words", ""), self.blur_sigma_px, self.scale)

    def _agreement(self) -> str:
        """Whether what the result leaves of the input is noise."""
        left, plain = (10 ** (-self.consistency_db[k] / 20) * 255 for k in ("after", "before"))
        if self.fused:
            return f"one picture of two sensors: {left:.1f} of 255 away from the first"
        if self.unchanged:
            size = "" if self.output_size == self.input_size else ", but brought to its size"
            return f"nothing had to be changed: the result is the picture as it was given{size}"
        noise = self.unexplained_std * 255
        cause = "noise" if self.jpeg_quality > NO_JPEG_QUALITY else "noise and JPEG damage"
        if left <= AGREEMENT_MARGIN * noise + ROUNDING_LEVELS:
            return f"agrees with the input within the {cause} ({left:.1f} of 255 left)"
        again, other = (
            ("blurred again", "as it was given")
            if self.scale == 1
            else ("blurred and reduced again", "plain enlarging")
        )
        return (
            f"{again}, it differs from the input by {left:.1f} of 255 ({cause}: {noise:.1f}; "
            f"{other}: {plain:.1f})"
        )


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

    def resized(self, size: tuple[int, int] | None) -> RestorationOutput:
        """The same with pictures of another (height, width), antialiased; None changes nothing."""
        if size is None or tuple(self.images.shape[-2:]) == tuple(size):
            return self
        images = resize_bicubic(self.images, size)
        report = replace(self.report, output_size=(size[1], size[0]))
        return replace(self, images=images, report=report)


def sharpness_of(estimate: DegradationEstimate, scale: int) -> Sharpness:
    """How sharp a picture is: as it was measured, or as the caller's kernels say.

    Args:
        estimate: of the picture.
        scale: from the picture to the result; the kernels have a larger one where it was reduced.
    """
    field = estimate.kernel_field
    width = field.moments().blur_sigma_px.float().prod(1).sqrt().mean(0)
    kernels = sharpness_of_widths(width, scale)
    if estimate.kernels_given:
        return replace(kernels, place="", is_given=True)
    if estimate.damage is None:
        return kernels
    noise, quality = float(estimate.noise_std.mean()), float(estimate.jpeg_quality.mean())
    return sharpness_of_damage(estimate.damage, field.scale / scale, noise, quality, kernels)


def blur_lines(sharpness: str, blur_sigma_px: dict[str, float], scale: int) -> list[str]:
    """How sharp a picture is, and with which kernels it is restored, for people.

    Args:
        sharpness: `Sharpness.words`; empty where it is not known.
        blur_sigma_px: see `RestorationReport`.
        scale: of the kernels.
    """
    low, high, mean = (blur_sigma_px[name] for name in ("min", "max", "mean"))
    if scale == 1 and high < _NO_BLUR_PX:
        return [sharpness or "no blur found"]
    together = " (blur and shrinking together)" if scale > 1 else ""
    widths = f"{low:.1f} to {high:.1f} px of the result, mean {mean:.1f}"
    kernels = f"kernels used{together}: {widths}"
    return [sharpness, kernels] if sharpness else [kernels]


def measured_lines(estimate: DegradationEstimate, scale: int) -> list[str]:
    """What was measured of a picture, for people.

    Args:
        estimate: of one picture.
        scale: from the picture to the result.
    """
    sharpness, widths = sharpness_of(estimate, scale), blur_range_px(estimate.kernel_field)
    noise_std, quality = float(estimate.given_noise_std[0]), float(estimate.jpeg_quality[0])
    errors, sharpening = expected_errors(estimate), mean_sharpening(estimate)
    return [
        *blur_lines(sharpness.words(), widths, scale),
        *damage_lines(noise_std, quality, errors, sharpening, mean_sharpening_radius(estimate)),
    ]


def damage_lines(
    noise_std: float,
    jpeg_quality: float,
    errors: dict[str, float],
    sharpening: float | None,
    radius_px: float | None,
) -> list[str]:
    """Noise and JPEG quality for people, with their expected errors where these are known.

    A second line is on sharpening, where there was any.
    """

    def give_or_take(name: str, unit: float) -> str:
        return f" (give or take {errors[name] * unit:.1f})" if name in errors else ""

    noise = f"noise {noise_std * 255:.1f}{give_or_take('noise_std', 255)} of 255"
    if jpeg_quality > NO_JPEG_QUALITY:
        noise += ", JPEG none"
    else:
        noise += f", JPEG quality {jpeg_quality:.0f}{give_or_take('jpeg_quality', 1)}"
    if not sharpening:
        return [noise]
    return [noise, f"{sharpening_words(sharpening, radius_px)}, taken back first"]


def sharpening_words(amount: float, radius_px: float | None = None) -> str:
    """What was done to a picture by unsharp masking with an amount above 0, for people."""
    radius = "" if radius_px is None else f", radius {radius_px:.1f} px"
    return f"sharpened by a camera or an editor (amount {max(0.01, amount):.2f}{radius})"


def with_levels(content: dict[str, Any]) -> dict[str, Any]:
    """A report in which what is in 0..1 units stands in grey levels of 255, too.

    Args:
        content: the report. Beside `noise_std` comes `noise_levels`, also among its `errors`;
            beside `unexplained_std` and `difference` come `unexplained_levels` and
            `difference_levels`.
    """
    made: dict[str, Any] = {}
    for name, value in content.items():
        made[name] = with_levels(value) if name == "errors" else value
        if name in _LEVELS:
            made[_LEVELS[name]] = _in_levels(value)
    return made


def _in_levels(value: Any) -> Any:
    """A number, or those of a dict, times 255."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {name: _in_levels(number) for name, number in value.items()}
    return round(255 * value, 3)


def mean_weights(maps: dict[str, Tensor]) -> dict[str, float]:
    """The mean of each modality's map, as the report has it."""
    return {name: round(float(values.mean()), 4) for name, values in maps.items()}


def blur_range_px(field: KernelField) -> dict[str, float]:
    """Width of the blur over a field, HR px: `min`, `mean`, `max` (geometric mean of the axes)."""
    sigma = field.moments().blur_sigma_px.prod(1).sqrt()
    found = {"min": float(sigma.min()), "mean": float(sigma.mean()), "max": float(sigma.max())}
    return {name: round(value, 3) for name, value in found.items()}


def mean_sharpening(estimate: DegradationEstimate) -> float | None:
    """`RestorationReport.sharpening`."""
    found = estimate.sharpening
    return None if found is None else round(float(found.amount.mean()), 3)


def mean_sharpening_radius(estimate: DegradationEstimate) -> float | None:
    """`RestorationReport.sharpening_radius_px`: of the pictures that were sharpened."""
    found = estimate.sharpening
    return round(float(found.radius_px[found.amount > 0].mean()), 2) if found else None


def expected_errors(estimate: DegradationEstimate) -> dict[str, float]:
    """`RestorationReport.errors`: of what was measured, not of what the user or the file stated."""
    if estimate.damage is None:
        return {}
    whole = estimate.damage.whole()
    noise = whole.noise_error_share * (whole.noise_std + NOISE_FLOOR)
    hidden = JPEG_HIDES * jpeg_error_std(estimate.jpeg_quality.to(noise))
    found = {
        "noise_std": torch.hypot(noise, hidden) / estimate.kept_noise.to(noise),
        "jpeg_quality": whole.jpeg_quality_error,
        "blur": whole.blur_error_share,
    }
    used = {
        "noise_std": (estimate.noise_std, whole.noise_std),
        "jpeg_quality": (estimate.jpeg_quality, whole.jpeg_quality),
    }
    if estimate.noise_map is not None:  # measured, and summed up from its places
        del used["noise_std"]
    for name, (taken, measured) in used.items():
        if not torch.allclose(taken.cpu().float(), measured.cpu().float(), rtol=1e-4, atol=0):
            del found[name]
    if estimate.kernels_given:
        del found["blur"]
    return {name: round(float(value.mean()), 5) for name, value in found.items()}


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
