"""Pictures and lines of text made from results, for the nodes' outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .convert import join_image

if TYPE_CHECKING:
    from torch import Tensor

    from ..mmsr_core.pipeline import RestorationReport
    from .convert import Picture
    from .payloads import DegradationBatch


def kernel_maps(estimates: DegradationBatch, picture: Picture) -> Tensor:
    """The blur of each picture, drawn, as one IMAGE batch."""
    from ..mmsr_core.visualize import kernel_map

    drawn = []
    for index in range(picture.batch):
        estimate = estimates.pick(index, picture.batch)
        drawn.append(kernel_map(estimate.kernel_field, picture.rgb[index : index + 1]))
    return join_image(torch.stack([one.reshape(one.shape[-3:]) for one in drawn]))


def degradation_text(estimates: DegradationBatch) -> str:
    """Noise, JPEG quality and blur of each picture in plain words."""
    lines = []
    for index, estimate in enumerate(estimates.items):
        # One width per place, as in the restoration report: the geometric mean of the two axes.
        blur = estimate.kernel_field.moments().blur_sigma_px.prod(dim=1).sqrt()
        noise = float(estimate.noise_std.reshape(-1)[0])
        quality = float(estimate.jpeg_quality.reshape(-1)[0])
        jpeg = "no JPEG damage" if quality >= 99.5 else f"JPEG quality about {quality:.0f}"
        lines.append(
            f"{_heading(index, len(estimates.items))}"
            f"blur: mean {float(blur.mean()):.2f} px, from {float(blur.min()):.2f} to "
            f"{float(blur.max()):.2f} px (standard deviation, in pixels of the result)\n"
            f"noise: {noise * 255:.1f} of 255\n"
            f"compression: {jpeg}"
        )
    return "\n\n".join(lines)


def report_text(reports: list[RestorationReport]) -> str:
    """The reports of a batch, one under the other."""
    return "\n\n".join(
        f"{_heading(index, len(reports))}{report.summary()}" for index, report in enumerate(reports)
    )


def _heading(index: int, count: int) -> str:
    return f"picture {index + 1} of {count}\n" if count > 1 else ""
