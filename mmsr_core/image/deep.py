"""Sixteen-bit colour, which Pillow cuts to eight bits.

It is read, and PNG is written, through imagecodecs (extra `images`). TIFF is written here: no
package that writes it keeps the parts of the EXIF data.
"""

from __future__ import annotations

import io
import logging
import re
import struct
import zlib
from typing import Any

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

_LOG = logging.getLogger(__name__)
_DEEP_RAW_MODE = re.compile("(RGB|RGBA|LA);16[BLN]")
"""Not `RGBX`, whose fourth channel is no alpha, nor `RGBa`, whose colour is premultiplied."""
DEEP_REMEDY = '16-bit colour needs imagecodecs, pip install "mmsr[images]"'
"""What to do where 8 bits were read or written."""
_METRES_PER_INCH = 0.0254
_PNG_HEADER_BYTES = 33  # the signature and the IHDR chunk
_BAND_ROWS = 256
_PARTS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def find_codecs() -> Any:
    """The module imagecodecs, or None where it is not installed."""
    try:
        import imagecodecs
    except ImportError:
        return None
    return imagecodecs


def warn_of_eight_bits(purpose: str) -> None:
    """Say that a 16-bit picture is cut to 8 bits, as imagecodecs is missing."""
    _LOG.warning("%s with 8 bits: %s.", purpose, DEEP_REMEDY)


def is_deep_colour(image: Image.Image) -> bool:
    """Whether an opened, not yet decoded picture has 16-bit colour that Pillow would cut.

    Pillow decodes 16-bit RGB, RGBA and grey+alpha (PNG, TIFF) to 8-bit modes. 16-bit grey has a
    mode of its own (`I;16`) and is not meant here.
    """
    deep = [_DEEP_RAW_MODE.fullmatch(mode) for mode in _raw_modes(image)]
    known = image.mode in ("RGB", "RGBA", "LA") and image.format in ("PNG", "TIFF")
    return known and bool(deep) and all(deep)


def is_deep_grey_alpha(image: Image.Image) -> bool:
    """Whether a picture for which `is_deep_colour` holds is grey, with an alpha."""
    return is_deep_colour(image) and _raw_modes(image)[0].startswith("LA")


def read_deep_colour(codecs: Any, data: bytes, file_format: str) -> np.ndarray:
    """Decode a 16-bit colour picture exactly.

    Args:
        codecs: from `find_codecs`.
        data: the file.
        file_format: "PNG" or "TIFF".

    Returns:
        `(H,W,C)` uint16, C = 3 or 4 (with alpha last).
    """
    pixels = codecs.png_decode(data) if file_format == "PNG" else codecs.tiff_decode(data)
    if pixels.shape[2] == 2:  # grey and alpha
        return pixels[..., [0, 0, 0, 1]]
    return pixels


def encode_png16(
    codecs: Any,
    pixels: np.ndarray,
    metadata: dict[str, str] | None = None,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Encode a 16-bit PNG file.

    Args:
        codecs: from `find_codecs`.
        pixels: `(H,W,C)` uint16; C = 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA.
        metadata: text entries; a key has 1 to 79 Latin-1 characters.
        icc_profile: a profile to embed as it is.
        exif: EXIF data to embed as they are.
        dpi: pixels per inch, across and down.

    Returns:
        The bytes of the file.
    """
    plane = np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    plain: bytes = codecs.png_encode(plane, level=6)
    chunks = []
    if icc_profile:
        chunks.append(_chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc_profile)))
    if dpi is not None:
        across, down = (round(value / _METRES_PER_INCH) for value in dpi)
        chunks.append(_chunk(b"pHYs", struct.pack(">IIB", across, down, 1)))
    if exif:
        chunks.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    for key, text in (metadata or {}).items():
        body = key.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8")
        chunks.append(_chunk(b"iTXt", body))
    return plain[:_PNG_HEADER_BYTES] + b"".join(chunks) + plain[_PNG_HEADER_BYTES:]


def encode_tiff16(
    pixels: np.ndarray,
    icc_profile: bytes | None = None,
    exif: Image.Exif | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Encode a 16-bit TIFF file: deflated, in one strip.

    Args:
        pixels: `(H,W,C)` uint16; C = 1 grey, 3 RGB, 4 RGBA: Pillow reads no 16-bit grey with alpha.
        icc_profile: a profile to embed as it is.
        exif: EXIF data to embed.
        dpi: pixels per inch, across and down.

    Returns:
        The bytes of the file.
    """
    height, width, channels = pixels.shape
    packer, strip = zlib.compressobj(), []
    for start in range(0, height, _BAND_ROWS):
        band = pixels[start : start + _BAND_ROWS].astype("<u2")
        band[:, 1:] -= band[:, :-1].copy()  # each pixel as its difference from the one before
        strip.append(packer.compress(band.tobytes()))
    data = b"".join([*strip, packer.flush()])
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    for tag, value in ({} if exif is None else exif).items():
        if tag not in _PARTS:
            directory[tag] = value
    for part in _PARTS:
        if exif is not None and (tags := dict(exif.get_ifd(part))):
            directory[part] = tags
    if dpi is not None:
        directory[TiffImagePlugin.X_RESOLUTION], directory[TiffImagePlugin.Y_RESOLUTION] = dpi
        directory[TiffImagePlugin.RESOLUTION_UNIT] = 2  # an inch
    if icc_profile:
        directory[TiffImagePlugin.ICCPROFILE] = icc_profile
    if channels == 4:
        directory[TiffImagePlugin.EXTRASAMPLES] = 2  # alpha by which the colour is not multiplied
    own = {
        TiffImagePlugin.IMAGEWIDTH: width,
        TiffImagePlugin.IMAGELENGTH: height,
        TiffImagePlugin.BITSPERSAMPLE: (16,) * channels,
        TiffImagePlugin.COMPRESSION: 8,  # deflate
        TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 1 if channels == 1 else 2,
        TiffImagePlugin.STRIPOFFSETS: 0,  # behind the directory: Pillow adds where that is
        TiffImagePlugin.SAMPLESPERPIXEL: channels,
        TiffImagePlugin.ROWSPERSTRIP: height,
        TiffImagePlugin.STRIPBYTECOUNTS: len(data),
        TiffImagePlugin.PLANAR_CONFIGURATION: 1,
        TiffImagePlugin.PREDICTOR: 2,  # differences along a row
    }
    for tag, value in own.items():
        directory[tag] = value
    file = io.BytesIO()
    directory.save(file)
    return file.getvalue() + data


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _raw_modes(image: Image.Image) -> list[str]:
    """The raw modes that Pillow's decoder is given for the tiles of a picture."""
    found = []
    for tile in getattr(image, "tile", None) or []:
        args = tile[3]
        mode = args if isinstance(args, str) else (args[0] if args else "")
        found.append(mode if isinstance(mode, str) else "")
    return found
