"""What every tab shares: the engine, the stop flags, and a run as HTML of its progress."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import gradio as gr

from mmsr_core.types import ProgressCallback

from ..work.engine import Engine
from ..work.history import History
from ..work.jobs import Made
from ..work.progress_stream import Finished, ProgressUpdate, StopFlags, watch_run
from . import panels

Result = TypeVar("Result", bound=Made)
ENGINE_QUEUE = "engine"
"""Every event that computes shares this queue; one runs at a time."""


class PageSession:
    """The engine, the stop flags and the results of one page."""

    def __init__(self, engine: Engine) -> None:
        """Args: the engine."""
        self.engine = engine
        self.workspace = engine.workspace
        self.flags = StopFlags()
        self.history = History()

    def stop(self, request: gr.Request) -> None:
        """Ends every run of this browser tab."""
        self.flags.stop(str(request.session_hash))

    def example_copy(self, path: Path, keep: bool = False) -> str:
        """A fresh copy of a shipped example in the workspace, for gradio to serve.

        Args:
            path: of the example.
            keep: keep the copy as long as the page.
        """
        return str(shutil.copyfile(path, self.workspace.new_folder(keep) / path.name))

    def show_run(
        self, work: Callable[[ProgressCallback], Result], request: gr.Request
    ) -> Generator[str | Finished[Result], None, None]:
        """Runs `work`; yields HTML of its progress, and at the end `Finished`.

        A result that comes after Stop goes with its files.

        Raises:
            Stopped: the user pressed Stop.
        """
        preview = ""
        yield panels.running(None, preview, "Getting ready")
        with closing(self.watch(work, request)) as items:
            for item in items:
                if isinstance(item, ProgressUpdate):
                    if item.preview is not None:
                        preview = panels.data_uri(item.preview)
                    yield panels.running(item, preview)
                else:
                    yield item

    def watch(
        self, work: Callable[[ProgressCallback], Result], request: gr.Request | None
    ) -> Generator[ProgressUpdate | Finished[Result], None, None]:
        """`watch_run`, which `stop` ends; a result that is not shown goes with its files."""
        flag = self.flags.new(str(getattr(request, "session_hash", None)))
        return watch_run(work, flag, self._discard)

    def _discard(self, made: Made) -> None:
        self.workspace.discard(made.own_folder)


def unload(session: PageSession) -> Callable[[gr.Request], None]:
    """The handler for a page that was left: its runs end."""

    def left(request: gr.Request) -> None:
        session.stop(request)

    return left
