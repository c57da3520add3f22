"""What every tab shares: the engine, the stop flags, and how a run is shown while it works."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from ..types import ProgressCallback
from . import panels
from .engine import Engine
from .guard import explain
from .live import Finished, Moment, StopFlags, Stopped, watch_run

Result = TypeVar("Result")
ENGINE_QUEUE = "engine"
"""Every event that computes shares this queue; one runs at a time."""


class Desk:
    """The engine and the stop flags of one page."""

    def __init__(self, engine: Engine) -> None:
        """Args: the engine."""
        self.engine = engine
        self.workspace = engine.workspace
        self.flags = StopFlags()

    def stop(self, request: gr.Request) -> None:
        """Ends every run of this browser tab."""
        self.flags.stop(str(request.session_hash))

    def example_copy(self, path: Path) -> str:
        """A fresh copy of a shipped example in the workspace, for gradio to serve."""
        return str(shutil.copyfile(path, self.workspace.new_folder() / path.name))

    def show_run(
        self, work: Callable[[ProgressCallback], Result], request: gr.Request
    ) -> Iterator[str | Finished[Result]]:
        """Runs `work`; yields HTML of its progress, and at the end `Finished`.

        Raises:
            Stopped: the user pressed Stop.
        """
        flag = self.flags.new(str(request.session_hash))
        preview = ""
        yield panels.running(None, preview, "Getting ready")
        for item in watch_run(work, flag):
            if isinstance(item, Moment):
                if item.preview is not None:
                    preview = panels.data_uri(item.preview)
                yield panels.running(item, preview)
            else:
                yield item

    def answer(
        self,
        work: Callable[[ProgressCallback], Result],
        request: gr.Request,
        status: Any,
        idle: dict[Any, Any],
        done: Callable[[Result], dict[Any, Any]],
    ) -> Iterator[dict[Any, Any]]:
        """A run as updates of the page, for an event handler to yield from.

        Args:
            work: the run.
            request: of the event.
            status: the component that shows progress and messages.
            idle: updates that bring the page back to rest.
            done: the updates that show a result.
        """
        try:
            for item in self.show_run(work, request):
                if isinstance(item, Finished):
                    yield {status: ""} | idle | done(item.value)
                else:
                    yield {status: item}
        except Stopped:
            yield {status: panels.notice("Stopped. Nothing was saved.")} | idle
        except Exception as error:  # noqa: BLE001 - shown in place, in words.
            yield {status: panels.notice(explain(error), "bad")} | idle


def wire_stop(desk: Desk, stop: gr.Button, start: gr.Button, runs: Sequence[Any]) -> None:
    """Stop ends a run within a tile, and takes a waiting one out of the queue."""

    def pressed(request: gr.Request) -> dict[Any, Any]:
        desk.stop(request)
        return {start: gr.update(visible=True), stop: gr.update(visible=False)}

    stop.click(
        pressed,
        outputs=[start, stop],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
        cancels=list(runs),
    )


def unload(desk: Desk) -> Callable[[gr.Request], None]:
    """The handler for a page that was left: its runs end."""

    def left(request: gr.Request) -> None:
        desk.stop(request)

    return left
