"""JPEG files that are cut off, or broken inside: what is there is read, and it is said."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image

_START_OF_IMAGE, _END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
_END, _SCAN, _RESTART_INTERVAL = 0xD9, 0xDA, 0xDD
_RESTARTS = range(0xD0, 0xD8)
_BETWEEN_SCANS = frozenset((0xC4, _SCAN, 0xDB, 0xDC, _RESTART_INTERVAL, 0xFE, *range(0xE0, 0xF0)))
"""Markers that may follow the data of a scan, beside the end: tables, the next scan, notes."""
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_COMPLAINT = re.compile("Corrupt JPEG data: (?:([0-9]+) extraneous bytes before marker 0xd9)?")
"""What libjpeg says of data that it could not follow; of bytes that are left over at the end, how
many there are."""


def is_cut_off(image: Image.Image, error: Exception) -> bool:
    """Whether a JPEG could not be decoded because its data end too soon."""
    return image.format in ("JPEG", "MPO") and "truncated" in str(error)


def completed(path: Path) -> Image.Image:
    """The picture of a JPEG file that is cut off, decoded; what is missing is grey.

    An end marker is put behind the data: the decoder then takes the rest for lost.

    Raises:
        OSError: so little is there that nothing can be decoded.
    """
    image = Image.open(io.BytesIO(path.read_bytes() + _END_OF_IMAGE), formats=["JPEG"])
    image.load()
    return image


def is_broken_inside(path: Path) -> bool:
    """Whether the data of a JPEG file, which could be decoded to their end, are damaged.

    What libjpeg complains of is found where simplejpeg (extra `images`) is installed; everywhere,
    marks among the data that must not be there. Damage that leaves data of another picture, which
    can be read as well, is not found.
    """
    data = path.read_bytes()
    end = _end_of_picture(data)
    return end is None or _libjpeg_complains(data[:end] + _END_OF_IMAGE)


def _libjpeg_complains(data: bytes) -> bool:
    """Whether libjpeg says that a picture is corrupt; never where simplejpeg is not installed."""
    try:
        import simplejpeg
    except (ImportError, ValueError):  # not there, or built for another numpy
        return False
    try:  # small, as nothing but the complaint is wanted
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, strict=True)
    except ValueError as error:
        found = _COMPLAINT.match(str(error))
        if found is None or found[1] is None:
            return found is not None
        left_over = data[: -len(_END_OF_IMAGE)][-int(found[1]) :]
        return bool(left_over.strip(b"\0"))  # some cameras leave zeros
    return False


def _end_of_picture(data: bytes) -> int | None:
    """The place of the mark that ends a JPEG picture, or that of the end of the data.

    None where there are marks among the data that no encoder writes there.
    """
    place, interval, scans = len(_START_OF_IMAGE), 0, 0
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return None if scans else len(data)
        kind, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if kind == 0xFF:  # may be repeated
            place += 1
            continue
        if kind == _END:
            return place
        if kind == _RESTART_INTERVAL:
            interval = int.from_bytes(data[place + 4 : place + 6], "big")
        place += 2 + length
        if kind == _SCAN:
            scans += 1
            end = _end_of_scan(data, place, interval > 0)
            if end is None:
                return None
            place = end
    return min(place, len(data))


def _end_of_scan(data: bytes, start: int, restarts: bool) -> int | None:
    """The place of the mark that ends a scan, or of the file's end; None where a mark is wrong."""
    awaited = _RESTARTS.start
    for found in _MARKER.finditer(data, start):
        kind = found[1][0]
        if kind not in _RESTARTS:
            return found.end() - 2 if kind == _END or kind in _BETWEEN_SCANS else None
        if not restarts or kind != awaited:
            return None
        awaited = _RESTARTS[(kind + 1) % 8]
    return len(data)
