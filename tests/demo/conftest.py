"""The demo's server with tiny real models, and pictures for it."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from tests.demo.browsing import browser, open_page, screenshot
from tests.helpers import one_thread, tiny_pipeline_folder

__all__ = ["browser", "one_thread", "open_page", "screenshot"]

MAX_UPLOAD_MB = 1
MAX_PIXELS = 60_000


@pytest.fixture(scope="session")
def demo_model(tmp_path_factory):
    return tiny_pipeline_folder(tmp_path_factory.mktemp("demo") / "tiny")


@pytest.fixture(scope="session")
def demo_settings(demo_model):
    from mmsr_core.demo import DemoSettings

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
    from mmsr_core.demo.server import launch

    names = ("GRADIO_TEMP_DIR", "GRADIO_EXAMPLES_CACHE", "GRADIO_ANALYTICS_ENABLED")
    before = {name: os.environ.get(name) for name in names}
    page, engine = launch(demo_settings)
    yield page.local_url.rstrip("/"), engine
    page.close(verbose=False)
    engine.close()
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})


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
