"""What every node that restores hands back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .convert import Picture, join_image
from .host_api import io
from .previews import show
from .runtime import HostProgress
from .views import report_text, restoration_views

if TYPE_CHECKING:
    from ..mmsr_core.pipeline import MMSREngine, RestorationOutput


def restored(
    pipeline: MMSREngine,
    picture: Picture,
    results: Sequence[RestorationOutput],
    *more: Any,
    progress: HostProgress | None = None,
) -> io.NodeOutput:
    """The pictures with their alpha, the report in words, `more` outputs, and the view.

    Args:
        pipeline: that of the results.
        picture: what was restored; an alpha of the results' size is taken as it is.
        results: one for each picture.
        more: outputs after the text.
        progress: of all pictures and, after them, of as many alphas as `alpha_runs` says.
    """
    images = torch.cat([result.images for result in results])
    size = (images.shape[-2], images.shape[-1])
    alpha = larger_alpha(pipeline, picture.alpha, results[0].report.scale, size, progress)
    image = join_image(images, alpha)
    text = report_text([result.report for result in results])
    return io.NodeOutput(image, text, *more, ui=show(restoration_views(picture, results)))


def alpha_runs(alpha: Tensor | None, scale: int) -> int:
    """How many alphas of a batch take work: none at scale 1, and none that is even."""
    if alpha is None or scale == 1:
        return 0
    return sum(_takes_work(one) for one in alpha.split(1))


def _takes_work(alpha: Tensor) -> bool:
    return bool(alpha.max() > alpha.min())


def larger_alpha(
    pipeline: MMSREngine,
    alpha: Tensor | None,
    scale: int,
    size: tuple[int, int],
    progress: HostProgress | None = None,
    tile: int | None = None,
) -> Tensor | None:
    """An alpha at the size of the result; the host's Stop ends it.

    Args:
        pipeline: that of the picture.
        alpha: `(B,1,h,w)`, 0..1; None stays None.
        scale: at which the picture was restored.
        size: (height, width) of the result.
        progress: that of the pictures, whose last items are these alphas. None is a bar of its own.
        tile: see `enlarge_alpha`.
    """
    from ..mmsr_core.pipeline import enlarge_alpha

    if alpha is None or tuple(alpha.shape[-2:]) == tuple(size):
        return alpha
    runs = alpha_runs(alpha, scale)
    bar = progress or HostProgress(runs)
    at = bar.items - runs
    made = []
    for one in alpha.split(1):
        made.append(enlarge_alpha(pipeline, one, scale, size, tile, bar.item(at)))
        at += scale != 1 and _takes_work(one)
    return torch.cat(made)


def report_output() -> io.Output:
    """The output that goes with the text."""
    return io.String.Output(
        "report",
        display_name="report",
        tooltip="Agreement with the input, blur, noise, time and memory, in words.",
    )
