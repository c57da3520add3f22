"""Pictures of a batch: single files and ZIP archives, none of which is trusted."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mmsr_core.errors import InputError
from mmsr_core.image import INPUT_SUFFIXES

_CHUNK = 1 << 20
_MAX_RATIO = 200
"""Pictures are compressed already; what unpacks to more than this many times its size is a bomb."""
_SKIPPED = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class BatchItem:
    """One picture of a batch, or why it cannot be read."""

    name: str
    """As the user knows it; never used as a path."""
    path: Path | None
    error: str = ""


@dataclass(frozen=True)
class BatchLimits:
    """What a batch may hold at most."""

    files: int
    total_bytes: int
    """All pictures together, unpacked."""
    file_bytes: int
    """Each picture, unpacked."""


def collect_batch(
    uploads: Sequence[tuple[str, Path]], folder: Path, limits: BatchLimits
) -> list[BatchItem]:
    """Lists the pictures of a batch; archives are unpacked into `folder` under new names.

    Args:
        uploads: name and place of every uploaded file.
        folder: an empty folder.
        limits: see `BatchLimits`.

    Returns:
        One item for each picture, in order; an item that cannot be used carries its error.

    Raises:
        InputError: Nothing was given, a limit is exceeded, or an archive is damaged or hostile as
            a whole.
    """
    items: list[BatchItem] = []
    budget = limits.total_bytes
    for name, path in uploads:
        if zipfile.is_zipfile(path):
            made = _unpack(name, path, folder, limits, budget, len(items))
            budget -= sum(item.path.stat().st_size for item in made if item.path is not None)
            items += made
        elif path.suffix.lower() == ".zip":
            raise InputError(f"{name} is not a readable ZIP archive; make it again.")
        else:
            budget -= path.stat().st_size
            items.append(BatchItem(name, path))
        if budget < 0:
            raise InputError(
                f"The batch is larger than {limits.total_bytes // 2**20} MB unpacked; split it."
            )
        if len(items) > limits.files:
            raise InputError(f"At most {limits.files} pictures fit in one batch; split it.")
    if not items:
        raise InputError("There is no picture in this batch.")
    return items


def _unpack(
    archive_name: str, path: Path, folder: Path, limits: BatchLimits, budget: int, before: int
) -> list[BatchItem]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not _is_skipped(m)]
            _check_whole(archive_name, members, limits, budget, before)
            return [
                _unpack_one(archive, member, folder / f"{before + i:04d}", limits)
                for i, member in enumerate(members)
            ]
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise InputError(f"{archive_name} is damaged and cannot be unpacked.") from error


def _is_skipped(member: zipfile.ZipInfo) -> bool:
    return member.is_dir() or any(part in member.filename for part in _SKIPPED)


def _check_whole(
    name: str, members: list[zipfile.ZipInfo], limits: BatchLimits, budget: int, before: int
) -> None:
    """Refuses a hostile or oversized archive from its directory, before anything is unpacked."""
    if before + len(members) > limits.files:
        raise InputError(
            f"{name} holds {len(members)} files; at most {limits.files} fit in one batch."
        )
    total = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if total > budget:
        raise InputError(
            f"{name} unpacks to {total / 2**20:.0f} MB; at most "
            f"{limits.total_bytes // 2**20} MB fit in one batch."
        )
    if total > _CHUNK and total > _MAX_RATIO * max(packed, 1):
        raise InputError(f"{name} unpacks to over {_MAX_RATIO} times its size and is refused.")


def _unpack_one(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, stem: Path, limits: BatchLimits
) -> BatchItem:
    error = _refusal(member, limits)
    if error:
        return BatchItem(member.filename, None, error)
    # The archive's name chooses nothing but the ending, and that from a list of our own.
    target = stem.with_suffix(PurePosixPath(member.filename).suffix.lower())
    try:
        with archive.open(member) as source, target.open("xb") as sink:
            left = min(member.file_size, limits.file_bytes)
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                if left < 0:  # The directory lied about the size.
                    raise zipfile.BadZipFile("larger than announced")
                sink.write(chunk)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, zlib.error) as problem:
        target.unlink(missing_ok=True)
        return BatchItem(member.filename, None, f"damaged in the archive ({problem})")
    return BatchItem(member.filename, target)


def _refusal(member: zipfile.ZipInfo, limits: BatchLimits) -> str:
    """Why a member is not unpacked; empty if it is."""
    raw = member.orig_filename.replace("\\", "/")
    parts = PurePosixPath(raw).parts
    if raw.startswith("/") or ".." in parts or ":" in raw or "\0" in raw:
        return "its name points outside the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "it is a link, not a picture"
    if member.flag_bits & 1:
        return "it is encrypted"
    if PurePosixPath(raw).suffix.lower() not in INPUT_SUFFIXES:
        return "its ending is not that of a picture"
    if member.file_size > limits.file_bytes:
        return f"it is larger than {limits.file_bytes // 2**20} MB"
    return ""
