"""How a scene moves from one frame of a clip to another, and where that can be trusted.

The camera's motion is one affine map, found by least squares (Lucas & Kanade 1981, with weights
that fall where something else moves). What moves by itself is found by dense inverse search
(Kroeger et al. 2016) of OpenCV, where that is installed; without it such places are not trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import MissingPackageError
from ..optional import require
from .luma import luminance
from .smoothing import smooth

MOTION_SIDE = 768
"""Motion is looked for on frames of at most this many px on the long side."""
_LEAST_SIDE, _LEAST_DENSE_SIDE = 16, 48
_SMOOTHING_PX = 0.8
_ROUNDS = 12
_STILL_PX = 0.05
"""A camera that moves by less than this everywhere stands still."""
_WINDOW_PX = 3.0
_DENSE_GAIN, _DENSE_LEVELS = 0.8, 0.5 / 255
"""Own motion is believed where it leaves this much less than the camera's; half of it where that
leaves no more than noise: patterns that repeat fit in many ways."""
_RETURN_PX = (0.35, 0.7)
"""There and back again: misses that say nothing, and that end all trust."""
_FLOOR = 0.8 / 255


@dataclass(frozen=True)
class _Allowance:
    """How far places may differ that show the same, beside `_FLOOR`."""

    window_px: float
    """Std of the window in which differences are averaged."""
    noise: float
    """Times the difference in the quietest quarter of the frame."""
    contrast: float
    """Times the mean contrast of the place."""


_INPUT = _Allowance(1.0, 1.6, 0.25)
"""For the frames as they were given: they know what is where."""
_RESULT = _Allowance(3.0, 3.0, 1.5)
"""For results: what was restored differently is what is to be averaged."""
_OWN = _Allowance(3.0, 1.6, 0.35)
"""The same where something moves by itself, so that the motion is less sure. With these the result
of clips in which a disc moves stays better near it than frame by frame."""


@dataclass(frozen=True)
class FrameMotion:
    """From each place of one frame, the present, to the same place of the scene in another."""

    flow: Tensor
    """`(1,2,h,w)`, px right and down, on the CPU."""
    trust: Tensor
    """`(1,1,h,w)`, 0..1, on the CPU."""
    own: Tensor
    """`(1,1,h,w)`, 0..1, on the CPU: where something moves by itself."""

    def flow_at(self, size: tuple[int, int]) -> Tensor:
        """The flow for frames of another (height, width), in their px: `(1,2,*size)`."""
        height, width = self.flow.shape[-2:]
        if (height, width) == tuple(size):
            return self.flow
        wide = F.interpolate(self.flow, size=size, mode="bilinear")
        return wide * torch.tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)

    def trust_at(self, size: tuple[int, int]) -> Tensor:
        """The trust for frames of another (height, width): `(1,1,*size)`."""
        return _resized(self.trust, size)

    def trust_of(self, present: Tensor, moved: Tensor) -> Tensor:
        """How far a moved result may stand in for the present one, `(1,1,H,W)`, 0..1.

        Args:
            present: `(1,3,H,W)`, restored from the present frame.
            moved: `(1,3,H,W)`, restored from the other frame and brought onto this one.
        """
        size = (present.shape[-2], present.shape[-1])
        own = _resized(self.own, size).to(present)
        alike = _likeness(present, moved, _RESULT)
        if bool(own.any()):
            alike = alike.lerp(_likeness(present, moved, _OWN), own)
        return alike * self.trust_at(size).to(present)

    def bring(self, other: Tensor) -> Tensor:
        """The other frame, or a map of it, as it lies in the present one.

        Args:
            other: `(1,C,H,W)` of any size.
        """
        flow = self.flow_at((other.shape[-2], other.shape[-1]))
        return other.clone() if not bool(flow.any()) else sample_at(other, flow)


def motions_between(first: Tensor, second: Tensor) -> tuple[FrameMotion, FrameMotion]:
    """The motion from each of two frames to the other.

    A place is trusted where the way there and back ends where it began, inside both frames, and
    where both frames look alike there.

    Args:
        first: `(1,3,h,w)`, 0..1.
        second: `(1,3,h,w)` of the same size.
    """
    size = (first.shape[-2], first.shape[-1])
    shrink = max(1.0, max(size) / MOTION_SIDE)
    small = (max(1, round(size[0] / shrink)), max(1, round(size[1] / shrink)))
    pair = [picture.detach().cpu().float() for picture in (first, second)]
    if small != size:
        pair = [F.interpolate(p, size=small, mode="bilinear", antialias=True) for p in pair]
    (there, own_there), (back, own_back) = _flow(*pair), _flow(pair[1], pair[0])
    return (
        FrameMotion(there, _trust(pair[0], pair[1], there, back), own_there),
        FrameMotion(back, _trust(pair[1], pair[0], back, there), own_back),
    )


def sample_at(picture: Tensor, flow: Tensor) -> Tensor:
    """A picture at moved places, bicubic; beyond its border the border goes on.

    Args:
        picture: `(1,C,H,W)`.
        flow: `(1,2,H,W)`, px right and down.

    Returns:
        `(1,C,H,W)`.
    """
    on = "cpu" if picture.device.type == "mps" else picture.device  # MPS samples bilinearly only
    moved = F.grid_sample(
        picture.to(on),
        _grid(flow).to(on),
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )
    return moved.to(picture.device)


def _likeness(present: Tensor, moved: Tensor, allowance: _Allowance) -> Tensor:
    """Where a moved frame shows what the present one does: `(1,3,H,W)` twice to `(1,1,H,W)`."""
    difference = (moved - present).abs().mean(1, keepdim=True)
    difference = smooth(difference, allowance.window_px)
    plane = luminance(present)
    contrast = smooth((plane - smooth(plane, _WINDOW_PX)).abs(), _WINDOW_PX)
    quiet = _quarter(difference)
    allowed = _FLOOR + allowance.noise * quiet + allowance.contrast * contrast
    return (2 - difference / allowed).clamp(0, 1)


def _quarter(values: Tensor) -> float:
    flat = values.flatten()
    return float(flat[:: max(1, len(flat) // 65536)].quantile(0.25))


def _trust(present: Tensor, other: Tensor, flow: Tensor, back: Tensor) -> Tensor:
    grid = _grid(flow)
    inside = (grid.abs() <= 1).all(-1)[:, None]
    returned = F.grid_sample(back, grid, mode="bilinear", align_corners=False,
                             padding_mode="border")  # fmt: skip
    missed = (flow + returned).norm(dim=1, keepdim=True)
    sure = ((_RETURN_PX[1] - missed) / (_RETURN_PX[1] - _RETURN_PX[0])).clamp(0, 1)
    trust = inside * sure * _likeness(present, sample_at(other, flow), _INPUT)
    return -F.max_pool2d(-trust, 3, 1, 1)  # a neighbour that is not sure is a warning


def _resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(values.shape[-2:]) == tuple(size):
        return values
    return F.interpolate(values, size=size, mode="bilinear", antialias=True).clamp(0, 1)


def _grid(flow: Tensor) -> Tensor:
    """`(1,2,H,W)` px to what `grid_sample` takes, `(1,H,W,2)`."""
    height, width = flow.shape[-2:]
    right = torch.arange(width, dtype=flow.dtype, device=flow.device)
    down = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    x = (2 * (right + flow[:, 0]) + 1) / width - 1
    y = (2 * (down + flow[:, 1]) + 1) / height - 1
    return torch.stack((x, y), -1)


def _flow(present: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """`(1,2,h,w)`: the camera's motion, or a place's own where that explains clearly more.

    Second, `(1,1,h,w)`: where that is, and close to it.
    """
    camera = _camera_flow(present, other)
    if float(camera.abs().max()) < _STILL_PX:
        camera = torch.zeros_like(camera)
    dense = _dense_flow(present, other)
    if dense is None:
        return camera, torch.zeros_like(camera[:, :1])
    seen = [sample_at(other, flow) for flow in (camera, dense)]
    left = [smooth((moved - present).abs().mean(1, keepdim=True), _WINDOW_PX) for moved in seen]
    explained = _likeness(present, seen[0], _OWN) >= 1
    gain = torch.where(explained, _DENSE_GAIN / 2, _DENSE_GAIN)
    own = left[1] < gain * left[0] - _DENSE_LEVELS
    return torch.where(own, dense, camera), F.max_pool2d(own.float(), 3, 1, 1)


def _dense_flow(present: Tensor, other: Tensor) -> Tensor | None:
    """OpenCV's, `(1,2,h,w)`; None where it is not installed or the frames are too small."""
    if min(present.shape[-2:]) < _LEAST_DENSE_SIDE:
        return None
    try:
        cv2 = require("cv2", "frames", "Motion of single things in a clip")
    except MissingPackageError:
        return None
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    grey = [
        np.ascontiguousarray((luminance(p)[0, 0] * 255).clamp(0, 255).round().byte().numpy())
        for p in (present, other)
    ]
    return torch.from_numpy(search.calc(*grey, None)).movedim(-1, 0)[None]


def _camera_flow(present: Tensor, other: Tensor) -> Tensor:
    """One affine map for the whole frame, from coarse to fine: `(1,2,h,w)`."""
    height, width = present.shape[-2:]
    if min(height, width) < _LEAST_SIDE:
        return torch.zeros(1, 2, height, width)
    levels = [tuple(smooth(luminance(p), _SMOOTHING_PX) for p in (present, other))]
    while min(levels[-1][0].shape[-2:]) >= 2 * _LEAST_SIDE:
        halves = (F.interpolate(p, scale_factor=0.5, mode="bilinear", antialias=True)
                  for p in levels[-1])  # fmt: skip
        levels.append(tuple(halves))
    motion = torch.zeros(3, 2, dtype=torch.float64)
    last: tuple[int, int] | None = None
    for one, two in reversed(levels):
        size = (one.shape[-2], one.shape[-1])
        if last is not None:
            motion = motion * torch.tensor([size[1] / last[1], size[0] / last[0]])
        motion, last = _fitted(one, two, motion), size
    return _affine_flow(_coordinates(height, width), motion)


def _coordinates(height: int, width: int) -> Tensor:
    """`(h,w,3)`: 1, and the place right and down of the middle, -1/2..1/2."""
    right = (torch.arange(width, dtype=torch.float64) + 0.5) / width - 0.5
    down = (torch.arange(height, dtype=torch.float64) + 0.5) / height - 0.5
    y, x = torch.meshgrid(down, right, indexing="ij")
    return torch.stack((torch.ones_like(x), x, y), -1)


def _affine_flow(coordinates: Tensor, motion: Tensor) -> Tensor:
    return (coordinates @ motion).movedim(-1, 0)[None].float()


def _fitted(present: Tensor, other: Tensor, motion: Tensor) -> Tensor:
    """Gauss-Newton on the six numbers `(3,2)` of the motion."""
    height, width = present.shape[-2:]
    places = _coordinates(height, width)
    slopes = [(present.roll(-1, axis) - present.roll(1, axis))[0, 0] / 2 for axis in (-1, -2)]
    jacobian = torch.cat([s.double()[..., None] * places for s in slopes], -1).view(-1, 6)
    inner = torch.zeros(height, width)
    inner[1:-1, 1:-1] = 1  # the slopes of the outermost px are wrong
    ridge = 1e-9 * torch.eye(6, dtype=torch.float64)
    for _ in range(_ROUNDS):
        flow = _affine_flow(places, motion)
        rest = (sample_at(other, flow) - present)[0, 0].double()
        seen = (inner * (_grid(flow).abs() <= 1).all(-1)[0]).double()
        if float(seen.mean()) < 0.1:
            break
        usual = 1.5 * float(rest[seen > 0].abs().median()) + 1e-3
        weight = (seen / (1 + (rest / usual).square()).square()).flatten()
        normal = jacobian.T @ (jacobian * weight[:, None]) + ridge
        change = torch.linalg.solve(normal, jacobian.T @ (weight * rest.flatten())).view(2, 3).T
        motion = motion - change
        if float(change.abs().max()) < 1e-3:
            break
    return motion
