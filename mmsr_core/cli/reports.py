"""The file of `--report`: what was found and done, for every picture of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .common import write_json
from .files import Files


class ReportFile:
    """The report of a run; of a folder, a list with what an earlier run has said of the rest."""

    def __init__(self, path: Path | None, files: Files) -> None:
        """Reads what an earlier run wrote of the pictures that have a result already.

        Args:
            path: the file; None writes nothing.
            files: the pictures of the run.
        """
        self._path = path
        self._batch = files.batch
        earlier = {} if path is None or not files.skipped else _by_output(path)
        self._skipped = [
            earlier.get(_place(str(target)))
            or {"input": str(source), "output": str(target), "skipped": True}
            for source, target in files.skipped
        ]

    def write(self, reports: list[dict[str, Any]]) -> None:
        """Writes the file: the pictures that had a result already, then those of this run."""
        if self._path is None:
            return
        from ..image import make_folder

        make_folder(self._path.parent)
        content = [*self._skipped, *reports]
        write_json(self._path, content if self._batch or not content else content[0])


def _by_output(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of an earlier report by their results; empty where there is none to be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = content if isinstance(content, list) else [content]
    return {
        _place(entry["output"]): entry
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("output"), str)
    }


def _place(output: str) -> str:
    """The same for relative and absolute paths."""
    return os.path.realpath(output)
