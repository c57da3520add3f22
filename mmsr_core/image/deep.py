"""Sixteen-bit pictures: the low bytes that Pillow drops when reading, and a PNG writer."""

from __future__ import annotations

import struct
import sys
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageFile

_NATIVE_LOW = ";16B" if sys.byteorder == "little" else ";16L"
_LOW_BYTE = {";16B": ";16L", ";16L": ";16B", ";16N": _NATIVE_LOW}
_PNG_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


def is_deep_colour(image: Image.Image) -> bool:
    """Tells whether an opened, not yet decoded picture has 16-bit colour that Pillow would cut.

    Pillow decodes 16-bit RGB, RGBA and grey+alpha (PNG, TIFF) to 8-bit modes, the high byte of
    each sample. 16-bit grey has a mode of its own (`I;16`) and is not meant here.
    """
    tiles = getattr(image, "tile", None) or []
    return image.mode in ("RGB", "RGBA") and bool(tiles) and all(_raw_mode(t) for t in tiles)


def read_deep_colour(high: Image.Image, low: Image.Image) -> np.ndarray:
    """Decodes a 16-bit colour picture exactly, by decoding it twice.

    The second pass names the other byte order to Pillow's decoder, so that the byte which it
    keeps is the low one. Filters, interlacing and compression are still handled by the decoder.

    Args:
        high: The picture, opened by `Image.open` and not yet decoded; `is_deep_colour` holds.
        low: The same file opened a second time.

    Returns:
        `(H,W,C)` uint16, C = 3 or 4 (with alpha last).
    """
    raw_modes = [_raw_mode(tile) for tile in low.tile]  # type: ignore[attr-defined]
    grey_alpha = all(mode.startswith("LA;") for mode in raw_modes)
    _set_raw_modes(low, ["RGBA" if grey_alpha else _low_mode(mode) for mode in raw_modes])
    if grey_alpha:  # The four bytes of a pixel as they are: grey high, low, alpha high, low.
        raw = np.asarray(low).astype(np.uint16)
        grey, alpha = raw[..., 0] << 8 | raw[..., 1], raw[..., 2] << 8 | raw[..., 3]
        return np.stack([grey, grey, grey, alpha], axis=-1)
    return np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)


def encode_png16(
    pixels: np.ndarray, metadata: dict[str, str] | None = None, icc_profile: bytes | None = None
) -> bytes:
    """Encodes a 16-bit PNG file, which Pillow cannot write in colour.

    Args:
        pixels: `(H,W,C)` uint16; C = 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA.
        metadata: Text entries; a key has 1 to 79 Latin-1 characters.
        icc_profile: A profile to embed as it is.

    Returns:
        The bytes of the file.
    """
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOUR_TYPE[channels], 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    if icc_profile:
        chunks.append(_chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc_profile)))
    for key, text in (metadata or {}).items():
        body = key.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8")
        chunks.append(_chunk(b"iTXt", body))
    compressor = zlib.compressobj(6)
    previous = np.zeros(width * channels * 2, np.uint8)
    for row in pixels:
        current = np.frombuffer(row.astype(">u2").tobytes(), np.uint8)
        data = compressor.compress(_filtered_row(current, previous, channels * 2))
        if data:
            chunks.append(_chunk(b"IDAT", data))
        previous = current
    chunks.append(_chunk(b"IDAT", compressor.flush()))
    chunks.append(_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _filtered_row(current: np.ndarray, previous: np.ndarray, pixel_bytes: int) -> bytes:
    """The PNG filter (none, sub, up, Paeth) with the least sum of absolute differences."""
    left = np.concatenate([np.zeros(pixel_bytes, np.uint8), current[:-pixel_bytes]])
    corner = np.concatenate([np.zeros(pixel_bytes, np.uint8), previous[:-pixel_bytes]])
    a, b, c = (part.astype(np.int16) for part in (left, previous, corner))
    from_left, from_up, from_corner = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    keep_left = (from_left <= from_up) & (from_left <= from_corner)
    paeth = np.where(keep_left, left, np.where(from_up <= from_corner, previous, corner))
    candidates = {0: current, 1: current - left, 2: current - previous, 4: current - paeth}
    costs = {k: int(abs(row.view(np.int8).astype(np.int16)).sum()) for k, row in candidates.items()}
    best = min(costs, key=costs.__getitem__)
    return bytes([best]) + candidates[best].tobytes()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _raw_mode(tile: Any) -> str:
    """The decoder's raw mode of one tile when it is a 16-bit one we can read, else ''."""
    args = tile[3]
    mode = args if isinstance(args, str) else (args[0] if args else "")
    known = isinstance(mode, str) and mode[-4:] in _LOW_BYTE
    return mode if known and mode[:-4] in ("RGB", "RGBA", "LA") else ""


def _low_mode(raw_mode: str) -> str:
    return raw_mode[:-4] + _LOW_BYTE[raw_mode[-4:]]


def _set_raw_modes(image: Image.Image, raw_modes: list[str]) -> None:
    if not isinstance(image, ImageFile.ImageFile):
        raise TypeError("a picture opened from a file is expected")
    tiles: list[Any] = []
    for tile, raw_mode in zip(image.tile, raw_modes, strict=True):
        args: Any = tile[3]
        args = raw_mode if isinstance(args, str) else (raw_mode, *args[1:])
        # Named tuples since Pillow 11, plain ones before.
        renamed = getattr(tile, "_replace", None)
        tiles.append(renamed(args=args) if renamed else (*tile[:3], args))
    image.tile = tiles
