"""Inputs that several nodes share, so that ranges and wording stay the same everywhere.

Each is a fresh object per node: the host fills in fields.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..mmsr_core.types import (
    DEFAULT_DETAIL,
    DEFAULT_STEPS,
    MAX_BLUR_SIGMA_PX,
    MAX_SHARPENING,
    PRESETS,
)
from .host_api import io
from .sockets import DegradationSocket, ModelSocket, PromptSocket

CATEGORY, ADVANCED, TOOLS = "MMSR", "MMSR/advanced", "MMSR/tools"
"""Where the nodes are in the menu: the one to begin with, the single stages, the rest."""
MAX_SEED = 2**32 - 1
MAX_NOISE = 100.0
MIN_TILE_PX, MAX_TILE_PX = 64, 16384
"""Smallest and largest side of a tile, in pixels of the result."""
SEED_MODES = ("one each", "same for all")
POLARITIES = ("near is bright", "near is dark")
CUSTOM = "custom"
PRESET_CHOICES = (CUSTOM, *PRESETS)


def aliases(*words: str) -> dict[str, Any]:
    """Other words to find a node by, as schema fields where the host has such a field."""
    known = any(field.name == "search_aliases" for field in fields(io.Schema))
    return {"search_aliases": list(words)} if known else {}


def advanced(made: io.Input) -> io.Input:
    """The same input among those that newer frontends show only when asked; others ignore it."""
    made.extra_dict = {**made.extra_dict, "advanced": True}
    return made


def model_input(name: str = "model") -> io.Input:
    """The model socket of a stage, which must get the model of the other stages."""
    return ModelSocket.Input(name, tooltip="The restoration model, from Load MMSR Model.")


def own_model_input(name: str = "model", display_name: str | None = None) -> io.Input:
    """The model socket of a node that loads the shipped model where nothing is connected."""
    return ModelSocket.Input(
        name,
        display_name=display_name,
        optional=True,
        tooltip=(
            "The restoration model, from Load MMSR Model. Leave it open for the model that comes "
            "with the pack."
        ),
    )


def image_input(tooltip: str) -> io.Input:
    """The picture to work on."""
    return io.Image.Input("image", tooltip=tooltip)


def scale_input() -> io.Input:
    """Enlargement factor."""
    return io.Int.Input(
        "scale",
        default=4,
        min=1,
        max=16,
        step=1,
        tooltip=(
            "How many times larger the result is in each direction. 1 restores the picture "
            "without enlarging it. The blur is measured in pixels of the result."
        ),
    )


def depth_input() -> io.Input:
    """A depth picture made by any node."""
    return io.Image.Input(
        "depth",
        optional=True,
        tooltip=(
            "Depth picture from this pack's Depth node or from any other depth node. Any size. "
            "Leave it open to use the model's own depth network."
        ),
    )


def depth_polarity_input() -> io.Input:
    """Which way round a depth picture is."""
    return advanced(
        io.Combo.Input(
            "depth_polarity",
            display_name="depth polarity",
            options=list(POLARITIES),
            default=POLARITIES[0],
            optional=True,
            tooltip=(
                "Which way round the connected depth picture is. Most depth nodes draw what is "
                "near bright; metric depth often has it dark."
            ),
        )
    )


def degradation_input(optional: bool, tooltip: str) -> io.Input:
    """A degradation estimate."""
    return DegradationSocket.Input("degradation", optional=optional, tooltip=tooltip)


def steps_input() -> io.Input:
    """Sampling steps."""
    return io.Int.Input(
        "steps",
        default=DEFAULT_STEPS,
        min=0,
        max=64,
        step=1,
        tooltip=(
            "Sampling steps. 0 gives the most faithful, smoothest picture; 1 adds natural detail. "
            "More is slower and rarely better."
        ),
    )


def seed_input() -> io.Input:
    """Noise seed."""
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=MAX_SEED,
        step=1,
        control_after_generate=True,
        tooltip=(
            "Which of the many possible details to draw. The same seed gives the same picture "
            "on every device. In a batch, picture number n uses seed + n."
        ),
    )


def detail_input() -> io.Input:
    """The dial between fidelity and detail."""
    return io.Float.Input(
        "detail",
        default=DEFAULT_DETAIL,
        min=0.0,
        max=2.0,
        step=0.05,
        tooltip=(
            "0 keeps to what the picture proves (smooth), 1 is the sampler's own result, above 1 "
            "exaggerates its detail."
        ),
    )


def tile_input() -> io.Input:
    """Tile size."""
    return advanced(
        io.Int.Input(
            "tile",
            display_name="tile size (0 = automatic)",
            default=0,
            min=0,
            max=MAX_TILE_PX,
            step=MIN_TILE_PX,
            optional=True,
            tooltip=(
                "Side of the pieces the picture is worked in, in pixels of the result: "
                f"{MIN_TILE_PX} or more. 0 chooses by the memory there is. It changes speed and "
                "memory, never the picture."
            ),
        )
    )


def seed_mode_input() -> io.Input:
    """How a batch uses the seed."""
    return advanced(
        io.Combo.Input(
            "seed_mode",
            display_name="seeds in a batch",
            options=list(SEED_MODES),
            default=SEED_MODES[0],
            optional=True,
            tooltip=(
                "For batches. one each: picture n uses seed + n. same for all: every picture gets "
                "the same noise, which keeps the frames of a video steady."
            ),
        )
    )


def prompt_input() -> io.Input:
    """A prompt."""
    return PromptSocket.Input(
        "prompt",
        optional=True,
        tooltip="What is in the picture, from the Prompt node. Leave it open for none.",
    )


def guide_input(optional: bool = True, words: str = "") -> io.Input:
    """A registered picture of a second sensor."""
    return io.Image.Input(
        "guide",
        optional=optional,
        tooltip=words
        or (
            "The same scene seen by a second sensor (infrared, flash): it must lie exactly over "
            "the image. Grey or colour, any size."
        ),
    )


def noise_input(name: str, default: float, tooltip: str, optional: bool = False) -> io.Input:
    """Noise as artists count it, in 8-bit steps."""
    return io.Float.Input(
        name,
        default=default,
        min=0.0,
        max=MAX_NOISE,
        step=0.5,
        optional=optional,
        tooltip=tooltip,
    )


def jpeg_input(default: int, tooltip: str, optional: bool = False) -> io.Input:
    """JPEG quality."""
    return io.Int.Input(
        "jpeg_quality",
        display_name="JPEG quality",
        default=default,
        min=1,
        max=100,
        step=1,
        optional=optional,
        tooltip=tooltip,
    )


def preset_input() -> io.Input:
    """Steps and detail by a name."""
    return io.Combo.Input(
        "preset",
        options=list(PRESET_CHOICES),
        default=CUSTOM,
        optional=True,
        tooltip=(
            "Sets steps and detail. faithful: nothing is invented. balanced: a third of the detail "
            "the model would draw. crisp: all of it. custom: your own steps and detail; changing "
            "one of them chooses it."
        ),
    )


def known_noise_input() -> io.Input:
    """Noise that the user knows."""
    return io.Float.Input(
        "noise",
        display_name="noise (-1 = measured)",
        default=-1.0,
        min=-1.0,
        max=MAX_NOISE,
        step=0.5,
        optional=True,
        tooltip=(
            "-1 measures the noise. A number of your own takes its place: a standard deviation in "
            "steps of 255. More smooths more."
        ),
    )


def known_jpeg_input() -> io.Input:
    """JPEG quality that the user knows."""
    return io.Int.Input(
        "jpeg_quality",
        display_name="JPEG quality (0 = measured)",
        default=0,
        min=0,
        max=100,
        step=1,
        optional=True,
        tooltip=(
            "0 measures the JPEG damage. A number of your own takes its place: the quality the "
            "picture was saved with; 100 means none."
        ),
    )


def sharpening_input() -> io.Input:
    """Sharpening as a camera does it."""
    return io.Float.Input(
        "sharpening",
        default=0.0,
        min=0.0,
        max=MAX_SHARPENING,
        step=0.05,
        optional=True,
        tooltip=(
            "Sharpens as a camera does, after the noise and before JPEG: the amount of unsharp "
            "masking. 0 is none."
        ),
    )


def known_sharpening_input() -> io.Input:
    """Sharpening that the user knows; the last input of a node, as saved workflows need it."""
    return io.Float.Input(
        "sharpening",
        display_name="sharpening (-1 = measured)",
        default=-1.0,
        min=-1.0,
        max=MAX_SHARPENING,
        step=0.05,
        optional=True,
        tooltip=(
            "How much a camera or an editor sharpened the picture: that is taken back first. -1 "
            "measures it from scale 4 on, 0 is none. A number of your own takes its place: the "
            "amount of unsharp masking, 0.2 for most cameras."
        ),
    )


def known_blur_input() -> io.Input:
    """A blur that the user knows."""
    return io.Float.Input(
        "blur",
        display_name="blur width (0 = measured)",
        default=0.0,
        min=0.0,
        max=MAX_BLUR_SIGMA_PX,
        step=0.1,
        optional=True,
        tooltip=(
            "0 measures the blur at every place. A number of your own takes its place: one blur "
            "width for the whole picture, in pixels of the result (a standard deviation). More "
            "sharpens more."
        ),
    )


def target_size_input(tooltip: str | None = None) -> io.Input:
    """A wanted size, as people write it."""
    return io.String.Input(
        "size",
        default="",
        optional=True,
        tooltip=tooltip
        or (
            "The size that is wanted, in place of scale: 4K, 3000 (the longest side), w3000, "
            "h2000, 12MP or 1.5x. It is restored at the next whole factor, then reduced. Empty: "
            "scale."
        ),
    )


def denoise_input() -> io.Input:
    """How much of the noise goes."""
    return io.Float.Input(
        "denoise",
        default=1.0,
        min=0.0,
        max=1.0,
        step=0.05,
        optional=True,
        tooltip="How much of the noise is taken away. 0 keeps the grain of the picture.",
    )


def blend_mask_input() -> io.Input:
    """Where to restore."""
    return io.Mask.Input(
        "mask",
        display_name="mask (where to restore)",
        optional=True,
        tooltip=(
            "Where to restore: white is fully, black keeps the plain enlargement (at scale 1 the "
            "picture as it was). Any size. Leave it open to restore everything. A picture's "
            "transparency goes into alpha."
        ),
    )


def feather_input() -> io.Input:
    """How softly a mask ends."""
    return advanced(
        io.Float.Input(
            "feather",
            display_name="mask feather",
            default=4.0,
            min=0.0,
            max=256.0,
            step=1.0,
            optional=True,
            tooltip=(
                "How softly the mask ends: the standard deviation of its edge in pixels of the "
                "result. 0 takes the mask as it is. Without a mask it has no effect."
            ),
        )
    )


def transparency_input() -> io.Input:
    """The alpha that Load Image splits off."""
    return io.Mask.Input(
        "alpha",
        display_name="alpha (transparency)",
        optional=True,
        tooltip=(
            "The mask of Load Image, which is the picture's transparency: it comes out again at "
            "the size of the result. It does not say where to restore; that is mask."
        ),
    )


def frames_input() -> io.Input:
    """Whether a batch is a clip."""
    return io.Boolean.Input(
        "frames",
        display_name="frames of one clip",
        default=False,
        optional=True,
        tooltip=(
            "The pictures of the batch are frames of one clip, in order. They are measured "
            "together and averaged along the motion, so that they do not flicker; 'seeds in "
            "a batch' has no effect then."
        ),
    )
