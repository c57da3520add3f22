"""Before and after in a real browser: the divider by pointer and keys, zoom, pan, transparency."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsr_demo.ui.viewer import before_after, file_url
from tests.demo.browsing import DESK, PHONE, upload

FRAME = "#restore-slider .mm-frame"
DIVIDER = "#restore-slider [role=slider]"


def box(page, selector):
    found = page.locator(selector).bounding_box()
    return found["x"], found["y"], found["width"], found["height"]


def value(page):
    return int(page.locator(DIVIDER).get_attribute("aria-valuenow"))


def drag(page, start, end):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def test_names_and_paths_stay_text():
    made = before_after(Path("/t/a b/<u>#.png"), Path("/t/c.png"), (3, 4), ("<b>", "Two"))
    assert "<u>" not in made
    assert "<b>" not in made
    assert file_url(Path("/t/a b/<u>#.png")) == "gradio_api/file=/t/a%20b/%3Cu%3E%23.png"


def test_the_divider_is_a_slider_for_the_keys(open_page):
    page = open_page(DESK)
    divider = page.locator(DIVIDER)
    assert (divider.get_attribute("aria-valuemin"), divider.get_attribute("aria-valuemax")) == (
        "0", "100",
    )  # fmt: skip
    divider.focus()
    seen = []
    for key in ("ArrowRight", "Shift+ArrowLeft", "PageUp", "Home", "ArrowLeft", "End", "ArrowDown"):
        page.keyboard.press(key)
        seen.append(value(page))
    assert seen == [52, 42, 52, 0, 0, 100, 98]
    # What is seen follows: the cut lies where the divider is.
    x, _, width, _ = box(page, FRAME)
    left, _, wide, _ = box(page, DIVIDER)
    assert left + wide / 2 == pytest.approx(x + 0.98 * width, abs=1)
    clip = page.evaluate(
        f"getComputedStyle(document.querySelectorAll('{FRAME} .mm-half')[1]).clipPath"
    )
    assert "98%" in clip
    assert page.faults == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_zoom_shows_the_picture_s_own_pixels_and_pans(open_page, screenshot, size):
    page = open_page(size)
    page.locator(FRAME).scroll_into_view_if_needed()
    image = f"{FRAME} img >> nth=1"
    page.wait_for_function(f"document.querySelector('{FRAME} img').naturalWidth === 640")
    fitted = box(page, image)
    assert fitted[2] <= box(page, FRAME)[2] + 1
    for name, width in (("100 %", 640), ("200 %", 1280)):
        page.locator("#restore-slider").get_by_role("button", name=name).click()
        assert box(page, image)[2] == pytest.approx(width, abs=1)
    assert page.get_by_role("button", name="200 %").get_attribute("aria-pressed") == "true"
    screenshot(page, f"zoomed_{'desk' if size == DESK else 'phone'}")
    # Drag, keys and wheel move the picture, both halves alike, and never beyond its edge.
    x, y, width, height = box(page, FRAME)
    before = box(page, image)
    drag(page, (x + 40, y + 40), (x + 80, y + 60))
    after = box(page, image)
    assert after[:2] == pytest.approx((before[0] + 40, before[1] + 20), abs=1)
    assert box(page, f"{FRAME} img >> nth=0") == pytest.approx(after, abs=0.01)
    page.keyboard.press("ArrowRight")
    assert box(page, image)[0] == pytest.approx(after[0] - 60, abs=1)
    page.mouse.move(x + 40, y + 40)
    page.mouse.wheel(0, 30)
    page.wait_for_timeout(300)
    assert box(page, image)[1] == pytest.approx(after[1] - 30, abs=1)
    drag(page, (x + 40, y + 40), (x + 3000, y + 3000))
    assert box(page, image)[:2] == pytest.approx((x, y), abs=1)
    assert value(page) == 50  # Panning left the divider where it was.
    drag(page, (x + width / 2, y + height / 2), (x + width / 4, y + height / 2))
    assert value(page) == pytest.approx(25, abs=1)
    page.locator("#restore-slider").get_by_role("button", name="Fit").click()
    assert box(page, image) == pytest.approx(fitted, abs=1)
    assert page.faults == []


def test_full_screen_and_back(open_page):
    page = open_page(DESK)
    page.locator("#restore-slider").get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement?.className === 'mm-view'")
    page.locator("#restore-slider").get_by_role("button", name="Close").click()
    page.wait_for_function("!document.fullscreenElement")
    assert page.faults == []


def test_a_checkerboard_lies_behind_both_halves(open_page, tmp_path, screenshot):
    picture = np.zeros((40, 48, 4), np.uint8)
    picture[..., :3] = (200, 40, 40)
    picture[10:30, 4:44] = 0  # Seen through, on both sides of the divider.
    picture[:10, :, 3] = picture[30:, :, 3] = 255
    Image.fromarray(picture).save(tmp_path / "glass.png")
    page = open_page(DESK)
    upload(page, tmp_path / "glass.png")
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    page.wait_for_function(
        f"[...document.querySelectorAll('{FRAME} img')].every(i => i.complete && i.naturalWidth)"
    )
    page.wait_for_timeout(300)
    shown = np.asarray(Image.open(io.BytesIO(page.locator(FRAME).screenshot())).convert("RGB"))
    height, width, _ = shown.shape
    band = shown[int(0.42 * height) : int(0.58 * height)]
    for left, right in ((0.2, 0.45), (0.55, 0.8)):
        half = band[:, int(left * width) : int(right * width)].reshape(-1, 3)
        for colour in ((0xCB, 0xD5, 0xE1), (0xF1, 0xF5, 0xF9)):
            share = (np.abs(half.astype(int) - colour).max(1) < 4).mean()
            assert share > 0.3, (left, colour, share)
    screenshot(page, "transparent_desk")
    assert page.faults == []
