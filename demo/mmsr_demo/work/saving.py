"""What stays of a run: its pictures, the PNG's metadata and what can be looked at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmsr_core import __version__
from mmsr_core.errors import InputError
from mmsr_core.image.transparency import WHITE, parse_colour

from ..files.workspace import safe_stem
from .inspection import Inspection, inspect_run
from .jobs import Pictured, Restoration, RestoreJob
from .parts import Part
from .sizes import SizePlan

if TYPE_CHECKING:
    from torch import Tensor

    from mmsr_core.image import LoadedImage
    from mmsr_core.pipeline import RestorationOutput

KINDS: dict[str, tuple[str, int | None]] = {
    "PNG": (".png", None),
    "JPEG": (".jpg", 95),
    "WebP": (".webp", 92),
}
"""Formats of a download: its ending and its quality."""
BACKGROUNDS = ("White", "Black", "#808080")
"""Colours that are offered for transparent places in a JPEG; others may be written."""
PLAIN_KIND = "PNG"
"""What results are made in."""


def check_kind(kind: str) -> None:
    """Refuse what is none of `KINDS`.

    Raises:
        InputError: see above.
    """
    if kind not in KINDS:
        raise InputError(f"The format must be one of {', '.join(KINDS)}, not {kind!r}.")


def save_result(
    folder: Path,
    job: RestoreJob,
    image: LoadedImage,
    lr: Tensor,
    plan: SizePlan,
    output: RestorationOutput,
    alpha: Tensor | None,
) -> Restoration:
    """Writes the result and the enlarged input, of the same size, into a folder.

    Args:
        folder: an empty one of its own.
        job: what was done.
        image: the uploaded picture; its colour profile and depth of bits are kept.
        lr: `(1,3,h,w)`, 0..1, what was restored: the picture, or reduced as `plan` says.
        plan: the sizes.
        output: of the pipeline.
        alpha: `(1,1,H,W)`, 0..1, of the result; None: it is opaque.
    """
    from mmsr_core.image import has_transparency, resize_alpha, resize_bicubic, save_image

    stem = safe_stem(job.name)
    after = folder / f"{stem}_restored.png"
    before = folder / f"{stem}_before.{'jpg' if alpha is None else 'png'}"
    save_image(
        after,
        output.images,
        alpha,
        metadata=png_metadata(job, plan, output),
        icc_profile=image.icc_profile,
        exif=image.exif,
        dpi=image.dpi,
        bit_depth=16 if image.bit_depth > 8 and not plan.is_reduced else 8,
    )
    plain = None if image.alpha is None else resize_alpha(image.alpha, plan.result)
    save_image(before, resize_bicubic(lr, plan.result), plain, icc_profile=image.icc_profile)
    seen = inspect_result(lr, output, folder, job)
    transparent = has_transparency(image.alpha)
    return Restoration(after, before, plan, output.report.to_dict(), seen, folder, transparent)


def save_part(
    folder: Path,
    job: RestoreJob,
    image: LoadedImage,
    lr: Tensor,
    plan: SizePlan,
    output: RestorationOutput,
    alpha: Tensor | None,
    part: Part,
) -> Restoration:
    """As `save_result` for a part of the picture, to be looked at: 8 bits, without metadata.

    Args:
        folder: an empty one of its own.
        job: what was done.
        image: the uploaded picture.
        lr: `(1,3,h,w)`, 0..1, what was worked on: the part with its margin.
        plan: the sizes for the whole picture.
        output: of the pipeline, for `lr`.
        alpha: `(1,1,H,W)`, 0..1, of the result of `lr`; None: it is opaque.
        part: where it lies.
    """
    from mmsr_core.image import resize_alpha, resize_bicubic, save_image

    plain = None if image.alpha is None else resize_alpha(image.alpha, plan.result)
    if plain is not None:
        top, left, bottom, right = part.shown_box(plan.result)
        plain = plain[..., top:bottom, left:right]
    alpha = None if alpha is None else part.inner(alpha, plan.result)
    before = resize_bicubic(lr, part.worked_size(plan.result))
    for name, picture, own in (("after", output.images, alpha), ("before", before, plain)):
        shown = part.inner(picture, plan.result)
        save_image(folder / f"{name}.png", shown, own, icc_profile=image.icc_profile)
    seen = inspect_result(lr, output, folder, job)
    after, before_file = folder / "after.png", folder / "before.png"
    return Restoration(after, before_file, plan, output.report.to_dict(), seen, folder, part=part)


def noted(made: Restoration, notes: Sequence[str]) -> Restoration:
    """The result with what is to be known of its files, before what is to be known of the run."""
    every = [*notes, *made.report["notes"]]
    return replace(
        made,
        report=made.report | {"notes": every},
        inspection=replace(made.inspection, notes=tuple(every)),
    )


def converted(made: Pictured, kind: str, background: str | None = None) -> Path:
    """The result as a file of another kind, beside its PNG; made when first asked for.

    Args:
        made: a result whose PNG is still there.
        kind: one of `KINDS`.
        background: what a JPEG's transparent places are laid on, one of `BACKGROUNDS` or another
            colour; white if None or empty.

    Raises:
        InputError: it is none of them, or no colour.
        ImageFileError: the PNG is gone, or too large for the format.
    """
    from mmsr_core.image import load_image, save_image

    check_kind(kind)
    suffix, quality = KINDS[kind]
    ground = ground_in(made, kind, background)
    colour = (
        "" if ground is None else "".join(f"{round(255 * v):02x}" for v in parse_colour(ground))
    )
    target = made.after.with_name(f"{made.after.stem}{colour and '_on_' + colour}{suffix}")
    if target.is_file():
        return target
    image = load_image(made.after)
    save_image(
        target,
        image.rgb,
        image.alpha,
        quality=quality,
        icc_profile=image.icc_profile,
        exif=image.exif,
        dpi=image.dpi,
        background=ground,
    )
    return target


def ground_in(made: Pictured, kind: str, background: str | None = None) -> str | None:
    """The colour that a result's transparent places are laid on; None where they stay."""
    return (background or WHITE).lower() if kind == "JPEG" and made.transparent else None


def converted_notes(made: Pictured, kind: str, background: str | None = None) -> list[str]:
    """What is to be known of a converted file."""
    from mmsr_core.image import ground_words

    ground = ground_in(made, kind, background)
    return [] if ground is None else [ground_words(f"x{KINDS[kind][0]}", ground)]


def png_metadata(job: RestoreJob, plan: SizePlan, output: RestorationOutput) -> dict[str, str]:
    """What is written into the PNG: the settings (`mmsr`) and the report (`mmsr_report`)."""
    settings = {
        "factor": round(output.report.factor, 4),
        "preset": output.report.preset,
        "steps": job.steps,
        "detail": job.detail,
        "seed": job.seed,
        "consistency": job.consistency,
        "prompt": job.prompt,
        "noise_255": job.noise_255,
        "jpeg_quality": job.jpeg_quality,
        "blur_px": job.blur_px,
        "sharpening": job.sharpening,
        "denoise": job.denoise,
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
        output.report.scale,
        weight_steps=output.weight_steps,
        consistency_db=output.report.consistency_db,
        unexplained_std=output.report.unexplained_std,
        prompt_mask=output.prompt_mask,
        shows_two=job.guide is not None and job.guide_mode == "fuse",
    )
