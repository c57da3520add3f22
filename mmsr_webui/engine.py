"""The restoration engine inside the host: loaded once, on the host's device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .settings import setting

if TYPE_CHECKING:
    import torch

    from mmsr_core.pipeline import MMSREngine

_loaded: dict[tuple[str, str, str], MMSREngine] = {}


def models_folder() -> Path:
    """Where the user's own models are: `--mmsr-models-path`, or `models/MMSR` of the host."""
    from modules import paths, shared

    given = getattr(shared.cmd_opts, "mmsr_models_path", None)
    return Path(given or os.path.join(paths.models_path, "MMSR"))


def available_models() -> dict[str, Path]:
    """Names and folders: the models that ship, then the user's own."""
    from mmsr_core.weights import available_weights, missing_parts

    found = dict(available_weights())
    root = models_folder()
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if path.is_dir() and not missing_parts(path):
            found.setdefault(path.name, path)
    return found


def model_names() -> list[str]:
    """The choices in the settings: the model that everybody has comes first."""
    return sorted(available_models(), key=lambda name: (name != "small", name))


def host_device() -> torch.device:
    """The device that the host computes on."""
    import torch
    from modules import shared

    return torch.device(shared.device)


@contextmanager
def running_engine() -> Iterator[MMSREngine]:
    """The engine on the host's device, in a state that suits every caller.

    hires fix calls in inference mode, Extras with gradients on. Weights and cached maps that were
    made in one could not be used in the other.
    """
    import torch

    with torch.inference_mode(False), torch.no_grad():
        engine = _engine(host_device())
        try:
            yield engine
        finally:
            if setting("mmsr_unload"):
                engine.to("cpu")
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()


def _engine(device: torch.device) -> MMSREngine:
    from mmsr_core.errors import WeightsError
    from mmsr_core.pipeline import load_pipeline
    from mmsr_core.pipeline.loading import resolve_dtype

    name, dtype = str(setting("mmsr_model")), str(setting("mmsr_dtype"))
    key = (name, dtype, str(device))
    if key not in _loaded:
        folder = available_models().get(name)
        if folder is None:
            raise WeightsError(
                f"There is no model {name!r}; there are: {', '.join(model_names())}. "
                "Choose one in Settings, MMSR."
            )
        _loaded.clear()
        compute = resolve_dtype(dtype, device)
        _loaded[key] = load_pipeline(folder, device=device, torch_dtype=compute)
    return _loaded[key].to(device)
