"""Hands a node's views to the frontend: pictures become files in the host's temporary folder."""

from __future__ import annotations

import os
import uuid
from typing import Any

import folder_paths
import torch
from PIL import Image
from torch import Tensor

FOLDER = "mmsr"
JPEG_QUALITY = 95


def show(views: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The `ui` part of a node's output: every picture tensor `(C,H,W)` replaced by its file."""
    return {"mmsr": [_stored(view) for view in views]}


def _stored(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _write(value)
    if isinstance(value, dict):
        return {key: _stored(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stored(item) for item in value]
    return value


def _write(planes: Tensor) -> dict[str, str]:
    pixels = planes.detach().to(device="cpu", dtype=torch.float32).clamp(0.0, 1.0)
    array = pixels.mul(255.0).round().to(torch.uint8).movedim(0, -1).contiguous().numpy()
    folder = os.path.join(folder_paths.get_temp_directory(), FOLDER)
    os.makedirs(folder, exist_ok=True)
    # Maps and kernels are data: no JPEG for them.
    colour = array.shape[-1] == 3
    name = f"{uuid.uuid4().hex}.{'jpg' if colour else 'png'}"
    path = os.path.join(folder, name)
    if colour:
        Image.fromarray(array).save(path, quality=JPEG_QUALITY, subsampling=0)
    else:
        Image.fromarray(array[..., 0]).save(path, compress_level=1)
    return {"filename": name, "subfolder": FOLDER, "type": "temp"}
