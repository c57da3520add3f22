"""Depth estimators under one call: the built-in network, or any depth model of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError
from torch import Tensor

from ..errors import ShapeError, WeightsError
from ..models.depth_net import DepthNet
from ..models.network import load_network
from ..optional import require
from .builtin import estimate_depth_builtin
from .normalise import normalise_depth, resize_picture
from .preprocess import Preprocessor, read_preprocessor

METRIC_MODELS = frozenset({"chmv2", "glpn", "prompt_depth_anything", "zoedepth"})
"""Model types of transformers whose output is distance, not inverse distance."""
_MAX_ASPECT = 8
_LOAD_ERRORS = (OSError, ValueError, RuntimeError, SafetensorError)


@runtime_checkable
class DepthBackend(Protocol):
    """Anything that estimates depth."""

    def __call__(self, image: Tensor) -> Tensor:
        """`(B,3,H,W)` in 0..1 to inverse depth `(B,1,H,W)` in 0..1, near = 1."""
        ...


class BuiltinDepth:
    """The built-in network as a `DepthBackend`."""

    def __init__(self, net: DepthNet, max_side: int = 256) -> None:
        """Args: the network, and the longest side that it sees."""
        self.net = net.eval()
        self.max_side = max_side

    def __call__(self, image: Tensor) -> Tensor:
        """See `DepthBackend`."""
        return estimate_depth_builtin(self.net, image, self.max_side)


class TransformersDepth:
    """A depth model of transformers as a `DepthBackend`."""

    def __init__(self, model: torch.nn.Module, preprocessor: Preprocessor, metric: bool) -> None:
        """Wrap a loaded model.

        Args:
            model: called with `pixel_values`, returns an output with `predicted_depth`.
            preprocessor: makes `pixel_values` from pictures.
            metric: the model gives distance, which is inverted here.
        """
        self.model = model.eval()
        self.preprocessor = preprocessor
        self.metric = metric

    def __call__(self, image: Tensor) -> Tensor:
        """See `DepthBackend`."""
        if image.ndim != 4 or image.shape[1] != 3 or image.numel() == 0:
            raise ShapeError("image", "(B,3,H,W)", tuple(image.shape))
        height, width = image.shape[-2:]
        sane = (max(height, -(-width // _MAX_ASPECT)), max(width, -(-height // _MAX_ASPECT)))
        picture = resize_picture(image.detach().float(), sane).clamp(0, 1)
        parameter = next(self.model.parameters())
        with torch.no_grad():
            pixels = self.preprocessor(picture).to(parameter.device, parameter.dtype)
            depth = self.model(pixel_values=pixels).predicted_depth.float()
        depth = depth.reshape(image.shape[0], 1, *depth.shape[-2:])
        if self.metric:
            depth = 1 / depth.clamp_min(1e-3)
        return normalise_depth(resize_picture(depth.to(image.device), (height, width)))


def load_depth_backend(
    name_or_folder: str | Path,
    device: str | torch.device = "cpu",
    *,
    metric: bool | None = None,
    local_files_only: bool = False,
) -> DepthBackend:
    """Load a depth estimator.

    Args:
        name_or_folder: a folder with a saved model (of transformers, or the built-in network),
            or the hub name of a model such as `depth-anything/Depth-Anything-V2-Small-hf`. Code
            that comes with a model is never run.
        device: where it runs.
        metric: whether the model gives distance. Without it, known from the model's configuration.
        local_files_only: never use the network.
    """
    source = str(name_or_folder)
    folder = Path(name_or_folder)
    if folder.exists() or isinstance(name_or_folder, Path):
        if not (folder / "config.json").is_file():
            raise WeightsError(
                f"{folder} has no depth model: config.json is missing. Give a folder written by "
                "save_pretrained, or the name of a model on the hub."
            )
        if _class_name(folder / "config.json") == "DepthNet":
            net = _load_builtin(folder)
            net.requires_grad_(False).to(device=torch.device(device))  # type: ignore[call-arg]
            return BuiltinDepth(net)
    return _load_transformers(source, torch.device(device), metric, local_files_only)


def _class_name(path: Path) -> str:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path} cannot be read as JSON ({error}); download the model again."
        ) from error
    return str(config.get("_class_name", "")) if isinstance(config, dict) else ""


def _load_builtin(folder: Path) -> DepthNet:
    return load_network(folder, DepthNet)


def _load_transformers(
    source: str, device: torch.device, metric: bool | None, local_files_only: bool
) -> TransformersDepth:
    transformers = require("transformers", "transformers", "A depth model of transformers")
    try:
        config: Any = transformers.AutoConfig.from_pretrained(
            source, local_files_only=local_files_only, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"No depth model found at {source!r}: {_line(error)} Expected a folder with "
            "config.json and model.safetensors, or the name of a depth model on the hub."
        ) from error
    try:
        model, info = transformers.AutoModelForDepthEstimation.from_pretrained(
            source, config=config, use_safetensors=True, output_loading_info=True,
            local_files_only=local_files_only, trust_remote_code=False,
        )  # fmt: skip
    except _LOAD_ERRORS as error:
        raise WeightsError(
            f"{source!r} (model type {config.model_type!r}) cannot be loaded as a depth model: "
            f"{_line(error)} Expected a model of AutoModelForDepthEstimation with "
            "model.safetensors."
        ) from error
    if info["missing_keys"]:
        raise WeightsError(
            f"The weights of {source!r} lack {len(info['missing_keys'])} tensors, "
            f"{sorted(info['missing_keys'])[0]!r} among them; download the model again."
        )
    declared = getattr(config, "depth_estimation_type", None) == "metric"
    inverted = metric if metric is not None else declared or config.model_type in METRIC_MODELS
    preprocessor = read_preprocessor(source, config, local_files_only)
    return TransformersDepth(model.to(device), preprocessor, bool(inverted))


def _line(error: BaseException) -> str:
    """The first line of an error, ending in a full stop."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0].strip()
    return text if text.endswith(".") else text + "."
