"""The demo's server with tiny real models, and pictures for it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from tests.demo.browsing import browser, open_page, screenshot
from tests.helpers import one_thread, tiny_pipeline_folder

__all__ = ["browser", "one_thread", "open_page", "screenshot"]

MAX_UPLOAD_MB = 1
MAX_PIXELS = 60_000
PATIENT = {"timeout": 300}
"""Options of HTTP requests to a server on a busy machine."""


@contextmanager
def own_cache():
    """A page moves gradio's cache for the whole process: afterwards it is where it was."""
    names = ("GRADIO_TEMP_DIR", "GRADIO_EXAMPLES_CACHE", "GRADIO_ANALYTICS_ENABLED")
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def start_demo(folder, *words):
    """`mmsr demo` in a process of its own.

    Args:
        folder: for its temporary files.
        words: arguments beside those that keep it quiet and on the CPU.
    """
    # Not the folders of a server that runs in this process: the command would clear them.
    own = {k: v for k, v in os.environ.items() if not k.startswith("GRADIO_")}
    quiet = ("demo", "--no-browser", "--port", "0", "--device", "cpu")
    return subprocess.Popen(
        [sys.executable, "-m", "mmsr_core", *quiet, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"OMP_NUM_THREADS": "1", **own, "TMPDIR": str(folder)},
    )  # fmt: skip


@contextmanager
def ended_cleanly(started, folder):
    """What a started demo says first; it is then ended by SIGTERM, and leaves nothing in `folder`.

    Args:
        started: its process, with pipes for text.
        folder: its folder for temporary files.
    """
    try:
        line = started.stdout.readline()
        assert line.startswith("MMSR is at http://127.0.0.1:"), started.stderr.read()
        yield line
        started.terminate()
        _, errors = started.communicate(timeout=120)
    finally:
        started.kill()
    assert started.returncode == 0
    assert "Traceback" not in errors
    assert not list(folder.glob("mmsr-demo-*"))


@pytest.fixture(scope="session")
def demo_model(tmp_path_factory):
    return tiny_pipeline_folder(tmp_path_factory.mktemp("demo") / "tiny")


@pytest.fixture(scope="session")
def demo_settings(demo_model):
    from mmsr_demo import DemoSettings

    return DemoSettings(
        port=0,
        model=demo_model,
        device="cpu",
        dtype="float32",
        max_pixels=MAX_PIXELS,
        max_upload_mb=MAX_UPLOAD_MB,
        max_batch_files=8,
        max_batch_mb=2,
        open_browser=False,
        warm_up=False,
    )


@pytest.fixture(scope="session")
def demo_server(demo_settings):
    """(address, engine) of a real server in this process."""
    pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')
    from mmsr_demo.server import launch

    with own_cache():
        page, engine = launch(demo_settings)
        yield page.local_url.rstrip("/"), engine
        page.close(verbose=False)
        engine.close()


@pytest.fixture(scope="module")
def client(demo_server, tmp_path_factory):
    """Calls the server as programs do."""
    from gradio_client import Client

    made = Client(
        demo_server[0], verbose=False, httpx_kwargs=dict(PATIENT),
        download_files=tmp_path_factory.mktemp("downloads"), analytics_enabled=False,
    )  # fmt: skip
    yield made
    made.close()


@pytest.fixture(scope="session")
def demo_picture(tmp_path_factory):
    """Makes a PNG with some structure and returns its path."""
    folder = tmp_path_factory.mktemp("pictures")

    def make(height=20, width=24, name="holiday.png", phase=0.0):
        y, x = np.mgrid[:height, :width]
        channels = [128 + 90 * np.sin(x / 3 + k + phase) * np.cos(y / 4 - k) for k in range(3)]
        path = folder / name
        Image.fromarray(np.stack(channels, -1).astype(np.uint8)).save(path)
        return path

    return make
