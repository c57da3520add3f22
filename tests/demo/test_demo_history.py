"""The results of a session: bounded, shown again, their settings used again."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest
from PIL import Image

from mmsr_demo.files.workspace import Workspace
from mmsr_demo.work.history import OF_A_SESSION, History, Past
from tests.demo.browsing import DESK, PHONE, too_wide, upload


@pytest.fixture
def workspace():
    made = Workspace()
    yield made
    made.close()


def past(workspace, size=(300, 200), mode="RGB"):
    folder = workspace.new_folder()
    for name in ("after", "before"):
        Image.new(mode, size).save(folder / f"{name}.png")
    made = SimpleNamespace(after=folder / "after.png", before=folder / "before.png")
    return Past(made, {}, "")


def test_a_session_keeps_its_last_results_and_all_together_have_a_bound(workspace):
    history = History(of_a_session=3, of_all=5)
    made = [past(workspace) for _ in range(5)]
    names = ()
    for one in made:
        names = history.add(names, one)
    assert [history.get(name) for name in names] == [made[4], made[3], made[2]]
    assert len(history) == 3  # What the session no longer shows is not kept.
    assert history.add(names, made[3]) == names  # Not twice.
    other = ()
    for _ in range(3):
        other = history.add(other, past(workspace))
    assert len(history) == 5
    assert history.shown(names) == names[:2]  # The oldest of all made room.
    history.clear()
    assert history.get(names[0]) is None


def test_what_was_swept_is_not_shown(workspace):
    history = History()
    names = history.add((), past(workspace))
    names = history.add(names, past(workspace))
    old = history.get(names[1])
    for path in old.made.after.parent.iterdir():
        os.utime(path, (1, 1))
    workspace.sweep_every(0.01, 60)
    deadline = time.monotonic() + 20
    while old.is_there and time.monotonic() < deadline:
        time.sleep(0.02)
    assert history.shown(names) == names[:1]
    assert history.get(names[1]) is old  # Its settings can still be used.


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "I;16"])
def test_a_thumbnail_is_small_and_lies_beside_its_result(workspace, mode):
    one = past(workspace, (600, 300), mode)
    with Image.open(one.thumbnail()) as image:
        assert image.size == (160, 80)
    assert one.thumbnail().parent == one.made.after.parent


def chosen(page, name):
    return page.locator(f"#restore-{name} label.selected").all_inner_texts()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_an_old_result_is_shown_and_its_settings_are_used_again(
    open_page, demo_picture, screenshot, size
):
    page = open_page(size)
    assert not page.locator("#restore-history").is_visible()
    upload(page, demo_picture(20, 24, f"again{size[0]}.png"))
    page.locator("#restore-symptom").get_by_text("Out of focus", exact=True).click()
    page.wait_for_selector("#restore-scale label.selected >> text=×1")
    page.click("#restore-start")
    page.wait_for_selector("#restore-history button")
    page.click("#restore-advanced button")
    page.locator("#restore-scale").get_by_text("×3", exact=True).click()
    denoise = page.locator("#restore-denoise input[type=number]")
    denoise.fill("0.2")
    denoise.press("Enter")
    page.wait_for_selector("#restore-symptom:not(:has(label.selected))")
    page.locator("#restore-preset").get_by_text("Faithful", exact=True).click()
    page.click("#restore-start")
    page.wait_for_selector("#restore-history button >> nth=1")
    assert page.locator("#restore-history button").all_inner_texts() == [
        "72×60 Faithful", "24×20 Balanced",
    ]  # fmt: skip
    assert not page.locator("#restore-again").is_visible()
    page.locator("#restore-history button").nth(1).click()
    page.get_by_text(f"A result from before: again{size[0]}, 24×20 Balanced.").wait_for()
    page.wait_for_function(
        "[...document.querySelectorAll('#restore-slider img')].every(i => i.naturalWidth === 24)"
    )
    assert (chosen(page, "scale"), denoise.input_value()) == (["×3"], "0.2")  # Only shown.
    page.click("#restore-again")
    page.wait_for_selector("#restore-scale label.selected >> text=×1")
    page.wait_for_selector("#restore-symptom label.selected >> text=Out of focus")
    assert chosen(page, "preset") == ["Balanced"]
    assert denoise.input_value() == "1"
    assert page.locator("#restore-picture img").count()  # The picture stays.
    assert too_wide(page) <= 0
    screenshot(page, f"history_{'desk' if size == DESK else 'phone'}")
    with page.expect_download() as download:
        page.click("#restore-download")
    with Image.open(download.value.path()) as image:
        assert image.size == (24, 20)
    page.click("#restore-more")  # What was wrong is that of the result that is shown.
    page.wait_for_selector("#inspect-map img")
    assert page.faults == []


def test_another_page_has_a_history_of_its_own_and_it_stays_short(
    open_page, demo_server, demo_picture
):
    page = open_page(DESK)
    upload(page, demo_picture(16, 16, "short.png"))
    page.locator("#restore-preset").get_by_text("Faithful", exact=True).click()
    page.click("#restore-advanced button")
    seed = page.get_by_label("Seed").first
    for number in range(OF_A_SESSION + 1):
        seed.fill(str(number))
        seed.press("Tab")
        page.click("#restore-start")
        page.wait_for_function(
            "n => document.querySelectorAll('#restore-history button').length === n",
            arg=min(number + 1, OF_A_SESSION),
        )
        page.wait_for_selector("#restore-download:visible")
        page.wait_for_timeout(300)
    other = open_page(DESK)
    assert not other.locator("#restore-history").is_visible()
    assert page.faults == []
