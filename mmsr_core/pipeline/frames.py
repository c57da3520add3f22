"""The frames of a clip, restored one after the other and steadied along their motion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import consistency_db
from ..errors import InputError
from ..image import luminance, smooth
from ..image.optical_flow import follows_every_point, inside, optical_flow, warp
from .frame_memory import FrameMemory
from .results import RestorationOutput

DEFAULT_SPAN = 3
LARGEST_SPAN = 8
FLOW_FACTOR = 2
"""The motion is looked for at so many times the size of the input, or the result's if smaller."""
TOLERANCE = 10 / 255
"""Std of the luma by which a neighbour may differ and still count by 0.6: flicker is smaller, what
has moved elsewhere is not."""
_WINDOW_PX = 2.0  # std of the neighbourhood in which two frames are compared
_CUT_SIDE, _CUT_DIFFERENCE = 16, 0.1
Restore = Callable[[Tensor, FrameMemory], RestorationOutput]
"""Restores one frame `(1,3,h,w)` with what is known of the frames before."""


@dataclass
class _Frame:
    lr: Tensor
    output: RestorationOutput
    view: Tensor
    """The result at the size at which motion is looked for."""


def restore_frames(
    restore: Restore, frames: Iterable[Tensor], span: int
) -> Iterator[RestorationOutput]:
    """Results in the order of the frames; each comes when `span` frames after it are restored.

    Every result is a mean of its own and those of up to `span` neighbours on each side, moved by
    optical flow and weighed at every place by how well they agree there. A cut ends a shot: nothing
    is carried over it.

    Args:
        restore: restores one frame.
        frames: `(1,3,h,w)` each, 0..1, all of one size; read one at a time.
        span: neighbours on each side, 0 to 8.

    Raises:
        InputError: a frame of another size.
    """
    shot: list[_Frame] = []
    memory, done, last = FrameMemory(), 0, None
    for number, lr in enumerate(frames, 1):
        if last is not None and lr.shape != last.shape:
            raise InputError(
                f"Frame {number} has {lr.shape[-1]}x{lr.shape[-2]} pixels, but the first "
                f"{last.shape[-1]}x{last.shape[-2]}: the frames of a clip have one size."
            )
        if last is not None and is_cut(last, lr):
            yield from (_steady(shot, i, span) for i in range(done, len(shot)))
            shot, memory, done = [], FrameMemory(), 0
        last = lr
        output = restore(lr, memory)
        shot.append(_Frame(lr, output, _view(output.images, lr)))
        if len(shot) - done > span:
            yield _steady(shot, done, span)
            done += 1
            if done > span:  # the first frame is too far from those that are still to come
                shot.pop(0)
                done -= 1
    yield from (_steady(shot, i, span) for i in range(done, len(shot)))


def is_cut(before: Tensor, after: Tensor) -> bool:
    """Whether two frames `(1,3,h,w)` of one size seem to show different scenes."""
    size = [min(_CUT_SIDE, side) for side in after.shape[-2:]]
    one, other = (F.interpolate(luminance(f), size, mode="area") for f in (before, after))
    return float((one - other).abs().mean()) > _CUT_DIFFERENCE


def agreement(moved: Tensor, own: Tensor) -> Tensor:
    """Weight `(1,1,H,W)`, 0..1, of a neighbour `(1,3,H,W)` that was moved onto a frame's result."""
    difference = smooth(luminance(moved - own).square(), _WINDOW_PX)
    return torch.exp(-0.5 * difference / TOLERANCE**2)


def _view(images: Tensor, lr: Tensor) -> Tensor:
    wanted = [
        min(FLOW_FACTOR * a, b) for a, b in zip(lr.shape[-2:], images.shape[-2:], strict=True)
    ]
    return F.interpolate(images, wanted, mode="area")


def _steady(shot: list[_Frame], index: int, span: int) -> RestorationOutput:
    """The output of one frame, its pictures steadied."""
    frame = shot[index]
    own = frame.output.images
    total, weights = own.clone(), torch.ones_like(own[:, :1])
    for other in shot[max(0, index - span) : index + span + 1]:
        if other is frame:
            continue
        flow = _to_size(optical_flow(other.view, frame.view), own.shape[-2:])
        moved = warp(other.output.images, flow)
        weight = agreement(moved, own) * inside(flow)
        total += weight * moved
        weights += weight
    if len(shot) == 1 or not span:
        return frame.output
    images = (total / weights).clamp_(0, 1)
    shared = 1 - float((1 / weights).mean())
    return _renewed(frame, images, shared)


def _to_size(flow: Tensor, size: tuple[int, ...]) -> Tensor:
    factors = flow.new_tensor([new / old for new, old in zip(size, flow.shape[-2:], strict=True)])
    wide = F.interpolate(flow, size, mode="bilinear", align_corners=False)
    return wide * factors.flip(0).view(1, 2, 1, 1)


def _renewed(frame: _Frame, images: Tensor, shared: float) -> RestorationOutput:
    """The output with other pictures, their agreement with the input measured anew."""
    output, field = frame.output, frame.output.estimate.kernel_field
    report = output.report
    note = f"steadied: {shared:.0%} of the picture comes from other frames"
    if not follows_every_point():
        note += " (without OpenCV only a shift of the whole picture is followed)"
    notes = [*report.notes, note]
    agreed = dict(report.consistency_db)
    size = (field.height * field.scale, field.width * field.scale)
    if images.shape[-2:] == size and (field.height, field.width) == frame.lr.shape[-2:]:
        found = consistency_db(images.to(field.data), frame.lr.to(field.data), field)
        agreed["after"] = round(float(found.mean()), 2)
    report = replace(report, notes=notes, consistency_db=agreed)
    return replace(output, images=images, report=report)
