"""The extension in Forge's own page, in a headless browser."""

import os
from pathlib import Path

import pytest
from webui_server import WebuiServer, copy_clone

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def page(forge_path, tmp_path_factory):
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: no browser tests"
    )
    chromium = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
    if not Path(chromium).is_file():
        pytest.skip("no Chromium found (CHROMIUM): no browser tests")
    base = tmp_path_factory.mktemp("webui_page")
    copy_clone(base / "extensions")
    with WebuiServer(forge_path, base, page=True) as server, playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1400, "height": 1100})
        opened.goto(server.url, timeout=120_000)
        opened.wait_for_selector("#extras_tab, #tabs", timeout=120_000)
        opened.server = server
        yield opened
        browser.close()


def shoot(page, name: str) -> None:
    """Keep a picture of the page where SCREENSHOTS names a folder."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_settings_are_there(page):
    page.get_by_role("tab", name="Settings").first.click()
    page.get_by_role("tab", name="MMSR").first.click()
    page.wait_for_selector("#setting_mmsr_model", timeout=20_000)
    shoot(page, "settings")
    assert page.locator("#setting_mmsr_model input").first.input_value() == "small"
    assert page.locator("#setting_mmsr_dtype").is_visible()


def test_the_controls_are_in_extras(page):
    page.get_by_role("tab", name="Extras").first.click()
    accordion = page.locator("#extras_mmsr")
    accordion.scroll_into_view_if_needed()
    accordion.locator(".label-wrap").first.click()
    accordion.get_by_label("Show the measured blur").check()
    shoot(page, "extras")
    assert accordion.get_by_label("balanced").is_checked()


def test_the_script_is_in_img2img(page):
    page.get_by_role("tab", name="img2img").first.click()
    script = page.locator("#mmsr_hold_img2img")
    script.scroll_into_view_if_needed()
    assert "Hold to the input (MMSR)" in script.inner_text()
    shoot(page, "hold")
