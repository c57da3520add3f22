"""The results of a session, to be looked at again: a few of each session, and of all together."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .jobs import Pictured

OF_A_SESSION, OF_ALL = 8, 48
"""How many results are kept. One holds a few MB of maps; its pictures are files."""
_THUMBNAIL_PX = 160


@dataclass(frozen=True)
class Past:
    """One result."""

    made: Pictured
    settings: Mapping[str, Any]
    """Name of a control to its value."""
    caption: str

    @property
    def is_there(self) -> bool:
        """Whether its files are: they are swept after a while."""
        return self.made.after.is_file() and self.made.before.is_file()

    def thumbnail(self) -> Path:
        """The result in small, beside it; made when first asked for."""
        from PIL import Image

        target = self.made.after.parent / "thumbnail.png"
        if not target.is_file():
            with Image.open(self.made.after) as image:
                small = image.convert("RGBA" if "A" in image.getbands() else "RGB")
            small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
            small.save(target)
        return target


class History:
    """Results by name. The names are handed out to the sessions, which keep them, newest first."""

    def __init__(self, of_a_session: int = OF_A_SESSION, of_all: int = OF_ALL) -> None:
        """Args: how many results are kept of a session, and of all together."""
        self._of_a_session, self._of_all = of_a_session, of_all
        self._lock = threading.Lock()
        self._all: OrderedDict[str, Past] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def get(self, name: str) -> Past | None:
        """The result of a name, unless it had to make room."""
        return self._all.get(name)

    def shown(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the names whose results are still there."""
        return tuple(name for name in names if (past := self.get(name)) and past.is_there)

    def add(self, names: tuple[str, ...], past: Past) -> tuple[str, ...]:
        """The names of a session with a new result; what is too much is forgotten.

        A result that the session has already stays where it is.
        """
        with self._lock:
            kept = [name for name in names if name in self._all]
            if any(self._all[name].made.after == past.made.after for name in kept):
                return tuple(kept)
            name = uuid.uuid4().hex
            self._all[name] = past
            for old in kept[self._of_a_session - 1 :]:
                del self._all[old]
            while len(self._all) > self._of_all:
                self._all.popitem(last=False)
            return (name, *kept[: self._of_a_session - 1])

    def clear(self) -> None:
        """Forgets all."""
        self._all.clear()
