"""Other people's upscale models (ESRGAN, SwinIR, DAT, ...), run as priors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, WeightsError
from ..optional import require
from . import inputs

TILE_PX = 384
"""Side of a tile of the input, without its margins."""
MARGIN_PX = 32


class PriorModel:
    """An upscale model, called on pictures of any size."""

    def __init__(self, model: Any, tile_px: int | None = TILE_PX) -> None:
        """Wrap what spandrel loads, or what has its interface.

        Args:
            model: has `scale`; a call takes `(B,3,h,w)`, 0..1, to `(B,3,h*scale,w*scale)`.
            tile_px: side of a tile of the input; None runs whole pictures.
        """
        self._model = model
        self._tile_px = tile_px
        self.scale = int(model.scale)

    @torch.no_grad()
    def __call__(self, lr: Tensor, callback: Callable[[], None] = lambda: None) -> Tensor:
        """Enlarge pictures.

        Tiles have margins of 32 px, which are cut off: a model that looks further than that may
        differ from an untiled run by a trace.

        Args:
            lr: `(B,3,h,w)`, 0..1.
            callback: called before every tile; it may raise to end the run.

        Returns:
            `(B,3,h*scale,w*scale)`, 0..1, on the device of `lr`.
        """
        lr = inputs.check_picture("lr", lr)
        height, width = lr.shape[-2:]
        tile = self._tile_px or max(height, width)
        scale = self.scale
        made = lr.new_empty((*lr.shape[:2], height * scale, width * scale))
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                callback()
                bottom, right = min(top + tile, height), min(left + tile, width)
                y, x = max(0, top - MARGIN_PX), max(0, left - MARGIN_PX)
                part = lr[..., y : bottom + MARGIN_PX, x : right + MARGIN_PX]
                big = self._model(part)
                rows = slice((top - y) * scale, (bottom - y) * scale)
                cols = slice((left - x) * scale, (right - x) * scale)
                place = made[..., top * scale : bottom * scale, left * scale : right * scale]
                place.copy_(big[..., rows, cols])
        return made.clamp_(0, 1)


def check_prior_file(path: str | Path) -> None:
    """Find out, before anything is loaded, whether the file of an upscale model is there.

    Raises:
        WeightsError: it is not.
    """
    if not Path(path).is_file():
        raise WeightsError(f"There is no file {path}; give the file of an upscale model.")


def load_prior_model(path: str | Path, device: str | torch.device = "cpu") -> PriorModel:
    """Load any single-picture upscale model that spandrel knows.

    Args:
        path: a `.pth`, `.safetensors`, ... file. Pickled code is not run.
        device: where it shall run.

    Raises:
        WeightsError: the file is missing, or is no such model.
        MissingPackageError: spandrel is not installed.
        InputError: the model is not for RGB pictures.
    """
    check_prior_file(path)
    spandrel = require("spandrel", "priors", "--prior-model")
    try:
        model = spandrel.ModelLoader(device=torch.device(device)).load_from_file(path)
    except Exception as error:  # spandrel passes on whatever its readers raise
        raise WeightsError(f"{path} is no upscale model that spandrel can read: {error}") from error
    if not isinstance(model, spandrel.ImageModelDescriptor):
        raise WeightsError(f"{path} is a {model.purpose} model; expected one for single pictures.")
    if model.input_channels != 3 or model.output_channels != 3:
        raise InputError(
            f"{path} takes {model.input_channels} channels and gives {model.output_channels}; "
            "expected RGB, 3 and 3."
        )
    model.eval()
    tiles = model.tiling == spandrel.ModelTiling.SUPPORTED
    return PriorModel(model, TILE_PX if tiles else None)
