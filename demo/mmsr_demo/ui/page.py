"""The page: six tabs and the API."""

from __future__ import annotations

import os
import threading

import gradio as gr

from mmsr_core.errors import MMSRError
from mmsr_core.types import Progress

from ..endpoints import build_endpoints
from ..files.workspace import Workspace
from ..settings import DEFAULT_PRESET, PRESETS, DemoSettings
from ..tabs.batch import build_batch
from ..tabs.compare import build_compare
from ..tabs.fuse import build_fuse
from ..tabs.inspect import build_inspect
from ..tabs.merge import build_merge
from ..tabs.restore import EXAMPLE_FILES, EXAMPLES, build_restore
from ..work.engine import Engine
from ..work.jobs import RestoreJob
from ..work.progress_stream import Stopped
from .session import PageSession, unload
from .theme import TITLE

CLEAN_EVERY_S, KEEP_FILES_S = 300, 3600
"""How often old files are looked for, and how long they stay."""
RETRY_S = 3.0
"""After how long the examples are tried again when a user's job came first."""


def build_page(settings: DemoSettings) -> tuple[gr.Blocks, Engine]:
    """Builds the page without starting a server.

    gradio's cache is moved into a private folder, which `Engine.close` removes.

    Raises:
        WeightsError: The weights are missing or damaged.
        InputError: The device is not there, or CLIP cannot be loaded.
    """
    workspace = Workspace()
    engine = Engine(settings, workspace)
    try:
        _ = engine.pipeline, engine.clip
    except BaseException:
        engine.close()
        raise
    # Only now: a page that cannot be built leaves the cache of another alone.
    os.environ["GRADIO_TEMP_DIR"] = str(workspace.root)
    os.environ["GRADIO_EXAMPLES_CACHE"] = str(workspace.root / "examples")
    session = PageSession(engine)
    with gr.Blocks(
        title=f"{TITLE}: see what is wrong with a picture, get it back sharp",
        analytics_enabled=False,
        delete_cache=(CLEAN_EVERY_S, KEEP_FILES_S),
    ) as page:
        gr.HTML(
            f'<header class="mm-head"><h1>{TITLE}</h1>'
            "<p>Drop a picture. See what is wrong with it. Get it back sharp.</p></header>"
        )
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Restore", id="restore"):
                restored = build_restore(session, tabs)
            with gr.Tab("What was wrong", id="inspect"):
                build_inspect(session, restored)
            with gr.Tab("Merge", id="merge"):
                build_merge(session)
            with gr.Tab("Fuse", id="fuse"):
                build_fuse(session)
            with gr.Tab("Compare", id="compare"):
                build_compare(session)
            with gr.Tab("Batch", id="batch"):
                build_batch(session)
        build_endpoints(session)
        page.unload(unload(session))
    workspace.sweep_every(CLEAN_EVERY_S, KEEP_FILES_S)
    page.queue(max_size=settings.queue_length, default_concurrency_limit=1)
    return page, engine


def warm_up(engine: Engine) -> threading.Thread:
    """Restores the examples in the background, so that they are instant. Any job comes first."""

    def stop_for_jobs(progress: Progress) -> None:
        del progress
        if engine.has_waiting_jobs:
            raise Stopped

    def work() -> None:
        waiting = list(EXAMPLE_FILES)
        closed = engine.workspace.closed
        usual = PRESETS[DEFAULT_PRESET]
        while waiting and not closed.is_set():
            name = waiting[0]
            job = RestoreJob(EXAMPLES / name, name, steps=usual.steps, detail=usual.detail)
            try:
                engine.restore(job, stop_for_jobs, keep=True)
            except Stopped:  # A user's job came first: try again later.
                closed.wait(RETRY_S)
                continue
            except (MMSRError, OSError):  # Reported when a user restores a picture.
                return
            del waiting[0]

    thread = threading.Thread(target=work, name="mmsr-warm-up", daemon=True)
    thread.start()
    return thread
