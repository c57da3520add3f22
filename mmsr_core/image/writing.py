"""Writing pictures: PNG and TIFF (8 and 16 bit), JPEG, WebP; alpha, profile and text kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageCms, PngImagePlugin, features
from torch import Tensor

from ..errors import ImageFileError, InputError, ShapeError
from .atomic import atomic_path
from .deep import encode_png16, encode_tiff16, find_codecs, warn_of_eight_bits
from .exif import has_parts, with_dpi, with_settings
from .plugins import JXL
from .transparency import WHITE, has_transparency, lay_on, parse_colour

_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
if "avif" in features.modules and features.check("avif"):  # Pillow 11.3 and later
    _FORMATS[".avif"] = "AVIF"
if JXL.installed:
    _FORMATS[".jxl"] = JXL.format
OUTPUT_SUFFIXES = frozenset(_FORMATS)
"""Endings of the names that can be written."""
_QUALITIES = {"JPEG": 95, "AVIF": 90}
"""Quality where none is asked for. WebP and JPEG XL are lossless then."""
_WITHOUT_ALPHA = frozenset(("JPEG",))
_DEEP_FORMATS = frozenset(("PNG", "TIFF"))
"""Formats that are written with 16 bits, too."""
_GREY_FORMATS = frozenset(("PNG", "TIFF", "JPEG"))
"""Formats that are written with one channel, too."""
_DPI_IN_EXIF = frozenset(("WEBP", "AVIF", "JXL"))
"""Formats that have no other place for pixels per inch."""
_LONGEST_EXIF = 65533
"""Bytes of EXIF data that a JPEG holds; settings, then the data themselves are left out of more."""
_BAND_ROWS = 256


def check_output_suffix(path: str | Path) -> str:
    """Gives the format for a file name.

    Args:
        path: The file to be written.

    Returns:
        Pillow's name of the format.

    Raises:
        ImageFileError: The ending is not one that can be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        if suffix == ".jxl":
            raise ImageFileError(f"Cannot write {path}: {JXL.remedy}.")
        found = f"ends with {suffix!r}" if suffix else "has no ending"
        raise ImageFileError(
            f"Cannot write {path}: the name {found}; use one of {', '.join(sorted(_FORMATS))}."
        )
    return _FORMATS[suffix]


def check_can_hold(path: str | Path, size: tuple[int, int]) -> None:
    """Refuses, before a long run, a format that cannot hold the result.

    Args:
        path: The file to be written.
        size: Height and width of the result.

    Raises:
        ImageFileError: The picture is larger than the format allows.
    """
    file_format = check_output_suffix(path)
    limit = {"WEBP": 16383, "JPEG": 65535}.get(file_format)
    if limit is not None and max(size) > limit:
        raise ImageFileError(
            f"Cannot write {path}: {size[1]}x{size[0]} pixels are more than {file_format} allows "
            f"({limit} a side); use .png or .tif."
        )


def can_be_deep(path: str | Path) -> bool:
    """Whether a file of this name can be written with 16 bits per channel."""
    return check_output_suffix(path) in _DEEP_FORMATS


def ground_of(path: str | Path, alpha: Tensor | None, background: str | None = None) -> str | None:
    """The colour that a file's transparent places are laid on; None where they are kept.

    Args:
        path: The file to be written.
        alpha: Of the picture, 0..1, at any size; None or 1 everywhere: there are none.
        background: The colour that is asked for, in any format; None lays them on white where the
            format has no transparency.
    """
    if not has_transparency(alpha):
        return None
    return background or (WHITE if check_output_suffix(path) in _WITHOUT_ALPHA else None)


def ground_words(path: str | Path, ground: str) -> str:
    """What has become of transparent places, for people; see `ground_of`."""
    text = f"Transparent places are laid on {ground}"
    file_format = check_output_suffix(path)
    if file_format in _WITHOUT_ALPHA:
        text += f", as {file_format} has no transparency; PNG, WebP and TIFF keep it"
    return text + "."


def check_writable_folder(folder: str | Path) -> None:
    """Finds out, by creating and removing an empty file, whether a folder can be written.

    Args:
        folder: An existing folder.

    Raises:
        ImageFileError: It is missing or cannot be written.
    """
    folder = Path(folder)
    if not folder.is_dir():
        reason = "it is not a folder" if folder.exists() else "it does not exist; create it first"
        raise ImageFileError(f"Cannot write in the folder {folder}: {reason}.")
    try:
        with atomic_path(folder / ".mmsr-write-test"):
            raise _ProbeDone
    except _ProbeDone:
        return
    except ImageFileError as error:
        reason = getattr(error.__cause__, "strerror", None) or "not permitted"
        raise ImageFileError(f"Cannot write in the folder {folder}: {reason}.") from error


def check_can_make_folder(folder: str | Path) -> None:
    """Finds out whether `make_folder` would succeed; nothing is created.

    Raises:
        ImageFileError: It would not.
    """
    folder = Path(folder)
    there = next((place for place in (folder, *folder.parents) if place.exists()), Path())
    if not there.is_dir():
        raise ImageFileError(_no_folder(there))
    check_writable_folder(there)


def make_folder(folder: str | Path) -> None:
    """Creates a folder for results, if need be, and checks that it can be written.

    Raises:
        ImageFileError: It cannot be created or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ImageFileError(_no_folder(folder)) from error
    except OSError as error:
        raise ImageFileError(f"Cannot create the folder {folder}: {error.strerror}.") from error
    check_writable_folder(folder)


def _no_folder(path: Path) -> str:
    return f"{path} is a file, but a folder is needed for these results."


def save_image(
    path: str | Path,
    rgb: Tensor,
    alpha: Tensor | None = None,
    metadata: dict[str, str] | None = None,
    icc_profile: bytes | None = None,
    bit_depth: int = 8,
    *,
    quality: int | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    background: str | None = None,
    grey: bool = False,
) -> None:
    """Writes a picture; the file appears as a whole or not at all.

    JPEG is written at quality 95 without chroma subsampling, AVIF at 90, WebP and JPEG XL lossless,
    TIFF deflated, or plain where the EXIF data have a camera's details or a place. The metadata are
    PNG text entries; in the other formats, JSON in EXIF `UserComment`, or in `Software` where the
    picture has a comment of its own, and in TIFF.

    Args:
        path: The file; its ending chooses the format. The folder must exist.
        rgb: `(1,3,H,W)` float; values outside 0..1 are clamped.
        alpha: `(1,1,H,W)` float or None. JPEG has none: there the picture is laid on `background`.
        metadata: Text entries such as the settings of a run.
        icc_profile: A profile to embed, RGB, or grey where a grey picture is written; one that does
            not fit is left out. JPEG XL is written in sRGB instead: its plugin embeds none.
        bit_depth: 8, or 16 for PNG and TIFF. 16-bit colour in PNG takes imagecodecs; without it 8
            bits are written, with a warning in the log. Equal channels are then written as 16-bit
            grey.
        quality: 1..100 for JPEG, AVIF, and WebP and JPEG XL (lossy then); the others have none.
        exif: EXIF data to embed (`LoadedImage.exif`).
        dpi: pixels per inch to embed, across and down.
        background: a colour, see `parse_colour`: transparent places are laid on it in any format.
            None keeps them where the format can, and lays them on white where it cannot.
        grey: Write one channel instead of three where these are equal, in PNG, TIFF and JPEG; not
            with an RGB profile, and not 16 bits with an alpha in TIFF.

    Raises:
        ShapeError: A tensor has the wrong shape.
        InputError: The values are not finite, `bit_depth` is not 8 or 16, `quality` is out of
            its range, or `background` is no colour.
        ImageFileError: The name, format or folder does not allow it.
    """
    file_format = check_output_suffix(path)
    if bit_depth not in (8, 16):
        raise InputError(f"bit_depth must be 8 or 16, but is {bit_depth}.")
    if bit_depth == 16 and file_format not in _DEEP_FORMATS:
        raise ImageFileError(
            f"Cannot write {path} with 16 bits: only .png and .tif can. Use bit_depth=8."
        )
    if quality is not None and not 1 <= quality <= 100:
        raise InputError(f"quality must be from 1 to 100, but is {quality}.")
    _check_tensors(rgb, alpha)
    check_can_hold(path, (rgb.shape[2], rgb.shape[3]))
    colour = None if background is None else parse_colour(background)
    if background is not None or file_format in _WITHOUT_ALPHA:
        ground = ground_of(path, alpha, background)
        if alpha is not None and ground is not None:
            rgb = lay_on(rgb.detach().float(), alpha.detach(), colour or parse_colour(ground))
        alpha = None
    pixels = _quantised(rgb, alpha, bit_depth)
    codecs = find_codecs() if bit_depth == 16 and file_format == "PNG" else None
    must_be_grey = bit_depth == 16 and file_format == "PNG" and codecs is None and alpha is None
    may_be_grey = grey and file_format in _GREY_FORMATS and not _is_profile_of(icc_profile, b"RGB ")
    may_be_grey &= alpha is None or bit_depth == 8 or file_format != "TIFF"
    if (must_be_grey or may_be_grey) and _is_grey(pixels):
        pixels = pixels[..., :1] if alpha is None else pixels[..., ::3]
    space = b"GRAY" if pixels.shape[2] < 3 else b"RGB "
    profile = icc_profile if _is_profile_of(icc_profile, space) else None
    if file_format == "TIFF" and bit_depth == 16:
        data = encode_tiff16(pixels, profile, with_settings(exif, metadata, in_parts=False), dpi)
    elif codecs is not None:
        data = encode_png16(codecs, pixels, metadata, profile, exif, dpi)
    else:
        if bit_depth == 16 and pixels.shape[2] > 1:  # Pillow writes 16 bits of grey alone
            warn_of_eight_bits(f"{path} is written")
            pixels = _quantised(rgb, alpha, 8)
        _write_with_pillow(path, file_format, pixels, metadata, profile, quality, exif, dpi)
        return
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def _write_with_pillow(
    path: str | Path,
    file_format: str,
    pixels: np.ndarray,
    metadata: dict[str, str] | None,
    icc_profile: bytes | None,
    quality: int | None,
    exif: bytes | None,
    dpi: tuple[float, float] | None,
) -> None:
    """Writes `(H,W,C)`, C = 1 grey, 2 grey+alpha, 3 or 4: uint8, or grey uint16."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    options = _save_options(file_format, metadata, icc_profile, quality, exif, dpi)
    if file_format == JXL.format:
        JXL.load()
        image = _in_srgb(image, options.pop("icc_profile", None))
    with atomic_path(path) as temporary:
        try:
            image.save(temporary, format=file_format, **options)
        except (ValueError, KeyError) as error:
            raise ImageFileError(f"Cannot write {path}: {error}") from error


def _is_grey(pixels: np.ndarray) -> bool:
    """Whether the three colours of `(H,W,3|4)` are equal everywhere."""
    return bool((pixels[..., 1:3] == pixels[..., :1]).all())


def _is_profile_of(icc_profile: bytes | None, space: bytes) -> bool:
    """Whether a profile is there, and of the colour space with this signature."""
    return icc_profile is not None and icc_profile[16:20] == space


def _check_tensors(rgb: Tensor, alpha: Tensor | None) -> None:
    if rgb.dim() != 4 or rgb.shape[0] != 1 or rgb.shape[1] != 3 or 0 in rgb.shape:
        raise ShapeError("rgb", "(1,3,H,W)", tuple(rgb.shape))
    expected = (1, 1, *rgb.shape[-2:])
    if alpha is not None and tuple(alpha.shape) != expected:
        raise ShapeError("alpha", f"{expected} to fit rgb", tuple(alpha.shape))


def _quantised(rgb: Tensor, alpha: Tensor | None, bit_depth: int) -> np.ndarray:
    """`(H,W,3|4)` uint8 or uint16; made in bands, so that a large picture is not held twice."""
    height, width = rgb.shape[-2:]
    channels = 3 if alpha is None else 4
    pixels = np.empty((height, width, channels), np.uint8 if bit_depth == 8 else np.uint16)
    top = 2**bit_depth - 1
    for start in range(0, height, _BAND_ROWS):
        band = rgb[0, :, start : start + _BAND_ROWS].detach().float().cpu()
        if alpha is not None:
            part = alpha[0, :, start : start + _BAND_ROWS].detach().float().cpu()
            band = torch.cat([band, part])
        if not bool(torch.isfinite(band).all()):
            raise InputError("The picture to save holds values that are not finite (NaN, inf).")
        values = (band.clamp(0, 1) * top).round().permute(1, 2, 0).numpy()
        pixels[start : start + _BAND_ROWS] = values
    return pixels


def _save_options(
    file_format: str,
    metadata: dict[str, str] | None,
    icc_profile: bytes | None,
    quality: int | None,
    exif: bytes | None,
    dpi: tuple[float, float] | None,
) -> dict[str, Any]:
    options: dict[str, Any] = {"icc_profile": icc_profile} if icc_profile else {}
    options |= {} if dpi is None or file_format in _DPI_IN_EXIF else {"dpi": dpi}
    if file_format in _QUALITIES:
        options |= {"quality": quality or _QUALITIES[file_format]}
    if file_format == "JPEG":
        options |= {"subsampling": 0}
    elif file_format == "WEBP":
        options |= {"exact": True} | ({"quality": quality} if quality else {"lossless": True})
    elif file_format == "JXL":
        options |= {"quality": quality} if quality else {"lossless": True}
    if file_format == "PNG":
        text = PngImagePlugin.PngInfo()
        for key, value in (metadata or {}).items():
            text.add_text(key, value)
        return options | {"pnginfo": text} | ({"exif": exif} if exif else {})
    whole = with_settings(exif, metadata, in_parts=file_format != "TIFF")
    if file_format == "JPEG" and _is_too_long(whole):
        whole = with_settings(exif, None)
        whole = None if _is_too_long(whole) else whole
    if file_format in _DPI_IN_EXIF:
        whole = with_dpi(whole, dpi)
    if file_format == "TIFF" and (whole is None or not has_parts(whole)):
        options |= {"compression": "tiff_adobe_deflate"}  # Pillow writes parts uncompressed only
    if whole is None:
        return options
    return options | {"exif": whole.tobytes() if file_format == "JXL" else whole}


def _is_too_long(exif: Image.Exif | None) -> bool:
    return exif is not None and len(exif.tobytes()) > _LONGEST_EXIF


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An RGB or RGBA picture of a colour profile in sRGB; as it is where the profile is broken."""
    if profile is None:
        return image
    try:
        source, target = (
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
        )
        made = ImageCms.profileToProfile(image.convert("RGB"), source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
    if made is not None and "A" in image.getbands():
        made.putalpha(image.getchannel("A"))
    return made or image


class _ProbeDone(Exception):  # noqa: N818 - not an error: it ends the probe without a file.
    """Leaves `atomic_path` so that it removes the probe."""
