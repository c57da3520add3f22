"""Pictures of what was measured. Pure functions: tensors in, `(3,H,W)` tensors in 0..1 out."""

from .colours import COLOUR_MAPS, ColourMap, colourise, heat
from .kernels import kernel_map
from .maps import before_after, depth_map

__all__ = [
    "COLOUR_MAPS",
    "ColourMap",
    "before_after",
    "colourise",
    "depth_map",
    "heat",
    "kernel_map",
]
