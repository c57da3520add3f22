"""Clips whose true motion is known: a picture seen by a camera that moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mmsr_core.degradation import (
    FieldOperator,
    add_gaussian_noise,
    constant_kernel_field,
    isotropic_gaussian,
)
from mmsr_core.metrics import round_to_uint8

from .protocols import jpeg_file, seeded

Motion = Literal["still", "pan", "turn", "object"]
MOTIONS: tuple[Motion, ...] = ("still", "pan", "turn", "object")
_PAN_PX = (1.7, -2.9)
_TURN_RAD, _ZOOM = 0.006, 1.006
_OBJECT_PX = (3.3, 6.1)
_OBJECT_RADIUS = 0.14
_EDGE_PX = 8
"""Frames are not compared closer than this to their own border."""


@dataclass(frozen=True)
class Clip:
    """Frames of one scene."""

    lr: list[Tensor]
    """`(1,3,h,w)`, 8-bit values in 0..1."""
    truth: list[Tensor]
    """`(1,3,H,W)`, 0..1."""
    steady: Tensor
    """`(1,1,H,W)` bool, in the middle frame: what no object ever hides, and every frame shows."""
    to_frame: list[Tensor]
    """`(H,W,2)`: where a place of the middle frame lies in each frame, px right and down."""
    swept: list[Tensor]
    """`(1,1,H,W)` bool in each frame: where the object is, or was in a frame before or after."""


def make_clip(
    picture: Tensor,
    name: str,
    motion: Motion,
    *,
    scale: int,
    side: int,
    frames: int,
    blur_sigma_px: float,
    noise_std: float,
    jpeg_quality: int,
    seed: int,
) -> Clip:
    """A clip of a picture.

    Args:
        picture: `(1,3,H,W)` in 0..1, larger than `scale * side` by what the motion needs.
        name: of the picture; with the seed it fixes the noise.
        motion: nothing moves; a pan; a slow turn with a zoom; a pan behind an object with a motion
            of its own.
        scale: SR factor.
        side: of the inputs, px.
        frames: how many.
        blur_sigma_px: std of the blur, px of the truth.
        noise_std: 0..1 units, drawn anew in every frame.
        jpeg_quality: of every frame by itself; 100 for none.
        seed: of the benchmark.
    """
    wide, middle = scale * side, (frames - 1) / 2
    views = [_view(motion, t - middle, picture, wide) for t in range(frames)]
    places = _places(wide)
    reference = views[frames // 2]
    disc, field = (
        places - wide / 2,
        constant_kernel_field(isotropic_gaussian(blur_sigma_px, scale), side, side, scale),
    )
    operator = FieldOperator(field)
    truth, lr, masks = [], [], []
    for t, view in enumerate(views):
        frame = sample(picture, _apply(view, places))
        mask = torch.zeros(1, 1, wide, wide)
        if motion == "object":
            centre = disc - torch.tensor(_OBJECT_PX).flip(0) * (t - middle)
            mask = (_OBJECT_RADIUS * wide - centre.norm(dim=-1)).clamp(0, 1)[None, None]
            turned = picture.flip(-1, -2)
            own = centre + torch.tensor([turned.shape[-1], turned.shape[-2]]) / 2
            frame = frame.lerp(sample(turned, own), mask)
        truth.append(frame)
        masks.append(mask > 0)
        low = add_gaussian_noise(
            operator.degrade(frame), noise_std, seeded(seed, "clip", name, motion, str(t))
        )
        low = round_to_uint8(low.clamp(0, 1))
        lr.append(low if jpeg_quality >= 100 else jpeg_file(low, jpeg_quality))
    scene = _apply(reference, places)
    to_frame = [_undo(view, scene) for view in views]
    inside = [((p >= _EDGE_PX) & (p <= wide - 1 - _EDGE_PX)).all(-1)[None, None] for p in to_frame]
    hidden = [sample(m.float(), p) > 0 for m, p in zip(masks, to_frame, strict=True)]
    steady = torch.stack(inside).all(0) & ~torch.stack(hidden).any(0)
    near = [torch.stack(masks[max(0, t - 3) : t + 4]).any(0) for t in range(frames)]
    return Clip(lr, truth, steady, to_frame, near)


def temporal_std(frames: Sequence[Tensor], clip: Clip) -> float:
    """How much the scene changes from frame to frame, where only the camera moves: 0..1 units.

    The frames are brought into the middle one by the true motion; root mean square over places and
    channels of the std over the frames.

    Args:
        frames: `(1,3,H,W)` each.
        clip: what they were made of.
    """
    moved = [sample(f, p) for f, p in zip(frames, clip.to_frame, strict=True)]
    variance = torch.stack(moved).var(0).mean(1, keepdim=True)
    return float(variance[clip.steady].mean().sqrt())


def sample(picture: Tensor, places: Tensor) -> Tensor:
    """`(1,C,H,W)` at `places (h,w,2)`, px right and down; bicubic, `(1,C,h,w)`."""
    height, width = picture.shape[-2:]
    grid = (2 * places + 1) / torch.tensor([width, height]) - 1
    return F.grid_sample(
        picture, grid[None], mode="bicubic", padding_mode="reflection", align_corners=False
    ).clamp(0, 1)


@dataclass(frozen=True)
class _View:
    """Place in a frame -> place in the picture: turned and zoomed about the middle, then moved."""

    turn: Tensor
    start: Tensor
    centre: float


def _view(motion: Motion, t: float, picture: Tensor, wide: int) -> _View:
    angle, zoom, shift = 0.0, 1.0, (0.0, 0.0)
    if motion in ("pan", "object"):
        shift = (_PAN_PX[0] * t, _PAN_PX[1] * t)
    if motion == "turn":
        angle, zoom = _TURN_RAD * t, _ZOOM**t
    cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
    height, width = picture.shape[-2:]
    start = torch.tensor([(width - 1) / 2 + shift[1], (height - 1) / 2 + shift[0]])
    return _View(torch.tensor([[cos, -sin], [sin, cos]]), start, (wide - 1) / 2)


def _places(side: int) -> Tensor:
    line = torch.arange(side, dtype=torch.float32)
    down, right = torch.meshgrid(line, line, indexing="ij")
    return torch.stack((right, down), -1)


def _apply(view: _View, places: Tensor) -> Tensor:
    return (places - view.centre) @ view.turn.T + view.start


def _undo(view: _View, places: Tensor) -> Tensor:
    return (places - view.start) @ torch.linalg.inv(view.turn).T + view.centre
