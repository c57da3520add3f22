"""Reading picture files of every usual kind into float tensors, with one clear error if not."""

from __future__ import annotations

import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..errors import ImageFileError
from .damaged import completed, is_broken_inside, is_cut_off
from .decoding import FloatRange, decode_pixels, orientation_of
from .deep import DEEP_REMEDY, is_deep_colour, is_deep_grey_alpha
from .exif import read_dpi, read_exif
from .gamma import file_gamma, in_srgb
from .jpeg_tables import table_quality
from .plugins import BY_SUFFIX, known_format, load_plugin_for
from .transparency import spread_colour

DEFAULT_MAX_PIXELS = 100_000_000
"""Largest picture read by default (10000x10000)."""
DEFAULT_MAX_OUTPUT_PIXELS = 2**28
"""Largest result made by default (16384x16384)."""
_PLAIN = (
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .webp .tif .tiff .bmp .gif .ppm .pgm .pbm .pnm .jp2 "
    ".j2k .avif"
)
INPUT_SUFFIXES = frozenset(
    [*_PLAIN.split(), *(suffix for suffix, plugin in BY_SUFFIX.items() if plugin.installed)]
)
"""Names with these endings are taken for pictures when a folder is read."""
# A list of our own: Pillow also knows formats that start other programs (EPS) or guess (TGA).
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
_X_RESOLUTION, _Y_RESOLUTION = 0x011A, 0x011B  # tags of a TIFF
_DPI_IN_EXIF = ("WEBP", "AVIF", "JXL", "HEIF")
"""Formats whose pixels per inch Pillow does not look for."""
_GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_LONGEST_NAME = 79
"""Characters of the name of a PNG text entry."""
_NO_TEXTS = ("XML:com.adobe.xmp", "Raw profile type")


@dataclass(frozen=True)
class LoadedImage:
    """A picture as it was read."""

    rgb: Tensor
    """`(1,3,H,W)` float32 in 0..1; grey is repeated, EXIF orientation is applied."""
    alpha: Tensor | None
    """`(1,1,H,W)` float32 in 0..1, not premultiplied, or None when the file has no transparency."""
    bit_depth: int
    """Bits per channel that were kept: 8, 16, or 32 for float files."""
    mode: str
    """The file's own mode in Pillow's words (`RGB`, `P`, `CMYK`, `I;16`...)."""
    icc_profile: bytes | None
    """The file's colour profile, RGB, or grey of a grey file, to be passed on to the result; None
    if it had none."""
    jpeg_quality: float | None = None
    """Quality 1..100 that the file's quantisation tables stand for; None if it is no JPEG."""
    exif: bytes | None = None
    """EXIF data to be passed on to the result, without the orientation, which was applied, and
    without sizes and thumbnail, which are no longer true; None if it had none."""
    dpi: tuple[float, float] | None = None
    """Pixels per inch that the file claims, across and down; None if it claims none."""
    texts: dict[str, str] = field(default_factory=dict)
    """Text entries of a PNG file, such as a title or the settings that a picture was made with, to
    be passed on to a PNG; without XMP, which states sizes and the orientation."""
    frames: int = 1
    """Pictures in the file (an animation, pages). This is the first."""
    complete: bool = True
    """False where a JPEG file ends too soon: what is missing of the picture is grey, or coarser."""
    grey: bool = False
    """Whether the file has one channel of colour, so that a grey result may be written so."""
    cut_to_8_bits: bool = False
    """Whether the file has 16 bits per channel, and 8 were read as imagecodecs is missing."""
    broken: bool = False
    """Whether the data inside of a JPEG file were found to be damaged."""
    gamma: float | None = None
    """Gamma of a PNG file (gAMA) whose values were brought to sRGB; None where they are as they
    were stored."""

    @property
    def notes(self) -> list[str]:
        """What the reader of a report should know of the file, in sentences."""
        notes = []
        if self.frames > 1:
            notes.append(f"The first of the {self.frames} pictures in the file.")
        if not self.complete:
            notes.append(
                "The file ends too soon: what is missing of the picture, if anything, is grey."
            )
        if self.broken:
            notes.append(
                "The file's data are damaged: a part of the picture may be grey, shifted or of "
                "wrong colours."
            )
        if self.cut_to_8_bits:
            notes.append(f"8 of the file's 16 bits per channel were read: {DEEP_REMEDY}.")
        if self.gamma is not None:
            notes.append(
                f"The file's values have a gamma of {self.gamma:.3g} (gAMA): they were brought to "
                "sRGB."
            )
        return notes

    @cached_property
    def visible_rgb(self) -> Tensor:
        """`rgb` with the visible colour spread under transparent pixels: what to restore."""
        return spread_colour(self.rgb, self.alpha)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rgb.shape[-2], self.rgb.shape[-1]


def load_image(
    path: str | Path,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    *,
    float_range: FloatRange = "unit",
) -> LoadedImage:
    """Reads a picture file.

    What is kept: 16 bits of grey; of 16-bit grey+alpha, RGB and RGBA too where imagecodecs is
    installed, else 8 (16-bit CMYK is read as 8-bit); transparency, also of palettes and of colour
    keys; RGB and grey profiles, which are handed on and not applied. CMYK is converted by its own
    profile if it has one. Of an animation, the first frame is read. Of a JPEG file that is cut off,
    what is there is read (`complete`). A PNG file's gamma (gAMA) is applied, where no profile says
    more.

    Args:
        path: The file.
        max_pixels: Larger pictures are refused from their header, before anything is decoded.
        float_range: How float and 32-bit integer files are understood: `unit` expects 0..1
            (0..65535 for integers), `stretch` maps the smallest value to 0 and the largest to 1,
            for depth maps and the counts of a sensor; no gamma is applied to these where they are
            grey.

    Returns:
        The picture.

    Raises:
        ImageFileError: The file is missing, empty, not a picture, damaged, larger than
            `max_pixels`, or holds values that are not finite.
    """
    path = Path(path)
    with _clear_errors(path, max_pixels), _open(path) as image:
        return _decode(path, image, max_pixels, float_range)


def read_size(path: str | Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[int, int]:
    """Reads the height and width from a picture's header, without decoding it.

    EXIF orientation is applied, as in `load_image`, but for PNG files, which keep theirs behind the
    pixels.

    Args:
        path: The file.
        max_pixels: Larger pictures are refused.

    Returns:
        Height and width in pixels.

    Raises:
        ImageFileError: As for `load_image`, as far as the header shows it.
    """
    path = Path(path)
    with _clear_errors(path, max_pixels), _open(path) as image:
        _check_pixels(path, image, max_pixels)
        width, height = image.size
        return (width, height) if _lies_on_its_side(image) else (height, width)


@contextmanager
def _clear_errors(path: Path, max_pixels: int) -> Iterator[None]:
    """Turns whatever goes wrong in reading into one clear `ImageFileError`."""
    _check_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What matters is an error here, not a warning.
        try:
            yield
        except ImageFileError:
            raise
        except Image.DecompressionBombError as error:
            count = re.search(r"\((\d+) pixels\)", str(error))
            megapixels = f"{int(count[1]) / 1e6:.0f} megapixels" if count else "too many pixels"
            raise ImageFileError(
                f"{path} has {megapixels}; at most {max_pixels / 1e6:.0f} are read."
            ) from error
        except MemoryError as error:
            raise ImageFileError(f"{path} does not fit in memory.") from error
        except Exception as error:
            # Decoders raise almost any type on damaged data.
            why = _one_line(error).split(". ")[0]  # a decoder may go on with advice to programmers
            raise ImageFileError(f"{path} is damaged or incomplete: {why}.") from error


def check_output_size(
    size: tuple[int, int], scale: int, max_pixels: int = DEFAULT_MAX_OUTPUT_PIXELS
) -> None:
    """Refuses a result that would be larger than `max_pixels`.

    Args:
        size: Height and width of the input.
        scale: The super-resolution factor.
        max_pixels: The limit for the result.

    Raises:
        ImageFileError: It would be larger.
    """
    height, width = size[0] * scale, size[1] * scale
    if height * width > max_pixels:
        raise ImageFileError(
            f"The result would have {width}x{height} pixels, more than the limit of "
            f"{max_pixels / 1e6:.0f} megapixels. Use a smaller scale or crop the picture."
        )


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageFileError(f"{path} does not exist.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or _one_line(error)
        raise ImageFileError(f"{path} cannot be read: {reason}.") from error
    if stat.S_ISDIR(status.st_mode):
        raise ImageFileError(f"{path} is a folder, not a picture file.")
    if not stat.S_ISREG(status.st_mode):
        raise ImageFileError(f"{path} is not an ordinary file.")
    if status.st_size == 0:
        raise ImageFileError(f"{path} is empty (0 bytes).")


def _open(path: Path) -> Image.Image:
    Image.init()
    try:
        needed = load_plugin_for(path)
        formats = [name for name in (*_FORMATS, needed) if name in Image.OPEN]
        return Image.open(path, formats=formats)
    except Image.UnidentifiedImageError as error:
        name = known_format(path)
        if name is not None:
            raise ImageFileError(
                f"{path} begins as a {name} file, but is damaged or of a kind that is not read."
            ) from error
        raise ImageFileError(
            f"{path} is not a picture in a known format (PNG, JPEG, WebP, TIFF, BMP, GIF, HEIC, "
            "AVIF, JPEG XL, ...)."
        ) from error
    except PermissionError as error:
        raise ImageFileError(f"{path} cannot be read: {error.strerror}.") from error


def _lies_on_its_side(image: Image.Image) -> bool:
    """Whether the EXIF orientation of an opened picture exchanges its height and width."""
    if image.format == "PNG" or orientation_of(image) < 5:
        return False
    tags = getattr(image, "tag_v2", None)  # newer Pillow has exchanged those of a TIFF already
    return tags is None or image.size == (tags.get(0x0100), tags.get(0x0101))


def _check_pixels(path: Path, image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageFileError(
            f"{path} has {width}x{height} pixels ({width * height / 1e6:.0f} megapixels); "
            f"at most {max_pixels / 1e6:.0f} megapixels are read."
        )


def _decode(
    path: Path, image: Image.Image, max_pixels: int, float_range: FloatRange
) -> LoadedImage:
    _check_pixels(path, image, max_pixels)
    mode, profile = image.mode, image.info.get("icc_profile")
    grey, deep = mode in _GREY_MODES or is_deep_grey_alpha(image), is_deep_colour(image)
    quality = table_quality(image)
    dpi, frames = _dpi(image), int(getattr(image, "n_frames", 1))
    several_views = image.format in ("MPO", "HEIF")  # the others are previews and depth
    complete = True
    try:
        pixels, bit_depth = decode_pixels(path, image, float_range)
    except OSError as error:
        if not is_cut_off(image, error):
            raise
        image, complete = completed(path), False
        pixels, bit_depth = decode_pixels(path, image, float_range)
    gamma = file_gamma(image)
    if float_range == "stretch" and pixels.shape[2] < 3:
        gamma = None
    if gamma is not None:
        pixels = in_srgb(pixels, gamma)
    exif = read_exif(image)  # after decoding, for a PNG is decoded to find them
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    rgb = tensor[:, :3] if pixels.shape[2] >= 3 else tensor[:, :1].expand(1, 3, -1, -1)
    alpha = tensor[:, -1:] if pixels.shape[2] in (2, 4) else None
    space = b"GRAY" if grey else b"RGB "  # any other is no profile of these pixels
    fits = isinstance(profile, bytes) and profile[16:20] == space and mode != "CMYK"
    return LoadedImage(
        rgb=rgb.contiguous(),
        alpha=None if alpha is None else alpha.contiguous(),
        bit_depth=bit_depth,
        mode=mode,
        icc_profile=profile if fits else None,
        jpeg_quality=quality,
        exif=exif,
        dpi=dpi,
        texts=_texts(image),
        frames=1 if several_views else frames,
        complete=complete,
        grey=grey,
        broken=image.format in ("JPEG", "MPO") and complete and is_broken_inside(path),
        cut_to_8_bits=deep and bit_depth == 8,
        gamma=gamma,
    )


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    if image.format == "TIFF" and not {_X_RESOLUTION, _Y_RESOLUTION} <= set(image.getexif()):
        return None  # Pillow says 1 then
    dpi = image.info.get("dpi")
    if dpi is None and image.format in _DPI_IN_EXIF:
        dpi = read_dpi(image)
    try:
        across, down = (float(value) for value in dpi or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if across > 0 and down > 0 else None


def _texts(image: Image.Image) -> dict[str, str]:
    if image.format != "PNG":
        return {}
    try:
        entries = getattr(image, "text", {})  # Pillow reads on to the end of the file for them
    except (OSError, ValueError, SyntaxError):
        return {}
    return {
        name: str(text)
        for name, text in entries.items()
        if 1 <= len(name) <= _LONGEST_NAME and not name.startswith(_NO_TEXTS)
    }


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text[:200] or type(error).__name__
