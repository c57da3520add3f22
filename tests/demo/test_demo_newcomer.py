"""Somebody who has never seen the page restores a picture, by what is written on it alone."""

import re
import sys
import time
from pathlib import Path

import pytest

from tests.demo.browsing import DESK, PATIENCE_MS
from tests.demo.conftest import ended_cleanly, start_demo

PICTURE = Path(__file__).resolve().parents[2] / "assets" / "example_lr.png"
"""160x120."""
LIMIT_SECONDS = 60


@pytest.fixture
def fresh_address(tmp_path):
    """Where a demo listens that was just started, with the weights that ship."""
    with ended_cleanly(start_demo(tmp_path), tmp_path) as line:
        yield re.search(r"http://[\w.:]+", line)[0]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM on Windows")
def test_a_newcomer_has_a_result_within_a_minute(
    browser, fresh_address, screenshot, record_property
):
    """From opening the page to the shown result, while the examples are still being prepared."""
    context = browser.new_context(viewport={"width": DESK[0], "height": DESK[1]})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    started = time.monotonic()
    page.goto(fresh_address)
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Drop a picture here").first.click()
    chooser.value.set_files(PICTURE)
    page.get_by_text("160×120 → ").wait_for()
    ready = time.monotonic() - started
    page.get_by_role("button", name="Restore", exact=True).click()
    page.wait_for_selector("#restore-download")
    page.wait_for_function(
        "[...document.querySelectorAll('#restore-slider img')]"
        ".some(i => i.complete && i.naturalWidth >= 640)"
    )
    seconds = time.monotonic() - started
    screenshot(page, "newcomer_desk")
    context.close()
    text = f"{seconds:.1f} s from opening the page to the result, {ready:.1f} s of it the upload"
    record_property("seconds_of_a_newcomer", text)
    print(text)  # noqa: T201
    assert seconds < LIMIT_SECONDS, text
