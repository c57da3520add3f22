"""Where the points of one picture lie in another one of the same scene, and moving it there."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ShapeError
from .luma import luminance
from .registration import register

_LEAST_SIDE = 32
"""Smaller pictures are taken not to move: both methods need some structure."""


def follows_every_point() -> bool:
    """Whether OpenCV is there; without it one shift of the whole picture is followed."""
    return find_spec("cv2") is not None


def optical_flow(source: Tensor, target: Tensor) -> Tensor:
    """Dense flow by OpenCV's DIS (Kroeger et al. 2016, arXiv 1603.03590), on the CPU.

    Without OpenCV (extra `video`): the shift of the whole picture, see `register`.

    Args:
        source: `(1,3,H,W)`, 0..1.
        target: `(1,3,H,W)`.

    Returns:
        `(1,2,H,W)`, px to the right and down: the point `(y, x)` of `target` lies at
        `(y + flow[1], x + flow[0])` of `source`. On the device of `target`.

    Raises:
        ShapeError: the pictures differ in size.
    """
    if source.shape != target.shape or source.shape[0] != 1:
        raise ShapeError("source", f"(1,3,H,W) as the target's {tuple(target.shape)}", source.shape)
    size = target.shape[-2:]
    if min(size) < _LEAST_SIDE:
        return target.new_zeros((1, 2, *size))
    if not follows_every_point():
        _, shift = register(source, target)
        return shift.flip(1).to(target).view(1, 2, 1, 1).expand(1, 2, *size)
    cv2 = import_module("cv2")
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    method.setFinestScale(0)  # the usual preset stops at half of the resolution
    planes = [
        luminance(picture)[0, 0].mul(255).round().clamp(0, 255).byte().cpu().numpy()
        for picture in (target, source)
    ]
    found = torch.from_numpy(method.calc(*planes, None))
    return found.permute(2, 0, 1)[None].to(target)


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """`picture` as it looks from where `flow` was found for; bicubic, the border is repeated.

    Args:
        picture: `(B,C,H,W)`.
        flow: `(B,2,H,W)`, px to the right and down.
    """
    return F.grid_sample(
        picture, _places(flow), mode="bicubic", padding_mode="border", align_corners=True
    )


def inside(flow: Tensor) -> Tensor:
    """Whether the flow leads to a point of the picture: `(B,1,H,W)` bool."""
    return (_places(flow).abs() <= 1).all(-1)[:, None]


def _places(flow: Tensor) -> Tensor:
    """Sampling places `(B,H,W,2)` in -1..1."""
    height, width = flow.shape[-2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)
    cols = torch.arange(width, device=flow.device, dtype=flow.dtype)
    x = (cols + flow[:, 0]) * (2 / max(1, width - 1)) - 1
    y = (rows[:, None] + flow[:, 1]) * (2 / max(1, height - 1)) - 1
    return torch.stack((x, y), -1)
