"""Sixteen-bit colour, which Pillow cuts to eight bits, through imagecodecs (extra `images`)."""

from __future__ import annotations

import logging
import re
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

_LOG = logging.getLogger(__name__)
_DEEP_RAW_MODE = re.compile("(RGB|RGBA|LA);16[BLN]")
"""Not `RGBX`, whose fourth channel is no alpha, nor `RGBa`, whose colour is premultiplied."""
_METRES_PER_INCH = 0.0254
_PNG_HEADER_BYTES = 33  # the signature and the IHDR chunk


def find_codecs() -> Any:
    """The module imagecodecs, or None where it is not installed."""
    try:
        import imagecodecs
    except ImportError:
        return None
    return imagecodecs


def warn_of_eight_bits(purpose: str) -> None:
    """Say that a 16-bit picture is cut to 8 bits, as imagecodecs is missing."""
    _LOG.warning(
        '%s with 8 bits: 16-bit colour needs imagecodecs, pip install "mmsr[images]".', purpose
    )


def is_deep_colour(image: Image.Image) -> bool:
    """Whether an opened, not yet decoded picture has 16-bit colour that Pillow would cut.

    Pillow decodes 16-bit RGB, RGBA and grey+alpha (PNG, TIFF) to 8-bit modes. 16-bit grey has a
    mode of its own (`I;16`) and is not meant here.
    """
    tiles = getattr(image, "tile", None) or []
    deep = bool(tiles) and all(_DEEP_RAW_MODE.fullmatch(_raw_mode(tile)) for tile in tiles)
    return image.mode in ("RGB", "RGBA") and deep and image.format in ("PNG", "TIFF")


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
        pixels: `(H,W,C)` uint16; C = 3 RGB, 4 RGBA.
        metadata: text entries; a key has 1 to 79 Latin-1 characters.
        icc_profile: a profile to embed as it is.
        exif: EXIF data to embed as they are.
        dpi: pixels per inch, across and down.

    Returns:
        The bytes of the file.
    """
    plain: bytes = codecs.png_encode(pixels, level=6)
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


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _raw_mode(tile: Any) -> str:
    """The raw mode that Pillow's decoder is given for one tile."""
    args = tile[3]
    mode = args if isinstance(args, str) else (args[0] if args else "")
    return mode if isinstance(mode, str) else ""
