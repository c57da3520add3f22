"""Pixels of an opened Pillow picture, of whatever mode, as one kind of array."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

from ..errors import ImageFileError
from .deep import find_codecs, is_deep_colour, read_deep_colour, warn_of_eight_bits

FloatRange = Literal["unit", "stretch"]
_STDERR_LOCK = threading.Lock()
_ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")


def decode_pixels(
    path: Path,
    image: Image.Image,
    float_range: FloatRange,
) -> tuple[np.ndarray, int]:
    """Decodes a picture and applies its EXIF orientation.

    Args:
        path: Named in errors.
        image: The picture, opened and not yet decoded.
        float_range: See `load_image`.

    Returns:
        `(H,W,C)` float32 in 0..1, contiguous, C = 1 grey, 2 grey+alpha, 3 RGB or 4 RGBA; and the
        bits per channel that were kept: 8, 16 or 32.

    Raises:
        ImageFileError: Values are not finite or out of range. Damaged data raise anything.
    """
    with _quiet_libtiff() if image.format == "TIFF" else nullcontext():
        pixels, bit_depth = _pixels(path, image, float_range)
    # After decoding: some formats keep their EXIF behind the pixels, and TIFF applies it itself.
    return np.ascontiguousarray(_oriented(pixels, orientation_of(image))), bit_depth


def _pixels(
    path: Path,
    image: Image.Image,
    float_range: FloatRange,
) -> tuple[np.ndarray, int]:
    """The picture as `(H,W,C)` float32 in 0..1, C = 1, 2 (grey+alpha), 3 or 4, and its depth."""
    key = image.info.get("transparency")
    if is_deep_colour(image):
        codecs = find_codecs()
        if codecs is not None:
            values = read_deep_colour(codecs, path.read_bytes(), str(image.format))
            return values.astype(np.float32) / 65535, 16
        warn_of_eight_bits(f"{path} is read")
    if image.mode == "F" or image.mode.startswith("I"):
        return _single_channel(path, image, key, float_range)
    if image.mode == "CMYK":
        return _unit(_from_cmyk(image)), 8
    if image.mode in _ALPHA_MODES or key is not None:
        return _unit(image.convert("RGBA")), 8
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        return _unit(converted or image), 8
    return _unit(image.convert("L" if image.mode in ("1", "L") else "RGB")), 8


def _single_channel(
    path: Path, image: Image.Image, key: object, float_range: FloatRange
) -> tuple[np.ndarray, int]:
    """Grey of more than 8 bits: `I;16`, `I;16B`, `I` and `F`."""
    deep_integer = image.mode.startswith("I;16")
    values = np.asarray(image).astype(np.float64)[..., None]
    if not np.isfinite(values).all():
        raise ImageFileError(f"{path} holds values that are not finite (NaN or infinity).")
    if float_range == "stretch" and not deep_integer:
        low, high = values.min(), values.max()
        return ((values - low) / max(high - low, 1e-12)).astype(np.float32), 32
    top, bit_depth = (1.0, 32) if image.mode == "F" else (65535.0, 16)
    low, high = values.min() / top, values.max() / top
    if low < -1e-3 or high > 1 + 1e-3:
        raise ImageFileError(
            f"{path} holds values from {values.min():g} to {values.max():g}; "
            f"expected 0 to {top:g}. Rescale the file."
        )
    grey = np.clip(values / top, 0, 1).astype(np.float32)
    if isinstance(key, int):
        grey = np.concatenate([grey, (values != key).astype(np.float32)], axis=2)
    return grey, bit_depth


def _from_cmyk(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # A broken profile: fall back to the plain conversion.
    return image.convert("RGB")


@contextmanager
def _quiet_libtiff() -> Iterator[None]:
    """Keeps libtiff from writing to the process's stderr; what it says is raised as well."""
    with _STDERR_LOCK:
        try:
            kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        except OSError:  # No stderr at all.
            yield
            return
        try:
            os.dup2(sink, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(sink)


def _unit(image: Image.Image) -> np.ndarray:
    values = np.asarray(image).astype(np.float32) / 255
    return values[..., None] if values.ndim == 2 else values


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation (1..8) that is still to be applied."""
    if image.format == "TIFF" and not getattr(image, "tile", None):
        return 1  # decoded by Pillow, which applies it; before 10.1 it leaves the tag
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception as error:  # noqa: BLE001 - EXIF is a side matter: any damage means "none".
        del error
        return 1


def _oriented(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Applies an EXIF orientation (1..8) to `(H,W,C)`."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
