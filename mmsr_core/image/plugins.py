"""Formats that Pillow knows with a plugin only: HEIC (extra `images`) and JPEG XL (extra `jxl`).

The plugin of JPEG XL is under the GPL, so it has an extra of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..errors import ImageFileError

_HEAD_BYTES = 16
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_HEADS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
}
"""How the files of formats that Pillow knows by itself begin."""


@dataclass(frozen=True)
class Plugin:
    """A package that teaches Pillow a format."""

    format: str
    """Pillow's name of the format."""
    name: str
    """What people call it."""
    module: str
    package: str
    extra: str
    """Of mmsr, which brings the package."""

    @property
    def installed(self) -> bool:
        """Whether the package is there; nothing is imported."""
        return find_spec(self.module) is not None

    def load(self) -> None:
        """Import it, so that Pillow knows the format."""
        if self.format == "HEIF":
            import pillow_heif

            pillow_heif.register_heif_opener()
        else:
            import pillow_jxl  # noqa: F401 - it registers itself

    @property
    def remedy(self) -> str:
        """What to do where it is missing."""
        return f'{self.name} needs {self.package}: pip install "mmsr[{self.extra}]"'


HEIC = Plugin("HEIF", "HEIC", "pillow_heif", "pillow-heif", "images")
JXL = Plugin("JXL", "JPEG XL", "pillow_jxl", "pillow-jxl-plugin", "jxl")
BY_SUFFIX = {".heic": HEIC, ".heif": HEIC, ".hif": HEIC, ".jxl": JXL}


def plugin_of(path: Path) -> Plugin | None:
    """The plugin that a file needs, by its first bytes; None for what Pillow knows by itself.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return HEIC
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return JXL
    return None


def known_format(path: Path) -> str | None:
    """What people call the format that a file has by its first bytes; None where it is not known.

    Raises:
        OSError: it cannot be read.
    """
    plugin = plugin_of(path)
    if plugin is not None:
        return plugin.name
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"):
        return "AVIF"
    return next((name for start, name in _HEADS.items() if head.startswith(start)), None)


def load_plugin_for(path: Path) -> str | None:
    """Make Pillow know the format of a file; returns the format, None where it knows it anyway.

    Raises:
        ImageFileError: the plugin is not installed.
        OSError: the file cannot be read.
    """
    plugin = plugin_of(path)
    if plugin is None:
        return None
    if not plugin.installed:
        raise ImageFileError(f"{path} cannot be read: {plugin.remedy}.")
    plugin.load()
    return plugin.format
