"""Merge: another upscaler's picture, taken in as far as the user's own picture supports it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from mmsr_core import __version__
from mmsr_core.errors import InputError
from mmsr_core.image import TargetSize
from mmsr_core.types import Progress, ProgressCallback

from ..files.workspace import safe_stem
from ..ui import merge_words as words
from ..ui.messages import jpeg_words, noise_words, sharpening_sentence
from .jobs import Merged, MergeJob
from .result_cache import merge_key
from .run_time import merging
from .sizes import SizePlan

if TYPE_CHECKING:
    from torch import Tensor

    from mmsr_core.image import LoadedImage
    from mmsr_core.pipeline import PriorResult

    from .engine import Engine

_MAP_SIDE = 256
_TOLD_NOISE = 2 / 255
"""Noise of the other picture that came along, from which on it is said."""


def plan_merge(
    engine: Engine,
    picture: Path,
    prior: Path,
    scale: int | None = None,
    size: TargetSize | None = None,
) -> SizePlan:
    """The size of a merged picture, from the headers of both files alone.

    Args:
        engine: knows the limits.
        picture: the picture.
        prior: the other upscaler's.
        scale: 1..16; None takes the whole factor nearest to the other picture's.
        size: the size that is wanted, in place of `scale`.

    Raises:
        InputError: A file cannot be read, the other picture is no enlargement of the first, or the
            result would be too large.
    """
    from mmsr_core.pipeline.prior import prior_scale

    own, other = engine.size_of(picture), engine.size_of(prior, engine.prior_pixels)
    nearest = prior_scale(
        torch.empty(1, 3, *own, device="meta"), torch.empty(1, 3, *other, device="meta")
    )
    if scale is None and size is None:
        size = TargetSize("factor", nearest)
    return engine.plan(own, scale, size)


def merge(engine: Engine, job: MergeJob, progress: ProgressCallback) -> Merged:
    """Merges two pictures; the same job again is answered from the last results.

    Args:
        engine: runs the pipeline.
        job: what to do.
        progress: told how far it is; may raise to end the run.

    Raises:
        InputError: A picture or a number cannot be used.
    """
    from mmsr_core.image import has_transparency
    from mmsr_core.pipeline import Overrides, enlarge_alpha
    from mmsr_core.pipeline.prior_match import complaint_of_prior

    if not 0 <= job.trust <= 1:
        raise InputError(f"trust must be from 0 to 1, but is {job.trust:g}.")
    key = merge_key(job)
    kept = engine.merges.get(key)
    if kept is not None:
        return replace(kept, own_folder=None)
    plan = plan_merge(engine, job.picture, job.prior, job.scale, job.size)
    image = engine.load(job.picture)
    other = engine.load(job.prior, max_pixels=engine.prior_pixels)
    lr, prior = image.visible_rgb, other.visible_rgb
    notes = [*image.notes, *(f"The other picture: {note}" for note in other.notes)]
    warning = complaint_of_prior(lr, prior)
    progress(Progress("load", 0, 1))
    noise_std = None if job.noise_255 is None else job.noise_255 / 255
    run = merging(plan, transparent=has_transparency(image.alpha))
    with engine.turn(progress) as pipeline, engine.timed(run, progress) as clock:
        result = pipeline.merge_prior(
            lr,
            prior,
            scale=plan.scale,
            size=plan.wanted,
            trust=job.trust,
            overrides=Overrides(noise_std, job.jpeg_quality, image.jpeg_quality, job.sharpening),
            progress=clock,
        )
        alpha = enlarge_alpha(
            pipeline, image.alpha, plan.scale, plan.result, progress=clock.of_alpha
        )
    progress(Progress("save", 1, 1))
    notes += [note for note in result.notes if note != warning]
    with engine.workspace.result_folder() as folder:
        made = _save(folder, job, (image, other), plan, result, alpha, warning, notes)
        progress(Progress("save", 1, 1))  # Ended meanwhile: nothing stays.
    engine.merges.put(key, made)
    return made


def _save(
    folder: Path,
    job: MergeJob,
    given: tuple[LoadedImage, LoadedImage],
    plan: SizePlan,
    result: PriorResult,
    alpha: Tensor | None,
    warning: str,
    notes: list[str],
) -> Merged:
    from mmsr_core.image import has_transparency, resize_alpha, resize_bicubic, save_image

    image, other = given
    stem, size = safe_stem(job.name), plan.result
    after = folder / f"{stem}_merged.png"
    before = folder / f"{stem}_before.{'jpg' if image.alpha is None else 'png'}"
    prior = folder / f"{stem}_other.jpg"
    headline, sentences = _in_words(image.visible_rgb, other.visible_rgb, result)
    report = result.to_dict()
    report["notes"] = [*filter(None, [warning]), *notes]
    report["words"] = {subject.lower(): text for subject, text in sentences}
    report["summary"] = headline
    save_image(
        after,
        result.images,
        alpha,
        metadata=_metadata(job, result),
        icc_profile=image.icc_profile,
        exif=image.exif,
        dpi=image.dpi,
        bit_depth=16 if image.bit_depth > 8 else 8,
    )
    plain = None if image.alpha is None else resize_alpha(image.alpha, size)
    save_image(
        before, resize_bicubic(image.visible_rgb, size), plain, icc_profile=image.icc_profile
    )
    save_image(prior, resize_bicubic(other.visible_rgb, size), icc_profile=other.icc_profile)
    return Merged(
        after=after,
        before=before,
        prior=prior,
        plan=plan,
        report=report,
        headline=headline,
        sentences=sentences,
        followed=_small(result.weight_map),
        warning=warning,
        notes=tuple(notes),
        own_folder=folder,
        transparent=has_transparency(image.alpha),
    )


def _in_words(
    lr: Tensor, prior: Tensor, result: PriorResult
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Headline and sentences about a merged picture."""
    weight = result.weight_map
    mean, low, high = (float(value) for value in (weight.mean(), weight.min(), weight.max()))
    found: list[tuple[str, str]] = []
    if high > 0:
        cast = 255 * (prior.mean((0, 2, 3)) - lr.mean((0, 2, 3)))
        found += [
            ("Taken", words.taken_words(mean, low, high)),
            ("Place", words.place_words(*result.shift_px.mean(0).tolist())),
            ("Colour", words.cast_words(cast.tolist())),
        ]
    found.append(("Agreement", words.agreement_words(result.difference, result.unexplained_std)))
    kept = result.prior_noise_kept
    if kept >= _TOLD_NOISE:
        found.append(("Its noise", words.prior_noise_words(result.prior_noise_std or 0.0, kept)))
    errors = result.errors
    found += [
        ("Your picture", result.sharpness["words"]),
        ("Noise", noise_words(result.noise_std, errors.get("noise_std"))),
        ("Compression", jpeg_words(result.jpeg_quality, errors.get("jpeg_quality"))),
    ]
    if result.sharpening:
        found.append(("Sharpening", sharpening_sentence(result.sharpening)))
    return words.merge_headline(mean, result.trust), tuple(found)


def _metadata(job: MergeJob, result: PriorResult) -> dict[str, str]:
    """What is written into the PNG: the settings (`mmsr`) and the report (`mmsr_report`)."""
    settings = {
        "factor": round(result.factor, 4),
        "trust": job.trust,
        "noise_255": job.noise_255,
        "jpeg_quality": job.jpeg_quality,
        "sharpening": job.sharpening,
    }
    return {
        "Software": f"mmsr {__version__}",
        "mmsr": json.dumps(settings),
        "mmsr_report": json.dumps(result.to_dict()),
    }


def _small(weights: Tensor) -> Tensor:
    """`(1,1,H,W)` in 0..1 to `(h,w)`, at most `_MAP_SIDE` a side."""
    factor = max(1, -(-max(weights.shape[-2:]) // _MAP_SIDE))
    return functional.avg_pool2d(weights.float().cpu(), factor, ceil_mode=True)[0, 0].clamp(0, 1)
