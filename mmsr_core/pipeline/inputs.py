"""All checks of what the caller gives, before any work. Every message names the argument."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import index

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import (
    KernelField,
    constant_kernel_field,
    cut_negligible,
    isotropic_gaussian,
)
from ..errors import InputError, ShapeError
from ..image import stretch_narrow_grey
from ..models.cell_net import CELL
from ..types import GUIDE_MODES, MAX_BLUR_SIGMA_PX, MAX_SHARPENING, PROMPT_DIM, SHARPENING_RADII_PX
from .results import DegradationEstimate, Overrides

MAX_STEPS = 64
MAX_RESULT_SIDE = 1 << 17
"""The longest side of a result that may be asked for, px."""
CONSISTENCY_METHODS = ("ibp", "cg", "off")


def check_tensor(name: str, value: object) -> None:
    """A torch tensor, not an array or a picture of another library."""
    if not isinstance(value, Tensor):
        raise InputError(f"{name} must be a torch tensor, but is a {type(value).__name__}.")


def check_picture(name: str, image: Tensor) -> Tensor:
    """A `(B,3,h,w)` picture without NaN, as float32, clamped to 0..1."""
    check_tensor(name, image)
    if not image.is_floating_point():
        raise InputError(f"{name} must hold floats in 0..1, but is {image.dtype}; divide by 255.")
    if image.ndim != 4 or image.shape[1] != 3 or 0 in image.shape:
        raise ShapeError(name, "(B,3,h,w) with at least one pixel", tuple(image.shape))
    image = image.float()
    if not torch.isfinite(image).all():
        raise InputError(f"{name} holds NaN or infinite values; pixels must be numbers in 0..1.")
    return image.clamp(0, 1)


def check_frames(name: str, frames: Iterable[Tensor]) -> Iterator[Tensor]:
    """Frames `(3,h,w)` or `(1,3,h,w)` as `(1,3,h,w)`, checked one by one as they are read.

    All must have the size of the first. A tensor `(B,3,h,w)` is B frames.
    """
    first: tuple[int, int] | None = None
    for number, given in enumerate(frames, 1):
        here = f"{name}, frame {number}"
        check_tensor(here, given)
        frame = check_picture(here, given[None] if given.ndim == 3 else given)
        if frame.shape[0] != 1:
            raise ShapeError(here, "(3,h,w) or (1,3,h,w)", tuple(given.shape))
        size = (int(frame.shape[-2]), int(frame.shape[-1]))
        first = first or size
        if size != first:
            raise InputError(
                f"All frames of a clip must have one size: frame {number} has {size[1]}x{size[0]} "
                f"pixels, the first {first[1]}x{first[0]}."
            )
        yield frame


def check_depth(inverse_depth: Tensor | None, lr: Tensor) -> Tensor | None:
    """A `(B,1,h,w)` map of the picture's size, or a batch of one for all pictures."""
    if inverse_depth is None:
        return None
    check_tensor("inverse_depth", inverse_depth)
    expected = (lr.shape[0], 1, *lr.shape[-2:])
    if inverse_depth.ndim != 4 or inverse_depth.shape[1:] != expected[1:]:
        raise ShapeError("inverse_depth", str(expected), tuple(inverse_depth.shape))
    if inverse_depth.shape[0] not in (1, lr.shape[0]):
        raise ShapeError("inverse_depth", str(expected), tuple(inverse_depth.shape))
    if not torch.isfinite(inverse_depth).all():
        raise InputError("inverse_depth holds NaN or infinite values; it must be in 0..1.")
    return inverse_depth.to(lr).clamp(0, 1).expand(lr.shape[0], -1, -1, -1)


def check_kernel(field: KernelField | None, lr: Tensor, scale: int) -> KernelField | None:
    """A kernel field for this picture's size and scale."""
    if field is None:
        return None
    if not isinstance(field, KernelField):
        kind = type(field).__name__
        raise InputError(f"kernel must be a KernelField, but is a {kind}; see KernelField.load.")
    if field.scale != scale:
        raise InputError(f"The kernel field is for scale {field.scale}, but the scale is {scale}.")
    if (field.height, field.width) != tuple(lr.shape[-2:]):
        raise InputError(
            f"The kernel field is for {field.width}x{field.height} pixels, "
            f"but the picture has {lr.shape[-1]}x{lr.shape[-2]}; they must be equal."
        )
    if field.batch not in (1, lr.shape[0]):
        raise InputError(f"The kernel field holds {field.batch} pictures, not {lr.shape[0]}.")
    return field


def check_overrides(overrides: Overrides | None) -> None:
    """Known noise, JPEG damage and sharpening within their ranges."""
    if overrides is None:
        return
    if not isinstance(overrides, Overrides):
        raise InputError(f"overrides must be an Overrides, but is {overrides!r}.")
    limits = {
        "noise_std": (0, 1), "jpeg_quality": (1, 100), "file_quality": (1, 100),
        "sharpening": (0, MAX_SHARPENING), "sharpening_radius_px": SHARPENING_RADII_PX,
    }  # fmt: skip
    for name, (low, high) in limits.items():
        value = getattr(overrides, name)
        if value is not None:
            check_number(name, value, low, high)


def check_blur(
    blur_sigma_px: float | None, kernel: KernelField | None, lr: Tensor, scale: int
) -> KernelField | None:
    """The known kernels: `kernel`, or the same Gaussian everywhere, or None."""
    if blur_sigma_px is None:
        return kernel
    if kernel is not None:
        raise InputError("Give kernel or blur_sigma_px, not both.")
    check_number("blur_sigma_px", blur_sigma_px, 1e-3, MAX_BLUR_SIGMA_PX)
    gaussian = cut_negligible(isotropic_gaussian(blur_sigma_px, scale).view(1, -1, 1, 1)).flatten()
    return constant_kernel_field(gaussian, lr.shape[-2], lr.shape[-1], scale)


def check_size(size: tuple[int, int] | None) -> None:
    """None, or the (height, width) of a result: two whole numbers."""
    if size is None:
        return
    if isinstance(size, str) or not isinstance(size, Sequence) or len(size) != 2:
        raise InputError(
            f"size must be (height, width), but is {size!r}. TargetSize.parse('4K').of((h, w)) "
            "makes one of a text."
        )
    for name, side in zip(("height", "width"), size, strict=True):
        check_number(f"size: the {name}", side, 1, MAX_RESULT_SIDE, whole=True)


def check_kind(name: str, value: object, kind: type) -> None:
    """A value of one type.

    Raises:
        InputError: it is of another.
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} must be a {kind.__name__}, but is {value!r:.80}.")


def check_changed(images: object, present: Tensor) -> Tensor | None:
    """Pictures that a step's callback puts in the place of the present ones; None for none."""
    if images is None:
        return None
    check_tensor("images of callback_on_step_end", images)
    assert isinstance(images, Tensor)
    if images.shape != present.shape:
        expected = str(tuple(present.shape))
        raise ShapeError("images of callback_on_step_end", expected, tuple(images.shape))
    if not bool(images.isfinite().all()):
        raise InputError("images of callback_on_step_end hold values that are not numbers.")
    return images


def check_estimate(estimate: DegradationEstimate, lr: Tensor, scale: int) -> DegradationEstimate:
    """An estimate for this picture and scale, its depth clamped and one for each picture."""
    check_kernel(estimate.kernel_field, lr, scale)
    per_picture = {"noise_std": estimate.noise_std, "jpeg_quality": estimate.jpeg_quality}
    if estimate.sharpening is not None:  # it was looked for
        per_picture |= {f"sharpening.{k}": v for k, v in vars(estimate.sharpening).items()}
    for name, value in per_picture.items():
        if value.ndim != 1 or value.shape[0] not in (1, lr.shape[0]):
            raise ShapeError(f"{name} of the estimate", f"({lr.shape[0]},)", tuple(value.shape))
    noise = estimate.noise_map
    cells = (1, *(-(-side // CELL) for side in lr.shape[-2:]))
    if noise is not None and (noise.shape[0] not in (1, lr.shape[0]) or noise.shape[1:] != cells):
        expected = f"({lr.shape[0]}, {', '.join(map(str, cells))})"
        raise ShapeError("noise_map of the estimate", expected, tuple(noise.shape))
    return replace(estimate, inverse_depth=check_depth(estimate.inverse_depth, lr))


def check_number(name: str, value: float, low: float, high: float, whole: bool = False) -> None:
    """A number in `low..high`, whole if asked for."""
    kind = "whole number" if whole else "number"
    fits = hasattr(value, "__index__") if whole else isinstance(value, (int, float))
    if isinstance(value, bool) or not (fits or hasattr(value, "__index__")):
        raise InputError(f"{name} must be a {kind} from {low:g} to {high:g}, but is {value!r}.")
    if not math.isfinite(value) or not low <= value <= high:
        raise InputError(f"{name} must be a {kind} from {low:g} to {high:g}, but is {value!r}.")


def check_svkr(iterations: int, gamma: float) -> None:
    """SVKR's T and gamma."""
    check_number("iterations", iterations, 1, 16, whole=True)
    check_number("gamma", gamma, 0, 1)


def check_tile(tile: int | None) -> None:
    """None, or at least 16 grid cells (64 output pixels)."""
    if tile is not None:
        check_number("tile", tile, 16, 1 << 20, whole=True)


def check_sampling(steps: int, detail: float, consistency: str, tile: int | None) -> None:
    """The sampler's numbers."""
    check_number("steps", steps, 0, MAX_STEPS, whole=True)
    check_number("detail", detail, 0, 2)
    check_tile(tile)
    if consistency not in CONSISTENCY_METHODS:
        raise InputError(f"consistency must be one of {CONSISTENCY_METHODS}, not {consistency!r}.")


def check_seeds(seed: int | Sequence[int], batch: int) -> list[int]:
    """One seed per picture: a single seed counts up over the batch."""
    top = 2**64
    try:
        given = [index(s) for s in seed] if isinstance(seed, Iterable) else [index(seed)]
    except TypeError:
        raise InputError(f"seed must be a whole number or a list of them, not {seed!r}.") from None
    if any(not 0 <= s < top for s in given):
        raise InputError(f"seed must be a whole number from 0 to 2^64 - 1, but is {seed!r}.")
    counted = not isinstance(seed, Iterable)
    seeds = [(given[0] + i) % top for i in range(batch)] if counted else given
    if len(seeds) != batch:
        raise InputError(f"{batch} pictures need as many seeds, but {len(seeds)} were given.")
    return seeds


def check_modalities(
    strengths: dict[str, float], masks: dict[str, Tensor], known: Sequence[str], lr: Tensor
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Strengths (1 where not given) and masks for known modalities."""
    for name in (*strengths, *masks):
        if name not in known:
            raise InputError(f"Unknown modality {name!r}; this model has {', '.join(known)}.")
    full = dict.fromkeys(known, 1.0)
    for name, value in strengths.items():
        check_number(f"strength of {name}", value, 0, 2)
        full[name] = float(value)
    placed = {}
    for name, mask in masks.items():
        check_tensor(f"mask of {name}", mask)
        fits = mask.ndim == 4 and mask.shape[0] in (1, lr.shape[0]) and mask.shape[1] == 1
        if not fits or mask.shape[-2:] != lr.shape[-2:]:
            expected = f"({lr.shape[0]},1,{lr.shape[-2]},{lr.shape[-1]})"
            raise ShapeError(f"mask of {name}", expected, tuple(mask.shape))
        if mask.isnan().any():
            raise InputError(f"mask of {name} holds NaN; it must be in 0..1.")
        placed[name] = mask.to(lr).clamp(0, 1).expand(lr.shape[0], -1, -1, -1)
    return full, placed


def check_mask(name: str, mask: Tensor, batch: int, size: tuple[int, int] | None = None) -> Tensor:
    """A mask `(1 or B,1,mh,mw)` of any size as `(B,1,*size)`, 0..1; without a size as it is."""
    check_tensor(name, mask)
    if mask.ndim != 4 or mask.shape[0] not in (1, batch) or mask.shape[1] != 1:
        raise ShapeError(name, f"(1 or {batch},1,mh,mw)", tuple(mask.shape))
    if not bool(mask.isfinite().all()):
        raise InputError(f"{name} holds values that are not numbers; it must be in 0..1.")
    fitted = mask.float().clamp(0, 1)
    if size is not None and tuple(mask.shape[-2:]) != tuple(size):
        fitted = F.interpolate(
            fitted, size=size, mode="bilinear", align_corners=False, antialias=True
        ).clamp(0, 1)
    return fitted.expand(batch, -1, -1, -1)


def check_prompt(
    prompt: object, lr: Tensor, encode: Callable[[Sequence[str]], Tensor]
) -> Tensor | None:
    """A prompt as an embedding `(B,512)`; None where nothing was said.

    Args:
        prompt: text, several texts, or an embedding `(1 or B,512)`.
        lr: the picture.
        encode: turns texts that are not blank into an embedding.
    """
    if prompt is None:
        return None
    if not isinstance(prompt, Tensor):
        lines = [prompt] if isinstance(prompt, str) else prompt
        if not isinstance(lines, Sequence) or not all(isinstance(line, str) for line in lines):
            raise InputError(
                f"prompt must be text, a list of texts or an embedding (1,{PROMPT_DIM}), "
                f"but is {prompt!r}."
            )
        said = [line for line in lines if line.strip()]
        if not said:
            return None
        prompt = encode(said)
    if prompt.ndim != 2 or prompt.shape[1] != PROMPT_DIM or prompt.shape[0] not in (1, len(lr)):
        raise ShapeError("prompt", f"(1 or {len(lr)},{PROMPT_DIM})", tuple(prompt.shape))
    if not torch.isfinite(prompt).all():
        raise InputError("prompt holds NaN or infinite values.")
    return prompt.float().expand(len(lr), -1)


def check_guide(guide: Tensor | None, mode: str, lr: Tensor) -> Tensor | None:
    """A second sensor's picture `(1 or B,1 or 3,gh,gw)` as `(B,3,gh,gw)`, 0..1."""
    if mode not in GUIDE_MODES:
        raise InputError(f"guide_mode must be one of {GUIDE_MODES}, not {mode!r}.")
    if guide is None:
        if mode == "fuse":
            raise InputError("guide_mode 'fuse' needs a guide: the picture of the second sensor.")
        return None
    check_tensor("guide", guide)
    if guide.ndim == 4 and guide.shape[1] == 1:
        guide = guide.expand(-1, 3, -1, -1)
    guide = check_picture("guide", guide)
    if guide.shape[0] not in (1, lr.shape[0]):
        expected = f"(1 or {lr.shape[0]},1 or 3,gh,gw)"
        raise ShapeError("guide", expected, tuple(guide.shape))
    own, other = lr.shape[-1] / lr.shape[-2], guide.shape[-1] / guide.shape[-2]
    if not 0.95 < own / other < 1.05 and max(lr.shape[-2:]) > 20:
        raise InputError(
            f"guide has {guide.shape[-1]}x{guide.shape[-2]} pixels, the picture "
            f"{lr.shape[-1]}x{lr.shape[-2]}: they must show the same scene, in the same "
            "proportions. Register and crop the guide first."
        )
    guide = guide.expand(lr.shape[0], -1, -1, -1)
    # A fused picture is as bright as the brighter of the two: counts get the first one's range.
    return stretch_narrow_grey(guide, lr if mode == "fuse" else None)
