"""Files of the demo: what a browser may name, and where results are kept."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsr_core.errors import InputError

_UNSAFE = re.compile(r"[^\w .()+-]+")
_MAX_STEM = 60


class Workspace:
    """A private folder for uploads and results; gradio's cache lies in it and nothing else.

    It is created with access for this user alone and removed by `close`.
    """

    def __init__(self) -> None:
        """Creates the folder in the system's place for temporary files."""
        self.root = Path(tempfile.mkdtemp(prefix="mmsr-demo-")).resolve()
        self._results = self.root / "results"
        self._results.mkdir()
        self._kept = self.root / "kept"
        self._kept.mkdir()
        self.closed = threading.Event()
        """Set when the workspace goes away."""

    def uploaded(self, path: str | Path) -> Path:
        """The file behind a path that came from the browser.

        Raises:
            InputError: It is not a file inside this workspace.
        """
        try:
            found = Path(path).resolve()
            if found.is_relative_to(self.root) and found.is_file():
                return found
        except (OSError, ValueError):
            pass
        raise InputError("Only files that were uploaded here are read. Upload the file again.")

    def new_folder(self, keep: bool = False) -> Path:
        """An empty folder for the files of one result; with `keep` it is not swept."""
        folder = (self._kept if keep else self._results) / uuid.uuid4().hex
        folder.mkdir()
        return folder

    @contextmanager
    def result_folder(self, keep: bool = False) -> Iterator[Path]:
        """As `new_folder`; where the result is not completed, nothing of it stays."""
        folder = self.new_folder(keep)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def discard(self, folder: Path | None) -> None:
        """Removes the folder of a result, unless it is to be kept; None is no folder."""
        if folder is not None and folder.parent == self._results:
            shutil.rmtree(folder, ignore_errors=True)

    def sweep_every(self, seconds: float, keep_s: float) -> None:
        """Removes results older than `keep_s` now and then, until `close`.

        gradio does the same for uploads and for what it has shown.
        """

        def sweep() -> None:
            while not self.closed.wait(seconds):
                remove_older(self._results, keep_s, time.time())

        threading.Thread(target=sweep, name="mmsr-sweep", daemon=True).start()

    def close(self) -> None:
        """Removes everything."""
        self.closed.set()
        shutil.rmtree(self.root, ignore_errors=True)


def safe_stem(name: str | None, fallback: str = "picture") -> str:
    """A file name's stem without anything that a file system or an archive could misread."""
    last = str(name or "").replace("\\", "/").rsplit("/", 1)[-1]
    stem = last.rsplit(".", 1)[0] if "." in last.lstrip(".") else last
    stem = _UNSAFE.sub("_", stem).strip(" ._")[:_MAX_STEM].strip(" ._")
    return stem or fallback


def remove_older(folder: Path, seconds: float, now: float) -> int:
    """Removes files below `folder` that were not changed for `seconds`; returns how many.

    Args:
        folder: where to look.
        seconds: the age.
        now: the present time, as `time.time()` gives it.
    """
    removed = 0
    for path in sorted(folder.rglob("*"), reverse=True):
        try:
            if path.is_dir() and not path.is_symlink():
                if path.stat().st_mtime < now - seconds and not any(path.iterdir()):
                    path.rmdir()
            elif path.lstat().st_mtime < now - seconds:
                path.unlink()
                removed += 1
        except OSError:  # In use, or gone already.
            continue
    return removed
