"""The results of this session as thumbnails: one click shows one again, or uses its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ..ui import panels
from ..ui.requests import worded
from ..ui.run_events import QUIET, Updates
from ..ui.session import PageSession
from ..work.history import OF_A_SESSION, Past
from ..work.jobs import Pictured
from .controls import symptom_update

FILES = ("picture", "prior", "references", "depth", "guide")
"""Controls that hold files: they stay as they are when settings are used again."""


_INTO_VIEW = """() => { setTimeout(() => document.getElementById('NAME-slider')
  ?.scrollIntoView({behavior: 'smooth', block: 'nearest'}), 300); }"""


@dataclass(frozen=True)
class HistoryParts:
    """The components."""

    tab: str
    names: gr.State
    """Of the results that are shown, newest first; see `History`."""
    chosen: gr.State
    """The name of the one that was clicked."""
    frame: gr.Column
    gallery: gr.Gallery
    use: gr.Button


def build_history(tab: str) -> HistoryParts:
    """Builds it inside the present Blocks context; nothing is seen before the first result.

    Args:
        tab: the ids of its parts begin with it.
    """
    names, chosen = gr.State((), time_to_live=3600), gr.State("")
    with gr.Column(visible=False, elem_classes="mm-history-frame") as frame:
        gallery = gr.Gallery(
            label=f"The last {OF_A_SESSION} results: click one to see it again",
            columns=OF_A_SESSION, height="auto", object_fit="cover", interactive=False,
            allow_preview=False, buttons=[], elem_id=f"{tab}-history",
            elem_classes="mm-history",
        )  # fmt: skip
        use = gr.Button(
            "Use these settings again", visible=False, size="md", elem_id=f"{tab}-again"
        )
    return HistoryParts(tab, names, chosen, frame, gallery, use)


def wire_history(
    session: PageSession,
    parts: HistoryParts,
    controls: dict[str, Any],
    latest: tuple[gr.State, gr.State],
    ran: Sequence[Any],
    outputs: Sequence[Any],
    show: Callable[[Past], Updates],
    caption: Callable[[Pictured, dict[str, Any]], str],
) -> Any:
    """Keeps every new result, and brings an old one back.

    Args:
        session: of the page.
        parts: of `build_history`.
        controls: name to component; all but `FILES` are set by "Use these settings again".
        latest: the newest result, and the values of the controls that it was made with.
        ran: the events after which `latest` is new.
        outputs: what `show` changes.
        show: the updates that show an old result.
        caption: a result and its settings in a few words.

    Returns:
        The event after which an old result is shown.
    """
    history = session.history
    settable = {name: part for name, part in controls.items() if name not in FILES}

    def remember(made: Pictured | None, used: dict[str, Any] | None, names: Any) -> list[Any]:
        names = history.shown(tuple(names))
        if made is not None and used is not None:
            names = history.add(names, Past(made, used, caption(made, used)))
        thumbnails = [
            (str(past.thumbnail()), past.caption)
            for name in names
            if (past := history.get(name)) is not None
        ]
        return [
            names, "", gr.update(value=thumbnails, selected_index=None),
            gr.update(visible=bool(names)), gr.update(visible=False),
        ]  # fmt: skip

    def bring_back(values: Updates, event: gr.SelectData) -> Updates:
        names, index = values[parts.names], event.index
        name = names[index] if isinstance(index, int) and index < len(names) else ""
        past = history.get(name)
        if past is None:
            return {parts.chosen: "", parts.use: gr.update(visible=False)}
        return {parts.chosen: name, parts.use: gr.update(visible=True)} | show(past)

    def use_again(name: str) -> list[Any]:
        past = history.get(name)
        if past is None:
            return [gr.update() for _ in settable]
        values = {control: past.settings.get(control, gr.update()) for control in settable}
        if "symptom" in values:
            values["symptom"] = symptom_update(past.settings.get("symptom"))
        return [*values.values()]

    kept = [parts.names, parts.chosen, parts.gallery, parts.frame, parts.use]
    for event in ran:
        event.then(worded(remember), [*latest, parts.names], kept, **QUIET)
    parts.use.click(use_again, parts.chosen, list(settable.values()), **QUIET)
    back = parts.gallery.select(
        worded(bring_back), {parts.names}, [parts.chosen, parts.use, *outputs], **QUIET
    )
    back.then(None, js=_INTO_VIEW.replace("NAME", parts.tab), **QUIET)
    return back


def restored_caption(made: Pictured, used: dict[str, Any]) -> str:
    """A restored picture in a few words."""
    height, width = made.size
    return f"{width}×{height} {used.get('preset') or 'Own style'}"


def words_of_past(past: Past) -> str:
    """What is said of an old result that is shown."""
    if past.is_there:
        stem = past.made.after.stem.removesuffix("_restored").removesuffix("_merged")
        return panels.notice(f"A result from before: {stem}, {past.caption}.")
    return panels.notice(
        "The files of this result were cleared. Its settings can still be used again."
    )
