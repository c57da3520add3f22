"""MMSR: measure what is wrong with a picture, restore it, and prove that the result agrees with it.

    import mmsr_core as mmsr

    pipe = mmsr.load_pipeline("small")
    out = pipe(mmsr.load_image("photo.jpg").rgb, scale=4)
    mmsr.save_image("restored.png", out.images)

The names below are imported when they are first used: `import mmsr_core` does no torch work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .degradation import KernelField
    from .errors import InputError, MMSRError
    from .image import TargetSize, load_image, save_image
    from .pipeline import (
        Conditioning,
        DegradationEstimate,
        HoldToInput,
        MeasuredGuide,
        MMSREngine,
        MMSRPipeline,
        Overrides,
        PriorModel,
        PriorResult,
        RestorationOutput,
        RestorationReport,
        combine_prior,
        enlarge_alpha,
        load_pipeline,
        load_prior_model,
    )
    from .types import Progress

__version__ = "0.1.0"

__all__ = [
    "Conditioning",
    "DegradationEstimate",
    "HoldToInput",
    "InputError",
    "KernelField",
    "MMSREngine",
    "MMSRError",
    "MMSRPipeline",
    "MeasuredGuide",
    "Overrides",
    "PriorModel",
    "PriorResult",
    "Progress",
    "RestorationOutput",
    "RestorationReport",
    "TargetSize",
    "__version__",
    "combine_prior",
    "enlarge_alpha",
    "load_image",
    "load_pipeline",
    "load_prior_model",
    "save_image",
]

_ROOMS = {
    ".degradation": ("KernelField",),
    ".errors": ("InputError", "MMSRError"),
    ".image": ("TargetSize", "load_image", "save_image"),
    ".pipeline": (
        "Conditioning",
        "DegradationEstimate",
        "HoldToInput",
        "MMSREngine",
        "MMSRPipeline",
        "MeasuredGuide",
        "Overrides",
        "PriorModel",
        "PriorResult",
        "RestorationOutput",
        "RestorationReport",
        "combine_prior",
        "enlarge_alpha",
        "load_pipeline",
        "load_prior_model",
    ),
    ".types": ("Progress",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(room, __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
