"""Load a model: one that ships with the pack, or a folder under `models/mmsr`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths
import torch

from ..mmsr_core.errors import InputError
from ..mmsr_core.weights import available_weights, missing_parts
from .checks import check_choice
from .host_api import io
from .inputs import TOOLS, aliases
from .payloads import ModelHandle
from .runtime import DEVICES, DTYPES, choose_device, choose_dtype, manage_pipeline
from .sockets import ModelSocket

if TYPE_CHECKING:
    from ..mmsr_core.prompts import PromptProjection

MODEL_FOLDER = "mmsr"
DEPTH_FOLDER = "mmsr_depth"
PROJECTION_FOLDER = "mmsr_projections"


def register_model_folders() -> None:
    """Tell the host about this pack's folders below `models` (nothing is created)."""
    for folder in (MODEL_FOLDER, DEPTH_FOLDER, PROJECTION_FOLDER):
        folder_paths.add_model_folder_path(folder, os.path.join(folder_paths.models_dir, folder))


def _subfolders(kind: str, complete: Callable[[Path], bool]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for root in map(Path, folder_paths.get_folder_paths(kind)):
        for path in sorted(root.iterdir()) if root.is_dir() else ():
            if complete(path):
                found.setdefault(f"{kind}/{path.name}", path)
    return found


def available_models() -> dict[str, Path]:
    """Choices shown to the user, with their folders: shipped models first."""
    shipped = available_weights()
    # The model everybody has comes first, and is the default.
    ordered = sorted(shipped, key=lambda name: (name != "small", name))
    own = _subfolders(MODEL_FOLDER, lambda path: path.is_dir() and not missing_parts(path))
    return {name: shipped[name] for name in ordered} | own


def available_depth_models() -> dict[str, Path]:
    """Folders of `transformers` depth models under `models/mmsr_depth`."""
    return _subfolders(DEPTH_FOLDER, lambda path: (path / "config.json").is_file())


def find_projection(width: int) -> PromptProjection | None:
    """The first projection for embeddings of `width` in `models/mmsr_projections`."""
    from ..mmsr_core.prompts import load_projection

    for root in map(Path, folder_paths.get_folder_paths(PROJECTION_FOLDER)):
        for path in sorted(root.glob("*.safetensors")) if root.is_dir() else ():
            projection = load_projection(path)
            if projection.weight.shape[1] == width:
                return projection
    return None


def _stamp(folder: Path) -> list[tuple[str, int, int]]:
    stamp = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            stamp.append((path.name, status.st_size, status.st_mtime_ns))
    return stamp


class LoadModelNode(io.ComfyNode):
    """Load the networks of one model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        names = list(available_models())
        return io.Schema(
            node_id="MMSR_LoadModel",
            display_name="Load MMSR Model",
            category=TOOLS,
            **aliases("checkpoint", "weights"),
            description=(
                "Loads a restoration model. The pack ships with one; put others, as diffusers "
                "folders, under models/mmsr."
            ),
            inputs=[
                io.Combo.Input(
                    "model_name",
                    display_name="model name",
                    options=names,
                    default=next(iter(names), ""),
                    tooltip=(
                        "Models without a prefix ship with the pack; those that begin with "
                        "mmsr/ are your own, from models/mmsr."
                    ),
                ),
                io.Combo.Input(
                    "device",
                    options=list(DEVICES),
                    default="auto",
                    optional=True,
                    tooltip="auto uses ComfyUI's device. cpu is slower and leaves the GPU free.",
                ),
                io.Combo.Input(
                    "dtype",
                    display_name="number format",
                    options=list(DTYPES),
                    default="auto",
                    optional=True,
                    tooltip=(
                        "Number format of the networks. auto suits the device. float32 is the "
                        "most exact, bfloat16 and float16 are faster on many GPUs."
                    ),
                ),
            ],
            outputs=[
                ModelSocket.Output("model", display_name="model", tooltip="The loaded model.")
            ],
        )

    @classmethod
    def validate_inputs(cls, model_name: str | None = None) -> bool | str:
        """Check the choice."""
        return check_choice(model_name, list(available_models()))

    @classmethod
    def fingerprint_inputs(cls, model_name: str, device: str = "auto", dtype: str = "auto") -> str:
        """Load again when the files have changed."""
        folder = available_models().get(model_name)
        return repr((model_name, device, dtype, _stamp(folder) if folder else None))

    @classmethod
    def execute(cls, model_name: str, device: str = "auto", dtype: str = "auto") -> io.NodeOutput:
        """Load the weights to the CPU; the host moves them when a node needs them."""
        return io.NodeOutput(load_model(model_name, device, dtype))


def load_model(model_name: str, device: str = "auto", dtype: str = "auto") -> ModelHandle:
    """A model by its name among the choices, on the CPU and under the host's care."""
    folder = available_models().get(model_name)
    if folder is None:
        raise InputError(
            f"model_name: there is no model {model_name!r}. "
            f"There are: {', '.join(available_models()) or 'none'}."
        )
    from ..mmsr_core.pipeline import load_pipeline
    from ..mmsr_core.pipeline.loading import resolve_dtype

    target = choose_device(device)
    # The host runs nodes in inference mode, and may move weights outside of it later.
    with torch.inference_mode(False):
        compute = resolve_dtype(choose_dtype(dtype), target)
        pipeline = load_pipeline(folder, device="cpu", torch_dtype=compute)
        pipeline.model_label = model_name
        return manage_pipeline(model_name, pipeline, target)


def connected_or_shipped(model: ModelHandle | None, name: str = "model") -> ModelHandle:
    """The connected model; where there is none, the first that ships, which is loaded once.

    Args:
        model: what is connected to the node's input.
        name: that input's name, for the error.
    """
    if model is not None:
        return model
    first = next(iter(available_models()), None)
    if first is None:
        raise InputError(
            f"{name}: none is connected, and none came with the pack. Put one under models/mmsr "
            "and connect Load MMSR Model."
        )
    return _loaded_once(first)


@lru_cache(maxsize=1)
def _loaded_once(model_name: str) -> ModelHandle:
    return load_model(model_name)
