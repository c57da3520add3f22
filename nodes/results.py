"""What every node that restores hands back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .convert import Picture, join_image
from .host_api import io
from .previews import show
from .runtime import check_interrupted
from .views import report_text, restoration_views

if TYPE_CHECKING:
    from ..mmsr_core.pipeline import MMSREngine, RestorationOutput


def restored(
    pipeline: MMSREngine, picture: Picture, results: Sequence[RestorationOutput], *more: Any
) -> io.NodeOutput:
    """The pictures with their alpha, the report in words, `more` outputs, and the view."""
    images = torch.cat([result.images for result in results])
    size = (images.shape[-2], images.shape[-1])
    alpha = larger_alpha(pipeline, picture.alpha, results[0].report.scale, size)
    image = join_image(images, alpha)
    text = report_text([result.report for result in results])
    return io.NodeOutput(image, text, *more, ui=show(restoration_views(picture, results)))


def larger_alpha(
    pipeline: MMSREngine,
    alpha: Tensor | None,
    scale: int,
    size: tuple[int, int],
    tile: int | None = None,
) -> Tensor | None:
    """An alpha at the size of the result; the host's Stop ends it."""
    from ..mmsr_core.pipeline import enlarge_alpha

    return enlarge_alpha(pipeline, alpha, scale, size, tile, lambda _: check_interrupted())


def report_output() -> io.Output:
    """The output that goes with the text."""
    return io.String.Output(
        "report",
        display_name="report",
        tooltip="Agreement with the input, blur, noise, time and memory, in words.",
    )
