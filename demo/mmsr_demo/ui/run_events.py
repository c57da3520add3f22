"""How every tab starts, shows, stops and ends a run of the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import gradio as gr

from mmsr_core.types import ProgressCallback

from ..work.jobs import Made
from ..work.progress_stream import Finished, Stopped
from . import panels
from .requests import explain
from .session import ENGINE_QUEUE, PageSession

Result = TypeVar("Result", bound=Made)
Updates = dict[Any, Any]
"""Components to their new values or properties."""
_BRING_INTO_VIEW = """() => { setTimeout(() => {
  let shown = document.getElementById('NAME-status');
  while (shown && !shown.offsetHeight) shown = shown.nextElementSibling;
  if (!shown) return;
  const {top, bottom, height} = shown.getBoundingClientRect();
  if (Math.min(bottom, innerHeight) - Math.max(top, 0) >= Math.min(height, 180)) return;
  const block = height >= innerHeight ? 'start' : top < 0 ? 'nearest' : 'center';
  shown.scrollIntoView({behavior: 'smooth', block});
}, 500); }"""
"""Progress and result lie below what was pressed on a phone, and above it in a window too low for
all controls. This brings the progress or message into view, or, where there is none any more, what
comes after it."""
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Options of events that compute nothing to speak of."""


@dataclass(frozen=True)
class RunParts:
    """The parts of a tab that a run needs. At rest Start is seen, during a run Stop."""

    start: gr.Button
    stop: gr.Button
    status: gr.HTML
    """Shows progress and messages."""
    queue: gr.HTML
    """Shows the place in the queue."""
    others: tuple[gr.Button, ...] = ()
    """What starts other runs with the same Stop; not offered during a run."""

    @property
    def frame(self) -> list[Any]:
        """What every run changes, but for the queue."""
        return [self.status, self.start, *self.others, self.stop]

    def at_rest(self) -> Updates:
        """Start is offered."""
        return self._offered(True)

    def in_a_run(self) -> Updates:
        """Stop is offered."""
        return self._offered(False)

    def _offered(self, start: bool) -> Updates:
        starts = dict.fromkeys((self.start, *self.others), gr.update(visible=start))
        return starts | {self.stop: gr.update(visible=not start)}


@dataclass(frozen=True)
class Task(Generic[Result]):
    """What a run does, from controls that were found good."""

    work: Callable[[ProgressCallback], Result]
    meanwhile: Callable[[], Updates] = dict
    """Updates to show with every report of progress."""
    at_end: Callable[[], Updates] = dict
    """Updates to show with the result."""


def run_buttons(label: str, name: str, trial: str = "") -> tuple[gr.Button, ...]:
    """Start and Stop, in a row; their ids are `name-start` and `name-stop`.

    Args:
        label: of Start.
        name: of the tab.
        trial: of a third button between them, which has the id `name-try`; empty for none.
    """
    made: list[gr.Button] = []
    with gr.Row(elem_classes="mm-actions"):
        made.append(gr.Button(label, variant="primary", size="lg", elem_id=f"{name}-start"))
        if trial:
            made.append(gr.Button(trial, size="lg", elem_id=f"{name}-try"))
        stop = gr.Button("Stop", variant="stop", size="lg", visible=False, elem_id=f"{name}-stop")
    return *made, stop


def run_status(name: str) -> tuple[gr.HTML, gr.HTML]:
    """Progress or a message (its id is `name-status`), and below it the place in the queue."""
    status = gr.HTML(elem_id=f"{name}-status")
    return status, gr.HTML(elem_classes="mm-queue")


def wire_run(
    session: PageSession,
    parts: RunParts,
    triggers: Sequence[Callable[..., Any]],
    inputs: set[Any],
    outputs: Sequence[Any],
    prepare: Callable[[Updates], Task[Result]],
    show: Callable[[Result], Updates],
    begun: Updates | None = None,
    refused: Updates | None = None,
) -> list[Any]:
    """Makes events start a run, one at a time with all others, and Stop end it.

    Args:
        session: of the page.
        parts: of the tab.
        triggers: what starts a run, such as `button.click`.
        inputs: the controls that are read.
        outputs: what `show`, `begun` and the task's own updates change, beside `parts`.
        prepare: reads the controls (component to value); what it raises is shown in words.
        show: the updates that show a result.
        begun: the updates when a run begins.
        refused: the updates when it cannot, beside the message.

    Returns:
        The events, in the order of `triggers`.
    """

    def run(values: Updates, request: gr.Request) -> Iterator[Updates]:
        try:
            task = prepare(values)
        except Exception as error:  # noqa: BLE001 - shown in place, in words.
            message = {parts.status: panels.notice(explain(error), "bad")}
            yield message | parts.at_rest() | (refused or {})
            return
        yield parts.in_a_run() | (begun or {})
        yield from _answer(session, parts, task, request, show)

    def wait() -> Updates:
        title = "Waiting for your turn" if session.engine.is_busy else "Getting ready"
        return {parts.status: panels.running(None, "", title)} | parts.in_a_run()

    into_view = _BRING_INTO_VIEW.replace("NAME-status", str(parts.status.elem_id))
    frame = parts.frame
    events = [
        # Shown at once: the run itself says nothing before its turn has come.
        trigger(wait, outputs=frame, js=into_view, **QUIET).then(
            run,
            inputs=inputs,
            outputs=[*frame, parts.queue, *outputs],
            concurrency_id=ENGINE_QUEUE,
            concurrency_limit=1,
            show_progress="minimal",
            show_progress_on=parts.queue,
            api_visibility="private",
        )
        for trigger in triggers
    ]

    def pressed(request: gr.Request) -> Updates:
        session.stop(request)
        return _stopped(parts)

    # Again at the end: a short run is over before there is any progress to bring into view.
    for event in events:
        event.success(None, js=into_view, **QUIET)

    # What refuses a run before it begins (a full queue, a wrong value) says so on its own.
    for event in events:
        event.failure(lambda: _stopped(parts), outputs=frame, **QUIET)

    # Ends a run within a tile, and takes a waiting one out of the queue. A run that is cancelled
    # may not come to say so itself.
    parts.stop.click(pressed, outputs=frame, cancels=events, **QUIET)
    return events


def without_refusal(status: gr.HTML, shown: str | None) -> Updates:
    """The update that takes away why a run failed, to be made when a control is changed.

    Args:
        status: of `run_status`.
        shown: its present value.
    """
    return {status: ""} if "mm-bad" in (shown or "") else {}


def _stopped(parts: RunParts) -> Updates:
    return {parts.status: panels.notice("Stopped. Nothing was saved.")} | parts.at_rest()


def _answer(
    session: PageSession,
    parts: RunParts,
    task: Task[Result],
    request: gr.Request,
    show: Callable[[Result], Updates],
) -> Iterator[Updates]:
    """A run as updates of the page."""
    try:
        with closing(session.show_run(task.work, request)) as items:
            for item in items:
                if isinstance(item, Finished):
                    yield {parts.status: ""} | parts.at_rest() | show(item.value) | task.at_end()
                else:
                    yield {parts.status: item} | task.meanwhile()
    except Stopped:
        yield _stopped(parts)
    except Exception as error:  # noqa: BLE001 - shown in place, in words.
        yield {parts.status: panels.notice(explain(error), "bad")} | parts.at_rest()
