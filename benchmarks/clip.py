"""`python -m benchmarks clip`: how steady the frames of a clip are, beside frame by frame."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from mmsr_core.degradation import decibels
from mmsr_core.image import load_image
from mmsr_core.metrics import Lpips
from mmsr_core.pipeline import load_pipeline
from mmsr_core.types import PRESETS

from .arguments import ClipOptions
from .inputs import sources
from .inputs.clips import MOTIONS, Clip, make_clip, temporal_std
from .report.environment import begin_report, provenance, write_report
from .report.table import format_figure, markdown_table

if TYPE_CHECKING:
    from mmsr_core.pipeline import MMSREngine

_LOG = logging.getLogger(__name__)
_COLUMNS = (
    ("flicker", "flicker", 2),
    ("psnr", "PSNR-RGB", 2),
    ("lpips", "LPIPS", 4),
    ("psnr_object", "near the object", 2),
    ("seconds", "s / frame", 2),
)
Figures = dict[str, float]


def run(options: ClipOptions) -> int:
    """Write `clip.json` and `clip.md` into the output folder.

    Returns:
        0: nothing can be left out.
    """
    default = sources.shared_path("data", "kodak24")
    folder = sources.need_folder(options.data or default, "full-size pictures", "--data")
    pictures = sources.list_pictures(folder, options.limit)
    result = begin_report("clip", options.out, asdict(options), "motions")
    pipe = load_pipeline(options.model, device=options.device, torch_dtype=options.dtype)
    metrics = options.metrics or sources.shared_path("metrics")
    lpips = None if metrics is None else Lpips.from_folder(metrics)
    for motion in options.motions or MOTIONS:
        rows: dict[str, list[Figures]] = {}
        for path in tqdm(pictures, unit="picture", desc=motion):
            clip = make_clip(
                load_image(path).rgb,
                path.stem,
                motion,
                scale=options.scale,
                side=options.side,
                frames=options.frames,
                blur_sigma_px=options.blur_sigma_px,
                noise_std=options.noise / 255,
                jpeg_quality=options.jpeg,
                seed=options.seed,
            )
            for name, figures in _answers(pipe, clip, options, lpips).items():
                rows.setdefault(name, []).append(figures)
        result["motions"][motion] = {name: _means(found) for name, found in rows.items()}
        write_report(options.out, result, clip_markdown(result))
    _LOG.info(clip_markdown(result))
    return 0


@torch.no_grad()
def _answers(
    pipe: MMSREngine, clip: Clip, options: ClipOptions, lpips: Lpips | None
) -> dict[str, Figures]:
    plain = [
        F.interpolate(lr, scale_factor=options.scale, mode="bicubic").clamp(0, 1) for lr in clip.lr
    ]
    made = {
        "the truth": _figures(clip.truth, clip, None),
        "bicubic": _figures(plain, clip, lpips),
    }
    for name in options.presets:
        preset = PRESETS[name]
        settings = {"scale": options.scale, "steps": preset.steps, "detail": preset.detail}
        started = time.perf_counter()
        alone = [pipe(lr, seed=options.seed, **settings).images.cpu() for lr in clip.lr]
        middle = time.perf_counter()
        found = pipe.restore_clip(clip.lr, seed=options.seed, reach=options.reach, **settings)
        together = [output.images.cpu() for output in found]
        ended = time.perf_counter()
        count = len(clip.lr)
        made[f"{name}, frame by frame"] = _figures(alone, clip, lpips) | {
            "seconds": (middle - started) / count
        }
        made[f"{name}, as a clip"] = _figures(together, clip, lpips) | {
            "seconds": (ended - middle) / count
        }
    return made


def _figures(frames: Sequence[Tensor], clip: Clip, lpips: Lpips | None) -> Figures:
    pairs = list(zip(frames, clip.truth, strict=True))
    error = torch.cat([frame - truth for frame, truth in pairs])
    found = {"flicker": 255 * temporal_std(frames, clip)}
    if bool(error.any()):
        found["psnr"] = float(decibels(error).mean())
        if lpips is not None:
            found["lpips"] = sum(float(lpips(*pair)) for pair in pairs) / len(pairs)
        swept = torch.cat(clip.swept).expand_as(error)
        if bool(swept.any()):
            found["psnr_object"] = float(-10 * error[swept].square().mean().log10())
    return found


def _means(rows: Sequence[Figures]) -> Figures:
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


def clip_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    options = result["options"]
    jpeg = "none" if options["jpeg"] >= 100 else options["jpeg"]
    parts = [
        "# Frames of one clip\n\n"
        f"{provenance(result['environment'])}; model {options['model']}, {options['frames']} "
        f"frames of {options['side']} px, x{options['scale']}, blur {options['blur_sigma_px']} px "
        f"of the truth, noise {options['noise']} of 255, JPEG {jpeg}, reach {options['reach']}, "
        f"seed {options['seed']}.\n\n"
        "Flicker: standard deviation over the frames, moved onto the middle one by the true "
        "motion, in steps of 255; root mean square over places and channels, mean over pictures. "
        "Moving the frames alone makes some: the truth's own row. Near the object: PSNR where it "
        "is, or was up to three frames before or after.\n"
    ]
    for motion, rows in result["motions"].items():
        body = [
            [name, *(format_figure(row.get(key), digits) for key, _, digits in _COLUMNS)]
            for name, row in rows.items()
        ]
        table = markdown_table(["", *(heading for _, heading, _ in _COLUMNS)], body)
        parts.append(f"## {motion}\n\n{table.strip()}\n")
    return "\n".join(parts)
