"""Depth from the built-in network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, ShapeError
from ..models.depth_net import DepthNet
from .normalise import normalise_depth, resize_picture

MIN_SIDE = 128


def working_size(height: int, width: int, max_side: int) -> tuple[int, int]:
    """The size at which a picture is looked at: long side between `MIN_SIDE` and `max_side`."""
    longest = max(height, width)
    wanted = min(max(longest, min(MIN_SIDE, max_side)), max_side)
    return max(1, round(height * wanted / longest)), max(1, round(width * wanted / longest))


def estimate_depth_builtin(net: DepthNet, image: Tensor, max_side: int = 256) -> Tensor:
    """Normalised inverse depth of the whole picture.

    The picture is shrunk (antialiased) to at most `max_side`, or a very small one enlarged to
    128, so that the network sees all of it at a size it knows; the depth comes back at the
    picture's size.

    Args:
        net: the network.
        image: `(B,3,H,W)` in 0..1.
        max_side: longest side that the network sees.

    Returns:
        `(B,1,H,W)` float32 in 0..1, near = 1, on the picture's device.
    """
    if image.ndim != 4 or image.shape[1] != 3 or image.numel() == 0:
        raise ShapeError("image", "(B,3,H,W)", tuple(image.shape))
    if max_side < 16:
        raise InputError(f"max_side must be at least 16, not {max_side}.")
    height, width = image.shape[-2:]
    with torch.no_grad():
        small = resize_picture(image.float(), working_size(height, width, max_side)).clamp(0, 1)
        depth = net(small.to(net.device)).float().to(image.device)
        if min(depth.shape[-2:]) > 2:  # the outermost pixels of the net are unreliable
            depth = F.pad(depth[..., 1:-1, 1:-1], (1, 1, 1, 1), mode="replicate")
    return normalise_depth(resize_picture(depth, (height, width)))
