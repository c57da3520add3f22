"""What the one who starts the demo chooses. Loads neither torch nor gradio."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmsr_core import types
from mmsr_core.types import MAX_BLUR_SIGMA_PX, Preset

if TYPE_CHECKING:
    from mmsr_core.image import TargetSize

PRESETS: dict[str, Preset] = {name.capitalize(): chosen for name, chosen in types.PRESETS.items()}
"""Those of the library, by their names on the page: Faithful, Balanced, Crisp."""
DEFAULT_PRESET: str = types.DEFAULT_PRESET.capitalize()
SCALES: tuple[str, ...] = ("Auto", "×1", "×2", "×3", "×4", "×8")
"""What the page offers; `parse_scale` reads them."""
AUTO_SCALE: str = SCALES[0]
MEASURED_NOISE, MEASURED_JPEG, MEASURED_BLUR, MEASURED_SHARPENING = -1, 0, 0, -1
"""What a control of known damage holds while the damage is measured."""
FULL_DENOISE = 1
COMPARE_PRESET = "Faithful"
"""What Compare restores with unless told otherwise: the others invent, which costs PSNR."""
MAX_STEPS, MAX_DETAIL, MAX_STRENGTH = 16, 2, 2
MAX_SEED = 2**53 - 1
"""The largest whole number that a browser holds exactly."""
MAX_NOISE_255 = 100
"""The strongest noise that can be stated or made, of 255 levels."""
MIN_BLUR_PX, MAX_BLUR_PX = 0.1, MAX_BLUR_SIGMA_PX
"""The narrowest and widest blur that can be made; the widest that can be stated. Px of the
result."""
MAX_COMPARE_SCALE = types.MAX_SCALE


@dataclass(frozen=True)
class Symptom:
    """What a person says is wrong with a picture, as values of the controls.

    Noise, JPEG quality, blur and sharpening are always measured: no number suits every picture of
    a kind.
    """

    why: str
    """Why these values, in a sentence."""
    style: str = DEFAULT_PRESET
    """One of `PRESETS`."""
    scale: str = AUTO_SCALE
    """One of `SCALES`."""
    denoise: float = FULL_DENOISE

    @property
    def controls(self) -> dict[str, float | str]:
        """The name of every control that it sets, and the value."""
        how = PRESETS[self.style]
        return {
            "preset": self.style,
            "scale": self.scale,
            "steps": how.steps,
            "detail": how.detail,
            "noise": MEASURED_NOISE,
            "jpeg": MEASURED_JPEG,
            "blur": MEASURED_BLUR,
            "sharpening": MEASURED_SHARPENING,
            "denoise": self.denoise,
        }

    @property
    def words(self) -> str:
        """What it sets, and why."""
        return f"Sets {self.style}, {self.scale}, Denoise {self.denoise:g}. {self.why}"


UNKNOWN_SYMPTOM = "Not sure"
SYMPTOMS: dict[str, Symptom] = {
    UNKNOWN_SYMPTOM: Symptom("Everything is measured."),
    "Old scan": Symptom("Some grain stays, so that it still looks like film.", denoise=0.7),
    "Noisy phone photo": Symptom("All noise goes, and no texture is made of it.", "Faithful"),
    "Over-compressed": Symptom("What JPEG has left is cleaned, and little is drawn.", scale="×2"),
    "Out of focus": Symptom("A wide blur leaves nothing to enlarge.", scale="×1"),
    "Shaken": Symptom("A straight motion of the whole picture is taken back.", scale="×1"),
}
"""What the page asks for, and the answers' values."""


@dataclass(frozen=True)
class DemoSettings:
    """Limits and place of the demo. The defaults are safe on a machine with a network."""

    host: str = "127.0.0.1"
    """Address to listen on; anything but a loopback address opens the demo to others."""
    port: int = 7860
    """0 lets the system choose."""
    model: str | Path = "small"
    device: str = "auto"
    dtype: str = "auto"
    clip: str | Path | None = None
    """A CLIP model (local folder) for prompts and reference pictures; None uses what the weights
    bring."""
    max_pixels: int = 25_000_000
    """Larger pictures are refused from their header."""
    max_output_pixels: int = 64_000_000
    """Larger results are refused."""
    auto_pixels: int = 0
    """Size of the result that `Auto` aims at; 0 takes 4 megapixels on a CPU, 24 on a GPU."""
    max_upload_mb: int = 60
    """Per file."""
    max_batch_files: int = 100
    max_batch_mb: int = 400
    """All files of a batch together, unpacked."""
    queue_length: int = 32
    """Jobs that may wait; one runs at a time."""
    open_browser: bool = True
    warm_up: bool = True
    """Load the weights and restore the examples in the background after the start."""
    debug: bool = False
    """Show where an unexpected error comes from, in the terminal."""

    @property
    def is_local(self) -> bool:
        """Whether only this computer can reach the page."""
        return self.host in ("127.0.0.1", "localhost", "::1")


def parse_scale(text: str) -> int | None:
    """`Auto` is None, `×4` (also `x4` or `4`) is 4.

    Raises:
        InputError: It is neither.
    """
    from mmsr_core.errors import InputError

    plain = str(text).strip().lower().lstrip("×x")
    if plain == "auto":
        return None
    if not plain.isdecimal() or not 1 <= int(plain) <= 16:
        raise InputError(f"scale must be Auto or a whole number from 1 to 16, not {text!r}.")
    return int(plain)


def parse_size(text: str | None) -> TargetSize | None:
    """`4K`, `3000`, `w800`, `12MP`, `1.5x`; nothing is None.

    Raises:
        InputError: It is none of these.
    """
    from mmsr_core.image import TargetSize

    plain = str(text or "").strip()
    return TargetSize.parse(plain) if plain else None
