"""Writing a file so that its name holds either the old content or the whole new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ImageFileError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Gives a temporary file beside `path` to write to; on success it replaces `path`.

    On any exception, a keyboard interrupt included, the temporary file is removed and `path` is
    left as it was. A symbolic link is followed: the file it points to is replaced.

    Args:
        path: The file to write. Its folder must exist.

    Yields:
        An empty, writable file in the same folder.

    Raises:
        ImageFileError: The folder is missing or cannot be written, or `path` is a folder.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise ImageFileError(f"Cannot write {path}: it is a folder; give a file name.")
    temporary = target.with_name(f".{target.name[:64]}.{secrets.token_hex(4)}.tmp")
    try:
        # Not tempfile.mkstemp: the finished file shall have the permissions the umask asks for.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise ImageFileError(_cannot_write(path, target, error)) from error
    try:
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, target)
    except OSError as error:
        _remove(temporary)
        raise ImageFileError(_cannot_write(path, target, error)) from error
    except BaseException:
        _remove(temporary)
        raise


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Writes `data` to `path`, replacing it as a whole; see `atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def atomic_write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, replacing it as a whole; line ends stay as they are."""
    atomic_write_bytes(path, text.encode("utf-8"))


def _cannot_write(path: str | Path, target: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    if not target.parent.exists():
        reason = f"the folder {target.parent} does not exist; create it first"
    elif not target.parent.is_dir():
        reason = f"{target.parent} is not a folder"
    return f"Cannot write {path}: {reason}."


def _flush_to_disk(path: Path) -> None:
    """Without this a crash of the machine could leave the new name with no content."""
    with open(path, "rb+") as stream:
        os.fsync(stream.fileno())


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
