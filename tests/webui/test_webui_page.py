"""The extension in the page of real WebUIs, in a headless browser."""

import json
import os
import re
from pathlib import Path

import pytest
from conftest import install
from test_webui_host import img2img
from webui_server import WebuiServer

pytestmark = pytest.mark.comfy
RUN_MS = 180_000


@pytest.fixture(scope="module")
def page(host, checkpoint, tmp_path_factory):
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: no browser tests"
    )
    chromium = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
    if not Path(chromium).is_file():
        pytest.skip("no Chromium found (CHROMIUM): no browser tests")
    base = tmp_path_factory.mktemp("webui_page")
    install(host, base, checkpoint)
    with WebuiServer(base, host.python, page=True) as server, playwright.sync_playwright() as play:
        server.post("/sdapi/v1/options", {"show_progress_type": "Approx cheap"})  # no download
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1400, "height": 1100})
        opened.goto(server.url, timeout=120_000)
        opened.wait_for_selector("#tabs", timeout=120_000)
        opened.server = server
        opened.host = host.name
        yield opened
        browser.close()


def shoot(page, name: str) -> None:
    """Keep a picture of the page where SCREENSHOTS names a folder."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name} {page.host}.png"))


def open_tab(page, name: str, within: str = "tabs") -> None:
    """Press a tab: the hosts' versions of Gradio give it different roles."""
    words = re.compile(rf"^\s*{name}\s*$", re.IGNORECASE)
    page.locator(f"#{within} > .tab-nav button", has_text=words).first.click()


def pictures(page, gallery: str) -> list[str]:
    """Addresses of the pictures that a gallery shows."""
    return page.locator(f"#{gallery} img").evaluate_all("all => all.map(one => one.src)")


def test_settings_are_there(page):
    open_tab(page, "Settings")
    open_tab(page, "MMSR", within="settings")
    page.wait_for_selector("#setting_mmsr_model", timeout=20_000)
    shoot(page, "settings")
    assert page.locator("#setting_mmsr_model input").first.input_value() == "small"
    assert page.locator("#setting_mmsr_dtype").is_visible()


def test_extras_restores_a_picture_with_our_controls(page, photo, tmp_path):
    open_tab(page, "Extras")
    accordion = page.locator("#extras_mmsr")
    accordion.scroll_into_view_if_needed()
    accordion.locator(".label-wrap").first.click()
    assert accordion.get_by_label("balanced").is_checked()
    accordion.get_by_label("Longest side, px (0: as above)").fill("120")
    accordion.get_by_label("Show the measured blur").check()
    photo.save(tmp_path / "photo.png")
    page.locator("#extras_image input[type=file]").first.set_input_files(tmp_path / "photo.png")
    page.wait_for_selector("#extras_image img", timeout=20_000)
    page.locator("#extras_generate").click()
    page.wait_for_selector("#extras_gallery img", timeout=RUN_MS)
    page.wait_for_function(
        "document.querySelector('#html_info_extras, #html_info_x_extras, #extras_results')"
        "?.innerText.includes('px of the result')",
        timeout=RUN_MS,
    )
    shoot(page, "extras")
    assert len(pictures(page, "extras_gallery")) >= 2


def test_the_script_s_settings_can_be_pasted(page, photo):
    """What a run writes into the picture, read back by the host's own paste button."""
    _, info = img2img(page.server, photo, [True, 0.5, 0.1, 0.9, "quick"], width=64, height=64)
    open_tab(page, "img2img")
    script = page.locator("#mmsr_hold_img2img")
    script.scroll_into_view_if_needed()
    assert "Hold to the input (MMSR)" in script.inner_text()
    page.locator("#img2img_prompt textarea").fill(json.loads(info)["infotexts"][0])
    page.locator("#img2img_tools #paste").click()
    values = script.locator("input[type=number]")
    page.wait_for_function(
        "document.querySelector('#mmsr_hold_img2img input[type=number]').value == '0.5'",
        timeout=30_000,
    )
    shoot(page, "hold")
    assert [float(values.nth(at).input_value()) for at in range(3)] == [0.5, 0.1, 0.9]
    assert script.get_by_label("quick").is_checked()
