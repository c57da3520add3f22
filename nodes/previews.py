"""Hands a node's views to the frontend: pictures become files in the host's temporary folder."""

from __future__ import annotations

import json
import math
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
    """The `ui` part of a node's output: the name of a JSON file with the views.

    Every picture tensor `(C,H,W)` in them becomes a file of its own. Only the name travels in the
    host's messages and history.
    """
    folder = _folder()
    name = f"{uuid.uuid4().hex}.json"
    text = json.dumps({"version": 1, "views": _stored(views)}, allow_nan=False)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)
    return {"mmsr": [_named(name)]}


def _folder() -> str:
    folder = os.path.join(folder_paths.get_temp_directory(), FOLDER)
    os.makedirs(folder, exist_ok=True)
    return folder


def _named(name: str) -> dict[str, str]:
    return {"filename": name, "subfolder": FOLDER, "type": "temp"}


def _stored(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _write(value)
    if isinstance(value, dict):
        return {key: _stored(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stored(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no infinity: the agreement of equal pictures
    return value


def _write(planes: Tensor) -> dict[str, str]:
    pixels = planes.detach().to(device="cpu", dtype=torch.float32).clamp(0.0, 1.0)
    array = pixels.mul(255.0).round().to(torch.uint8).movedim(0, -1).contiguous().numpy()
    # Maps and kernels are data: no JPEG for them.
    colour = array.shape[-1] == 3
    name = f"{uuid.uuid4().hex}.{'jpg' if colour else 'png'}"
    path = os.path.join(_folder(), name)
    if colour:
        Image.fromarray(array).save(path, quality=JPEG_QUALITY, subsampling=0)
    else:
        Image.fromarray(array[..., 0]).save(path, compress_level=1)
    return _named(name)
