"""EXIF data that travels from a picture to its restored one."""

from __future__ import annotations

import json
from typing import Any

from PIL import ExifTags, Image

_DESCRIPTION, _ORIENTATION, _SOFTWARE = 0x010E, 0x0112, 0x0131
_USER_COMMENT = 0x9286  # in the Exif part: the encoding in eight bytes, then the text
_ASCII = b"ASCII\0\0\0"
_ENCODINGS = (_ASCII, b"UNICODE\0", b"JIS\0\0\0\0\0", b"\0" * 8)
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_INCH, _CENTIMETRE = 2, 3
_CENTIMETRES_PER_INCH = 2.54
_SIZES = (0xA002, 0xA003)  # width and height, in the Exif part
_STRUCTURE = range(0x0100, 0x010E)
"""What a TIFF file says of its own pixels (sizes, compression, places): true of that file alone."""
_MORE_STRUCTURE = (0x0111, 0x0115, 0x0116, 0x0117, 0x011C, 0x013D, 0x0140, 0x0142, 0x0143, 0x0144,
                   0x0145, 0x0152, 0x0153, 0x015B, 0x0201, 0x0202, 0x0211, 0x0212, 0x0213, 0x0214,
                   0x02BC, 0x8773)  # fmt: skip


def read_exif(image: Image.Image) -> bytes | None:
    """The EXIF data of an opened picture that stay true of a restored one; None where none do."""
    try:
        if image.format == "PNG" and getattr(image, "tile", None) and "exif" not in image.info:
            return None  # read by imagecodecs: Pillow would decode it all to look behind the pixels
        exif = image.getexif()
        kept = {tag: value for tag, value in exif.items() if _stays(tag)}
        details = {t: v for t, v in exif.get_ifd(ExifTags.IFD.Exif).items() if t not in _SIZES}
        places = dict(exif.get_ifd(ExifTags.IFD.GPSInfo))
        made = Image.Exif()
        made.update(kept)
        for part, tags in ((ExifTags.IFD.Exif, details), (ExifTags.IFD.GPSInfo, places)):
            if tags:
                made[part] = tags
        return made.tobytes() if kept or details or places else None
    except Exception as error:  # noqa: BLE001 - EXIF is a side matter: any damage means "none".
        del error
        return None


def _stays(tag: int) -> bool:
    parts = (int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo))
    return not (tag == _ORIENTATION or tag in _STRUCTURE or tag in (*_MORE_STRUCTURE, *parts))


def with_settings(
    exif: bytes | None, metadata: dict[str, str] | None, in_parts: bool = True
) -> Image.Exif | None:
    """EXIF data with the settings of a run in it, as JSON.

    They are the user comment, which programs do not show as the picture's caption; or, where the
    picture has a comment of its own, the software or the description, whichever is free; else they
    are left out.

    Args:
        exif: from `read_exif`.
        metadata: the settings.
        in_parts: whether they may lie in the Exif part, as the comment does.
    """
    if exif is None and not metadata:
        return None
    made = Image.Exif()
    if exif is not None:
        made.load(exif)
    if metadata:
        text, details = _as_json(metadata), dict(made.get_ifd(ExifTags.IFD.Exif))
        if in_parts and not _has_comment(details):
            made[ExifTags.IFD.Exif] = details | {_USER_COMMENT: _ASCII + text.encode("ascii")}
        else:
            free = [tag for tag in (_SOFTWARE, _DESCRIPTION) if not made.get(tag)]
            made.update(dict.fromkeys(free[:1], text))
    return made


def with_dpi(exif: Image.Exif | None, dpi: tuple[float, float] | None) -> Image.Exif | None:
    """EXIF data that say the pixels per inch, across and down; the same where none are given."""
    if dpi is None:
        return exif
    made = Image.Exif() if exif is None else exif
    tags = (_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT)
    made.update(zip(tags, (*dpi, _INCH), strict=True))
    return made


def read_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Pixels per inch that the EXIF data of an opened picture say; None where they say none."""
    try:
        exif = image.getexif()
        across, down = float(exif[_X_RESOLUTION]), float(exif[_Y_RESOLUTION])
        unit = exif.get(_RESOLUTION_UNIT, _INCH)
    except Exception as error:  # noqa: BLE001 - EXIF is a side matter: any damage means "none".
        del error
        return None
    if unit not in (_INCH, _CENTIMETRE):
        return None
    factor = _CENTIMETRES_PER_INCH if unit == _CENTIMETRE else 1.0
    return across * factor, down * factor


def _as_json(metadata: dict[str, str]) -> str:
    """One JSON object, also where a text is one itself."""
    return json.dumps({n: json.loads(t) if t[:1] == "{" else t for n, t in metadata.items()})


def _has_comment(details: dict[int, Any]) -> bool:
    """Whether the comment says anything: cameras write one of blanks."""
    comment = details.get(_USER_COMMENT, b"")
    said = comment if isinstance(comment, bytes) else str(comment).encode()
    said = said[8:] if said.startswith(_ENCODINGS) else said
    return bool(said.strip(b"\0 "))


def has_parts(exif: Image.Exif) -> bool:
    """Whether there are the camera's details or the place, beside the main part."""
    return ExifTags.IFD.Exif in exif or ExifTags.IFD.GPSInfo in exif
