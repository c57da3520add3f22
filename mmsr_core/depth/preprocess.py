"""Preparing pictures for depth models: by their own processor, or from its settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .normalise import resize_picture

Preprocessor = Callable[[Tensor], Tensor]
"""`(B,3,H,W)` in 0..1 to `pixel_values`."""
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class SettingsPreprocessor:
    """Resizing and normalisation as a `preprocessor_config.json` asks for, without a processor."""

    size: tuple[int, int] | None = (518, 518)
    """Height and width to fit; None leaves the size alone."""
    keep_aspect_ratio: bool = True
    multiple: int = 14
    mean: tuple[float, ...] | None = _MEAN
    std: tuple[float, ...] | None = _STD

    def __call__(self, image: Tensor) -> Tensor:
        """See `Preprocessor`."""
        height, width = image.shape[-2:]
        goal_h, goal_w = self.size or (height, width)
        ratio_h, ratio_w = goal_h / height, goal_w / width
        if self.keep_aspect_ratio:
            ratio_h = ratio_w = min(ratio_h, ratio_w, key=lambda r: abs(1 - r))
        size = (self._fit(height * ratio_h), self._fit(width * ratio_w))
        picture = resize_picture(image, size)
        if self.mean is None or self.std is None:
            return picture
        mean = torch.tensor(self.mean, device=image.device).view(1, -1, 1, 1)
        std = torch.tensor(self.std, device=image.device).view(1, -1, 1, 1)
        return (picture - mean) / std

    def _fit(self, length: float) -> int:
        return max(1, round(length / self.multiple)) * self.multiple

    @classmethod
    def from_settings(cls, settings: dict[str, Any], patch: int, side: int) -> SettingsPreprocessor:
        """From the contents of `preprocessor_config.json` (may be empty).

        Args:
            settings: the file's contents.
            patch: the model's patch size, the least multiple of the input size.
            side: the model's own picture size, for settings without one.
        """
        size = settings.get("size", side)
        if isinstance(size, dict):
            shortest = size.get("shortest_edge", side)
            size = (size.get("height", shortest), size.get("width", shortest))
        elif isinstance(size, int):
            size = (size, size)
        plain = not settings.get("do_normalize", True)
        return cls(
            size=(int(size[0]), int(size[1])) if settings.get("do_resize", True) else None,
            keep_aspect_ratio=bool(settings.get("keep_aspect_ratio", True)),
            multiple=int(np.lcm(int(settings.get("ensure_multiple_of") or 1), patch)),
            mean=None if plain else tuple(settings.get("image_mean") or _MEAN),
            std=None if plain else tuple(settings.get("image_std") or _STD),
        )


class ProcessorAdapter:
    """A processor of transformers as a `Preprocessor`."""

    def __init__(self, processor: Any) -> None:
        """Args: the processor."""
        self._processor = processor
        self._options: dict[str, Any] = {
            "input_data_format": "channels_last",
            "return_tensors": "pt",
        }
        if hasattr(processor, "do_pad"):
            self._options["do_pad"] = False

    def __call__(self, image: Tensor) -> Tensor:
        """See `Preprocessor`."""
        pictures = (image.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).cpu().numpy()
        values = self._processor(images=list(pictures), **self._options)["pixel_values"]
        return torch.as_tensor(values)


def read_preprocessor(source: str, config: Any, local_files_only: bool = False) -> Preprocessor:
    """The model's own processor where it can be used here, else the same steps from its settings.

    Args:
        source: folder or hub name.
        config: the model's configuration.
        local_files_only: never use the network.
    """
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(
            source, local_files_only=local_files_only, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError, KeyError):
        pass  # No settings file, or a processor that needs a library which is not there.
    else:
        return ProcessorAdapter(processor)
    backbone = getattr(config, "backbone_config", None)
    patch = getattr(config, "patch_size", None) or getattr(backbone, "patch_size", None) or 1
    side = getattr(backbone, "image_size", None) or getattr(config, "image_size", None) or 384
    patch, side = (int(v[0]) if isinstance(v, (list, tuple)) else int(v) for v in (patch, side))
    return SettingsPreprocessor.from_settings(_settings(source), patch, side)


def _settings(source: str) -> dict[str, Any]:
    path = Path(source) / "preprocessor_config.json"
    if not path.is_file():
        return {}
    loaded = json.loads(path.read_text(encoding="utf-8"))
    return loaded if isinstance(loaded, dict) else {}
