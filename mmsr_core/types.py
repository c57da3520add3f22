"""Small types shared by every layer above. No torch work at import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Progress:
    """One progress event of a long run."""

    stage: str
    """`damage`, `depth`, `kernel`, `mean`, `fusion`, `flow`, `consistency` or `finish`."""
    done: int
    """Units of work finished in the whole run, 0..total."""
    total: int
    """Units of work in the whole run (one unit is one pass over the canvas)."""
    preview: Callable[[], Tensor] | None = None
    """When called, a small `(3,H,W)` float picture in 0..1 of the current state, on the CPU."""


ProgressCallback = Callable[[Progress], None]
"""Called often (at least once a tile). Whatever it raises ends the run at once and propagates:
that is how a host cancels."""

SVKR_ROUNDS = 1
"""Rounds of kernel refinement (SVKR's T) unless said otherwise. SSR has 3. With the built-in depth
the second takes a quarter of a run, lowers the kernel error of defocus by 0.4 %, and gains 0.001 dB
(training/README.md)."""

MAX_SCALE = 16
"""Largest SR factor."""
MAX_BLUR_SIGMA_PX = 4.5
"""A Gaussian wider than this, in HR px, does not fit the 21x21 window of the kernels."""
MAX_SHARPENING = 3.0
"""The largest amount of unsharp masking that can be stated."""
SHARPENING_RADIUS_PX, SHARPENING_RADII_PX = 2.5, (0.4, 4.0)
"""Radius of unsharp masking (std of its Gaussian, px of the picture) where nobody says it: that of
cameras. And the radii that it is taken to have."""

PROMPT_DIM = 512
"""Width of a prompt embedding: that of CLIP ViT-B/32."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
"""The two files of a saved network, named as diffusers names them."""

MODALITIES = ("lr", "kernel", "depth", "prompt", "guide")
"""What may steer a restoration, in the order of the router's weights."""

GuideMode = Literal["guide", "fuse"]
GUIDE_MODES: tuple[GuideMode, ...] = ("guide", "fuse")
"""What becomes of a second sensor's picture: it guides the restoration, or both become one."""


@dataclass(frozen=True)
class Preset:
    """How far a restoration may go beyond what the picture proves."""

    steps: int
    """Flow steps; 0 is the mean alone."""
    detail: float
    """0..2, from the mean to the flow's picture (1) and beyond."""


PRESETS = {"faithful": Preset(0, 0.3), "balanced": Preset(1, 0.3), "crisp": Preset(1, 1.0)}
"""Faithful invents nothing. On pictures of real cameras one step is as good as four, and a third of
its detail better than all of it (docs/results.md)."""
DEFAULT_PRESET = "balanced"
DEFAULT_STEPS, DEFAULT_DETAIL = PRESETS[DEFAULT_PRESET].steps, PRESETS[DEFAULT_PRESET].detail
"""What every part of the project starts with."""


def preset_name(steps: int, detail: float) -> str | None:
    """The preset with these numbers; None where there is none, as with numbers of one's own."""
    chosen = Preset(steps, detail)
    return next((name for name, preset in PRESETS.items() if preset == chosen), None)


DEFAULT_TRUST = 0.5
"""How far another upscaler's picture is followed (docs/results.md)."""
