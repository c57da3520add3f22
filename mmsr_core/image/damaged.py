"""JPEG files that are cut off: what is there is read."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

_END_OF_IMAGE = b"\xff\xd9"


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
