"""The page in a real browser: what a person does in the first minute, on a desk and on a phone."""

from __future__ import annotations

import threading
import time

from PIL import Image

from tests.demo.browsing import DESK, PHONE, too_wide, upload


def test_a_person_restores_a_picture_and_looks_at_it(open_page, demo_picture, screenshot):
    page = open_page(DESK)
    # The first screen shows a place to drop, one big button and nothing that must be read.
    assert page.locator("#restore-start").bounding_box()["y"] < DESK[1]
    assert not page.get_by_label("Seed").first.is_visible()
    upload(page, demo_picture(40, 48, "person.png"))
    page.wait_for_selector("text=48×40 → 192×160")
    page.locator("#restore-preset").get_by_text("Crisp", exact=True).click()
    page.click("#restore-advanced button")
    page.wait_for_function(
        "document.querySelector('#restore-detail input[type=number]')?.value === '1'"
    )
    steps = page.locator("#restore-steps input[type=number]")
    steps.fill("3")  # So that there are several to look at.
    steps.press("Enter")
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    slider = page.wait_for_selector("#restore-slider img")
    screenshot(page, "restored_desk")

    def clipped():
        return page.evaluate(
            "[...document.querySelectorAll('#restore-slider *')].map(e => "
            "getComputedStyle(e).clipPath + e.style.cssText + (e.getAttribute('style') || ''))"
            ".join()"
        )

    before, box = clipped(), slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 5, middle, steps=5)
    page.mouse.up()
    assert clipped() != before
    with page.expect_download() as download:
        page.click("#restore-download")
    with Image.open(download.value.path()) as image:
        assert image.size == (192, 160)
        assert "mmsr_report" in image.info

    page.click("#restore-more")  # What was wrong?
    shown = page.wait_for_selector("#inspect-map img")
    assert "Noise" in page.inner_text("#inspect-words")
    figures = page.locator("#inspect-damage figure")
    assert [text.split("\n")[0] for text in figures.all_inner_texts()] == [
        "Blur by place", "Noise by place",
    ]  # fmt: skip
    # What the picture suffers from comes before what it is restored with.
    tops = [
        page.locator(f"#inspect-{name}").bounding_box()["y"] for name in ("damage", "about", "map")
    ]
    assert tops == sorted(tops)
    assert page.inner_text("#inspect-about").startswith(
        "Kernels used (blur and shrinking together)"
    )
    assert "Kernels used" in page.inner_text("#inspect-map")
    box = shown.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    page.wait_for_selector("#inspect-kernel img")
    figures = page.locator("#inspect-weights figure")
    assert figures.count() >= 3
    last = figures.first.locator("img").get_attribute("src")
    step = page.locator("#inspect-step input[type=number]")
    step.fill("1")
    step.press("Enter")
    page.wait_for_function(
        "old => document.querySelector('#inspect-weights img').src !== old", arg=last
    )
    screenshot(page, "inspected_desk")
    assert page.foreign == []
    assert page.faults == []


def test_stop_ends_a_run_in_the_middle(
    open_page, demo_server, demo_picture, screenshot, monkeypatch
):
    engine = demo_server[1]
    plain = engine._run

    def slowly(pipeline, lr, job, *, callback, **more):
        def report(event):
            callback(event)
            # On a busy machine pages take long to open.
            time.sleep(0.5 if "slow" in job.name else 0)

        return plain(pipeline, lr, job, callback=report, **more)

    monkeypatch.setattr(engine, "_run", slowly)
    page = open_page(DESK)
    upload(page, demo_picture(200, 240, "slow.png"))
    page.click("#restore-advanced button")
    page.get_by_label("×8", exact=True).first.check(force=True)
    page.wait_for_selector("text=240×200 → 1920×1600")
    page.click("#restore-start")
    page.wait_for_selector("#restore-status .mm-run img")  # A preview: well in the middle.
    assert engine.is_busy
    screenshot(page, "running_desk")
    # A second person sees that the first one is being served.
    other = open_page(DESK)
    upload(other, demo_picture(40, 48, "second.png"))
    other.click("#restore-start")
    other.wait_for_selector("#restore-status >> text=Waiting for your turn")
    waits = other.wait_for_selector(".mm-queue >> text=queue")
    inside, frame = (
        waits.evaluate(
            f"e => {{ const r = e{what}.getBoundingClientRect(); return [r.top, r.bottom] }}"
        )
        for what in ("", ".closest('.wrap')")
    )
    assert frame[0] - 1 <= inside[0] < inside[1] <= frame[1] + 1  # Not cut off.
    # What is seen is the place, and no clock that counts up.
    assert waits.get_attribute("data-place") == "Place 1 of 1 in the queue"
    assert waits.evaluate("e => getComputedStyle(e).fontSize") == "0px"
    said = waits.evaluate("e => getComputedStyle(e, '::after').content")
    assert said == '"Place 1 of 1 in the queue"'
    screenshot(other, "queue_desk")
    # A third one does not want to wait.
    third = open_page(DESK)
    upload(third, demo_picture(40, 48, "third.png"))
    third.click("#restore-start")
    third.wait_for_selector("#restore-status >> text=Waiting for your turn")
    third.click("#restore-stop")
    third.wait_for_selector("#restore-status >> text=Stopped")
    assert engine.is_busy
    page.click("#restore-stop")
    page.wait_for_selector("#restore-status >> text=Stopped")
    page.wait_for_selector("#restore-start")
    other.wait_for_selector("#restore-download")  # Its turn has come.
    made = [kept.after.name for kept in engine.results._results.values()]
    assert "second_restored.png" in made
    assert not {"slow_restored.png", "third_restored.png"} & set(made)
    for stopped in (page, third):  # Nothing is left that looks like work.
        assert "Stopped" in stopped.inner_text("#restore-status")
        assert not stopped.locator(".mm-run").count()
    deadline = time.monotonic() + 60
    while engine.is_busy and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not engine.is_busy
    assert page.faults == []
    # The server works on: the next picture is restored.
    page.reload()
    page.wait_for_selector("#restore-start")
    upload(page, demo_picture(20, 24, "after.png"))
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")


def test_stop_in_the_last_stage_leaves_nothing(
    open_page, demo_server, demo_picture, screenshot, monkeypatch
):
    """The picture is restored and is being saved: Stop still keeps its word."""
    from mmsr_core import image

    saving, go_on, save = threading.Event(), threading.Event(), image.save_image

    def slow(*given, **options):
        saving.set()
        assert go_on.wait(120)
        save(*given, **options)

    monkeypatch.setattr(image, "save_image", slow)
    engine = demo_server[1]
    folders = set(engine.workspace.root.glob("results/*"))
    page = open_page(DESK)
    upload(page, demo_picture(40, 48, "late.png"))
    page.click("#restore-start")
    page.wait_for_selector("#restore-status >> text=Saving")
    assert saving.wait(60)
    page.click("#restore-stop")
    page.wait_for_selector("#restore-status >> text=Stopped")
    go_on.set()
    page.wait_for_timeout(3000)  # A late result would show by now.
    assert "Stopped. Nothing was saved." in page.inner_text("#restore-status")
    assert page.locator("#restore-start").is_visible()
    assert not page.locator("#restore-stop").is_visible()
    assert not page.locator("#restore-slider img").count()
    assert not page.locator("#restore-download").is_visible()
    assert "late_restored.png" not in [k.after.name for k in engine.results._results.values()]
    assert set(engine.workspace.root.glob("results/*")) == folders
    screenshot(page, "stopped_late_desk")
    assert page.faults == []
    # The same picture again is really restored.
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")


def test_the_page_fits_a_phone_and_a_dark_room(open_page, demo_picture, screenshot):
    page = open_page(PHONE, dark=True)
    assert too_wide(page) <= 0
    assert "dark" in page.evaluate("document.body.className")
    # The rules for a phone reach what lies around the page's own content.
    assert page.evaluate("getComputedStyle(document.querySelector('.main')).paddingLeft") == "14px"
    page.wait_for_selector("footer button >> text=Settings")
    assert not page.locator("footer .divider >> visible=true").count()
    upload(page, demo_picture(40, 48, "person.png"))
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    assert too_wide(page) <= 0
    assert screenshot(page, "restored_phone")[0] == PHONE[0]
    page.click("#restore-more")
    page.wait_for_selector("#inspect-map img")
    assert too_wide(page) <= 0
    screenshot(page, "inspected_phone")
    assert page.foreign == []
    assert page.faults == []


def test_an_example_is_one_click_away(open_page):
    page = open_page(DESK)
    page.locator("#restore-examples button").first.click()
    page.wait_for_selector("#restore-download")
    assert page.faults == []


def test_what_is_no_picture_is_explained_in_place(open_page, demo_picture, tmp_path):
    page = open_page(DESK)
    page.click("#restore-start")
    page.wait_for_selector("#restore-status >> text=Choose a picture first")
    path = tmp_path / "text.png"
    path.write_text("hello")
    page.locator("#restore-picture input[type=file]").first.set_input_files(path)
    page.wait_for_selector("text=not a picture")
    assert page.faults == []


def test_what_is_said_above_the_button_is_brought_into_view(open_page):
    page = open_page((1280, 600))  # Too low for all controls: Restore is reached by scrolling.
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.locator("#restore-start").click()
    page.wait_for_selector("#restore-status >> text=Choose a picture first", state="attached")
    page.wait_for_function(
        "document.getElementById('restore-status').getBoundingClientRect().top >= 0", timeout=10_000
    )
    assert page.faults == []


def test_every_control_has_a_name(open_page):
    page = open_page(DESK)
    page.click("#restore-advanced button")
    page.wait_for_timeout(300)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, textarea, select, button')]
        .filter(e => e.offsetParent && e.type !== 'file')
        .filter(e => !(e.labels && e.labels.length) && !e.closest('label') && !e.title
            && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')
            && !e.innerText.trim() && !e.querySelector('img[alt]'))
        .map(e => e.outerHTML.slice(0, 160))"""
    )
    assert nameless == []
