"""A headless Chromium on the demo's page: what the browser tests share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",  # A camera.
)  # fmt: skip
PATIENCE_MS = 240_000
DESK, LOW_DESK, PHONE = (1280, 860), (1280, 800), (390, 844)


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="driving a browser needs playwright: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the PATH")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def open_page(browser, demo_server):
    """Opens the page at a size; what it asked of other hosts and its errors are kept on it."""
    contexts = []

    def make(size, dark=False):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            has_touch=size == PHONE,
            permissions=["clipboard-read", "clipboard-write", "camera"],
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.foreign, page.faults = [], []
        home = (demo_server[0], "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(home) else page.foreign.append(r.url))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(demo_server[0])
        page.wait_for_selector("#restore-start")
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def screenshot(tmp_path):
    """Keeps a picture of the page in MMSR_SCREENSHOTS, or in the test's own folder."""
    folder = Path(os.environ.get("MMSR_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)

    def take(page, name):
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        with Image.open(folder / f"{name}.png") as image:
            return image.size

    return take


def upload(page, path, where="#restore-picture"):
    page.locator(f"{where} input[type=file]").first.set_input_files(path)
    page.wait_for_selector(f"{where} img")


def too_wide(page):
    """How many px the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
