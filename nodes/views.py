"""Pictures, numbers and lines of text made from results. No host import.

What the frontend shows on a node is a list of plain dicts, one per picture (`KernelView`,
`CompareView` in `web/lib`); the pictures in them are tensors here and become files in `previews`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from .convert import Picture, fit_map, join_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..mmsr_core.degradation import KernelField
    from ..mmsr_core.pipeline import (
        DegradationEstimate,
        PriorResult,
        RestorationOutput,
        RestorationReport,
    )
    from .payloads import DegradationBatch

MAX_VIEWS = 8
"""Pictures of a batch that are shown on the node."""
VIEW_COLUMNS, VIEW_ROWS = 32, 32
"""Places, at most, whose kernels the frontend gets."""
VIEW_SIDE = 2048
"""Longest side of a picture on the node."""
MAP_SIDE = 512
WHITE_NOISE = 32
"""Noise, in steps of 255, that is white in the map of it."""


def kernel_maps(estimates: DegradationBatch, picture: Picture) -> Tensor:
    """The blur of each picture, drawn, as one IMAGE batch."""
    from ..mmsr_core.visualize import kernel_map

    drawn = []
    for index in range(picture.batch):
        estimate = estimates.pick(index, picture.batch)
        drawn.append(kernel_map(estimate.kernel_field, picture.rgb[index : index + 1]))
    return join_image(torch.stack([one.reshape(one.shape[-3:]) for one in drawn]))


def plain_kernel_maps(estimates: DegradationBatch) -> Tensor:
    """The blur without a picture under it, as one IMAGE batch; the fields have one size."""
    from ..mmsr_core.visualize import kernel_map

    drawn = [kernel_map(one.kernel_field) for one in estimates.items]
    return join_image(torch.stack(drawn))


def damage_maps(estimates: DegradationBatch, picture: Picture) -> tuple[Tensor, Tensor]:
    """Noise and JPEG damage at each place, as two MASKs `(B,h,w)` of the picture's size.

    Noise 0..`WHITE_NOISE` of 255 is 0..1; JPEG quality 100..0 is 0..1. Where nothing was measured
    at each place, the number for the whole picture is everywhere.
    """
    noises, damages = [], []
    for index in range(picture.batch):
        estimate = estimates.pick(index, picture.batch)
        if estimate.damage is None:
            noise = estimate.noise_std.reshape(-1)[:1].view(1, 1, 1, 1)
            damage = 1 - estimate.jpeg_quality.reshape(-1)[:1].view(1, 1, 1, 1) / 100
        else:
            noise, damage = estimate.damage.noise_std, estimate.damage.jpeg_damage
        noises.append(_fitted(noise * 255 / WHITE_NOISE, picture.size))
        damages.append(_fitted(damage, picture.size))
    return torch.cat(noises), torch.cat(damages)


def _fitted(values: Tensor, size: tuple[int, int]) -> Tensor:
    return fit_map(values.float().cpu().clamp(0, 1), size)[:, 0]


def degradation_text(estimates: DegradationBatch) -> str:
    """Noise, JPEG quality and blur of each picture in plain words."""
    return headed([estimate_text(estimate) for estimate in estimates.items])


def estimate_text(estimate: DegradationEstimate) -> str:
    """Noise, JPEG quality and blur of one picture."""
    from ..mmsr_core.pipeline.results import measured_lines

    lines = measured_lines(estimate, estimate.kernel_field.scale)
    return "\n".join((*lines, *estimate.notes))


def report_text(reports: Sequence[RestorationReport]) -> str:
    """The reports of a batch, one under the other."""
    return headed([report.summary() for report in reports])


def headed(texts: Sequence[str]) -> str:
    """Texts on the pictures of a batch, one under the other."""
    return "\n\n".join(_heading(index, len(texts)) + text for index, text in enumerate(texts))


def kernel_views(estimates: DegradationBatch, picture: Picture | None) -> list[dict[str, Any]]:
    """What the kernel view needs, for each picture: ellipses, kernels, and the picture itself."""
    count = len(estimates.items) if picture is None else picture.batch
    views = []
    for index in range(min(count, MAX_VIEWS)):
        estimate = estimates.pick(index, count)
        field = estimate.kernel_field
        rows, cols = _places(field.height, VIEW_ROWS), _places(field.width, VIEW_COLUMNS)
        kernels = _kernels_at(field, rows, cols)
        # Only the places shown: a whole large field takes seconds to decode.
        shown = type(field)(kernels.T.reshape(1, -1, len(rows), len(cols)), field.scale, None)
        moments = shown.moments()
        sigma = moments.blur_sigma_px[0]
        peaks = kernels.amax(dim=1)
        views.append(
            {
                "view": "kernels",
                "width": field.width,
                "height": field.height,
                "scale": field.scale,
                "rows": len(rows),
                "cols": len(cols),
                "major": _numbers(sigma[0]),
                "minor": _numbers(sigma[1]),
                "angle": _numbers(moments.angle_rad[0]),
                "peak": _numbers(peaks, 5),
                "atlas": _atlas(kernels / peaks[:, None].clamp_min(1e-8), len(rows), len(cols)),
                "picture": None if picture is None else shrink(picture.rgb[index], VIEW_SIDE),
                "text": estimate_text(estimate),
            }
        )
    return views


def restoration_views(
    picture: Picture, results: Sequence[RestorationOutput]
) -> list[dict[str, Any]]:
    """Before and after, modality weights and report, for each picture."""
    from ..mmsr_core.image import resize_bicubic

    views = []
    for index, result in enumerate(results[:MAX_VIEWS]):
        after = shrink(result.images[0], VIEW_SIDE)
        before = picture.rgb[index if picture.batch > 1 else 0]
        size = (after.shape[-2], after.shape[-1])
        steps = getattr(result.report, "modality_weights_by_step", None)
        last = result.report.modality_weights
        views.append(
            {
                "view": "compare",
                "labels": ["input", "restored"],
                "width": result.images.shape[-1],
                "height": result.images.shape[-2],
                "before": resize_bicubic(before[None], size)[0],
                "after": after,
                "steps": list(steps) if steps else [last] if last else [],
                "maps": {k: shrink(v[0], MAP_SIDE) for k, v in _maps(result).items()},
                "report": result.report.to_dict()
                | {"kernel_scale": result.estimate.kernel_field.scale},
                "text": result.report.summary(),
            }
        )
    return views


def compare_view(before: Tensor, after: Tensor, labels: Sequence[str], text: str) -> dict[str, Any]:
    """Two pictures `(3,H,W)` of the same size, to be slid over each other."""
    return {
        "view": "compare",
        "labels": list(labels),
        "width": after.shape[-1],
        "height": after.shape[-2],
        "before": shrink(before, VIEW_SIDE),
        "after": shrink(after, VIEW_SIDE),
        "steps": [],
        "maps": {},
        "report": None,
        "text": text,
    }


def merge_views(
    upscaled: Tensor, results: Sequence[PriorResult], texts: Sequence[str]
) -> list[dict[str, Any]]:
    """The other upscaler's picture `(B,3,H,W)` over the merged one, and where it was followed."""
    from ..mmsr_core.image import resize_bicubic

    views = []
    for index, result in enumerate(results[:MAX_VIEWS]):
        after = result.images[0]
        before = upscaled[index if upscaled.shape[0] > 1 else 0]
        fitted = resize_bicubic(before[None], (after.shape[-2], after.shape[-1]))[0]
        share = float(result.weight_map.mean())
        views.append(
            compare_view(fitted, after, ("upscaled", "merged"), texts[index])
            | {
                "steps": [{"prior": share, "faithful": 1 - share}],
                "maps": {"prior": shrink(result.weight_map[0], MAP_SIDE)},
            }
        )
    return views


def shrink(planes: Tensor, side: int) -> Tensor:
    """`(C,H,W)` with its longer side at most `side`; smaller ones are left alone."""
    height, width = planes.shape[-2:]
    longest = max(height, width)
    if longest <= side:
        return planes
    size = (max(1, round(height * side / longest)), max(1, round(width * side / longest)))
    small = F.interpolate(planes[None].float(), size=size, mode="bilinear", antialias=True)
    return small[0]


def _maps(result: RestorationOutput) -> dict[str, Tensor]:
    maps = dict(result.weight_maps)
    attention = getattr(result, "prompt_mask", None)
    if attention is not None:
        maps["prompt attention"] = attention.float().cpu()
    return maps


def _places(length: int, most: int) -> Tensor:
    """Indices of at most `most` LR pixels, each in the middle of its share."""
    count = min(length, most)
    return ((torch.arange(count) + 0.5) * length / count).floor().long().clamp(max=length - 1)


def _kernels_at(field: KernelField, rows: Tensor, cols: Tensor) -> Tensor:
    """Dense kernels `(rows * cols, 441)` at chosen LR pixels only."""
    lines = []
    for row in rows.tolist():
        one = field.dense(slice(row, row + 1)) if field.width <= 4096 else None
        if one is None:
            parts = [field.dense(slice(row, row + 1), slice(c, c + 1)) for c in cols.tolist()]
            lines.append(torch.cat(parts, dim=-1)[0, :, 0])
        else:
            lines.append(one[0, :, 0, cols.to(one.device)])
    return torch.cat([line.float().cpu().T for line in lines])


def _atlas(kernels: Tensor, rows: int, cols: int) -> Tensor:
    """`(N,441)` in 0..1 to one picture `(1,rows*21,cols*21)`, a kernel per place."""
    side = round(kernels.shape[1] ** 0.5)
    square = kernels.reshape(rows, cols, side, side).permute(0, 2, 1, 3)
    return square.reshape(1, rows * side, cols * side)


def _numbers(values: Tensor, digits: int = 3) -> list[float]:
    return [round(value, digits) for value in values.flatten().tolist()]


def _heading(index: int, count: int) -> str:
    return f"picture {index + 1} of {count}\n" if count > 1 else ""
