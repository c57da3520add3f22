"""The other tabs in a real browser, and the other ways to bring a picture."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import replace

import pytest
from PIL import Image

from tests.demo.browsing import DESK, LOW_DESK, PHONE, too_wide, upload
from tests.helpers import write_narrow_lpips

RESULT_IN_VIEW = (
    "document.querySelector('#restore-slider')?.getBoundingClientRect().top < innerHeight - 150"
)


def open_tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["session", "phone"])
def test_every_tab_is_one_click_away_and_fits(open_page, size):
    page = open_page(size)
    for name in ("What was wrong", "Merge", "Fuse", "Compare", "Batch", "Restore"):
        open_tab(page, name)
        assert too_wide(page) <= 0, name
        assert not page.get_by_text("Drop Image Here").locator("visible=true").count(), name
    assert page.faults == []


def test_two_sensors_are_fused_and_what_is_missing_is_asked_for(
    open_page, demo_picture, screenshot
):
    page = open_page(DESK)
    open_tab(page, "Fuse")
    page.click("#fuse-start")
    page.wait_for_selector("#fuse-status >> text=Choose the first picture")
    assert page.locator("#fuse-start").is_visible()
    upload(page, demo_picture(20, 24, "one.png"), "#fuse-first")
    upload(page, demo_picture(40, 48, "two.png", 1.0), "#fuse-second")
    page.click("#fuse-start")
    page.wait_for_selector("#fuse-slider img")
    assert "both pictures" in page.inner_text("#fuse-report")
    screenshot(page, "fused_desk")
    assert surplus(page, "fuse") <= 2
    page.click("#fuse-format input")
    page.get_by_role("option", name="WebP").click()
    page.wait_for_timeout(3000)  # The button leads to another file by now.
    with page.expect_download() as download:
        page.click("#fuse-download")
    assert download.value.suggested_filename == "one_restored.webp"
    assert page.faults == []


def test_a_comparison_says_in_words_who_is_closer(open_page, demo_picture, screenshot):
    page = open_page(PHONE)
    open_tab(page, "Compare")
    upload(page, demo_picture(64, 80, "good.png"), "#compare-good")
    page.click("#compare-start")
    page.wait_for_selector("#compare-table table")
    assert "closer to the good picture" in page.inner_text("#compare-table h3")
    page.wait_for_selector("#compare-slider img")
    assert too_wide(page) <= 0
    # All four pictures can be seen.
    frame = page.locator("#compare-gallery").bounding_box()
    last = page.locator("#compare-gallery .grid-container > *").last.bounding_box()
    assert last["y"] + last["height"] <= frame["y"] + frame["height"] + 1
    screenshot(page, "compared_phone")
    assert page.faults == []


@pytest.mark.parametrize(
    ("parameters", "side", "why"),
    [(True, 64, ""), (True, 24, "at least 31 px"), (False, 64, "MMSR_METRICS")],
    ids=["shown", "too_small", "no_parameters"],
)
def test_lpips_is_shown_where_it_can_be_computed_and_else_the_reason(
    open_page, demo_picture, screenshot, monkeypatch, tmp_path, parameters, side, why
):
    monkeypatch.delenv("MMSR_SHARED", raising=False)
    monkeypatch.setenv("MMSR_METRICS", str(tmp_path))
    if parameters:
        write_narrow_lpips(tmp_path)
    page = open_page(DESK)
    open_tab(page, "Compare")
    upload(page, demo_picture(side, side + 16, "good.png"), "#compare-good")
    page.click("#compare-start")
    page.wait_for_selector("#compare-table table")
    page.wait_for_selector("#compare-slider img")
    titles = page.locator("#compare-table thead th").all_inner_texts()
    cells = [row.locator("td").count() for row in page.locator("#compare-table tbody tr").all()]
    shown = ["", "PSNR ↑", "SSIM ↑"] + ([] if why else ["LPIPS ↓"])
    assert titles == shown
    assert cells == [len(shown) - 1] * 2
    note = page.inner_text("#compare-table")
    assert ("LPIPS is not shown" in note) == bool(why)
    assert why in note
    screenshot(page, f"compared_lpips_{'no' if why else 'yes'}_{side}_desk")
    assert page.faults == []


def test_a_batch_names_the_bad_file_and_gives_the_rest(open_page, demo_picture, tmp_path):
    page = open_page(DESK)
    open_tab(page, "Batch")
    bad = tmp_path / "<b>bad<b>.png"
    bad.write_text("no picture")
    files = [demo_picture(20, 24, "first.png"), bad, demo_picture(20, 24, "last.png")]
    page.locator("#batch-files input[type=file]").first.set_input_files(files)
    page.wait_for_selector("#batch-files >> text=last")
    page.locator("#batch-symptom").get_by_text("Noisy phone photo", exact=True).click()
    page.wait_for_selector("#batch-symptom >> text=Sets Faithful")
    page.locator("#batch-size input, #batch-size textarea").first.fill("w36")
    page.locator("#batch-format").get_by_text("JPEG", exact=True).click()
    page.click("#batch-start")
    page.wait_for_selector("#batch-status >> text=2 of 3 pictures restored")
    assert "<b>bad<b>.png" in page.inner_text("#batch-table")  # As text.
    with page.expect_download() as download:
        page.click("#batch-download")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["first_restored.jpg", "last_restored.jpg", "report.json"]
        with Image.open(io.BytesIO(archive.read("first_restored.jpg"))) as image:
            assert (image.format, image.size) == ("JPEG", (36, 30))
        reports = json.loads(archive.read("report.json"))["restored"]
        assert reports["first_restored.jpg"]["preset"] == "faithful"
    assert page.faults == []


def test_further_frames_are_said_in_every_tab(open_page, demo_picture, tmp_path, screenshot):
    frames = [Image.new("RGB", (24, 20), (40 * n, 90, 60)) for n in range(3)]
    path = tmp_path / "moving.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    said = "The first of the 3 pictures in the file"
    page = open_page(DESK)
    open_tab(page, "Batch")
    page.locator("#batch-files input[type=file]").first.set_input_files([path])
    page.wait_for_selector("#batch-files >> text=moving")
    page.click("#batch-start")
    page.wait_for_selector(f"#batch-table >> text={said}")
    open_tab(page, "Fuse")
    upload(page, demo_picture(20, 24, "one.png"), "#fuse-first")
    upload(page, path, "#fuse-second")
    page.click("#fuse-start")
    page.wait_for_selector(f"#fuse-report >> text=The second picture: {said}")
    open_tab(page, "What was wrong")
    page.get_by_role("button", name="Measure another picture").click()
    upload(page, path, "#inspect-picture")
    page.click("#inspect-start")
    page.wait_for_selector(f"#inspect-words >> text={said}")
    open_tab(page, "Compare")
    upload(page, path, "#compare-good")
    page.locator("#compare-scale").get_by_text("×2", exact=True).click()
    page.click("#compare-start")
    page.wait_for_selector(f"#compare-table >> text=The good picture: {said}")
    screenshot(page, "frames_desk")
    assert page.faults == []


def test_a_picture_is_measured_without_restoring(open_page, demo_picture):
    page = open_page(DESK)
    open_tab(page, "What was wrong")
    page.get_by_role("button", name="Measure another picture").click()
    upload(page, demo_picture(20, 24, "measure.png"), "#inspect-picture")
    page.click("#inspect-start")
    page.wait_for_selector("#inspect-map img")
    assert "Faithfulness" not in page.inner_text("#inspect-words")
    assert not page.locator("#inspect-weights").is_visible()  # There was no restoration.
    assert page.faults == []


def test_a_picture_is_pasted(open_page):
    page = open_page(DESK)
    buffer = io.BytesIO()
    Image.new("RGB", (24, 20), (200, 90, 10)).save(buffer, "PNG")
    page.evaluate(
        """async text => {
            const data = await (await fetch('data:image/png;base64,' + text)).blob();
            await navigator.clipboard.write([new ClipboardItem({'image/png': data})]);
        }""",
        base64.b64encode(buffer.getvalue()).decode(),
    )
    page.locator("#restore-picture").get_by_label("Paste from clipboard").click()
    page.wait_for_selector("text=24×20 → 96×80")
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    assert page.faults == []


def test_a_picture_is_taken_with_the_camera(open_page, demo_server, monkeypatch):
    engine = demo_server[1]  # The browser's camera has more pixels than the tests' server allows.
    monkeypatch.setattr(engine, "settings", replace(engine.settings, max_pixels=4_000_000))
    page = open_page(DESK)
    field = page.locator("#restore-picture")
    field.get_by_label("Capture from camera").click()
    field.get_by_text("Click to Access Webcam").click()
    page.wait_for_function("document.querySelector('#restore-picture video').videoWidth > 0")
    field.get_by_label("capture photo").click()
    page.wait_for_selector("text=→")  # It was taken: its size is said.
    assert page.faults == []


def test_moving_a_slider_leaves_the_preset(open_page):
    page = open_page(DESK)
    page.click("#restore-advanced button")
    steps = page.locator("#restore-steps input[type=number]")
    assert steps.input_value() == "1"
    page.locator("#restore-preset").get_by_text("Faithful", exact=True).click()
    page.wait_for_function(
        "document.querySelector('#restore-steps input[type=number]').value === '0'"
    )
    steps.fill("7")
    steps.press("Enter")
    page.wait_for_selector("#restore-preset:not(:has(label.selected))")
    assert page.faults == []


def test_a_symptom_sets_the_controls_and_they_stay_editable(open_page, screenshot):
    page = open_page(DESK)
    page.click("#restore-advanced button")
    denoise = page.locator("#restore-denoise input[type=number]")
    noise = page.locator("#restore-noise input[type=number]")
    noise.fill("9")
    noise.press("Enter")
    symptoms = page.locator("#restore-symptom")
    symptoms.get_by_text("Old scan", exact=True).click()
    page.wait_for_function(
        "document.querySelector('#restore-denoise input[type=number]').value === '0.7'"
    )
    assert noise.input_value() == "-1"  # Measured again.
    assert "Sets Balanced, Auto, Denoise 0.7." in symptoms.inner_text()
    symptoms.get_by_text("Out of focus", exact=True).click()
    page.wait_for_selector("#restore-preset label.selected >> text=Balanced")
    page.wait_for_selector("#restore-scale label.selected >> text=×1")
    assert denoise.input_value() == "1"
    screenshot(page, "symptom_desk")
    # Another size is no other trouble.
    page.locator("#restore-scale").get_by_text("×4", exact=True).click()
    page.wait_for_timeout(1000)
    assert chosen(page, "symptom") == ["Out of focus"]
    symptoms.get_by_text("Old scan", exact=True).click()
    page.wait_for_selector("#restore-scale label.selected >> text=Auto")
    # A control that is moved takes the choice back, and what is out of sight is named.
    page.locator("#restore-preset").get_by_text("Faithful", exact=True).click()
    page.wait_for_selector("#restore-symptom:not(:has(label.selected))")
    page.wait_for_selector("#restore-symptom >> text=Denoise 0.7 is still set under Advanced.")
    assert chosen(page, "preset") == ["Faithful"]
    page.locator("#restore-preset").get_by_text("Balanced", exact=True).click()
    denoise.fill("1")
    denoise.press("Enter")
    page.wait_for_selector("#restore-symptom label.selected >> text=Not sure")
    # Where nothing was chosen, nothing is taken back.
    page.locator("#restore-preset").get_by_text("Crisp", exact=True).click()
    page.wait_for_timeout(1000)
    assert chosen(page, "symptom") == ["Not sure"]
    assert page.faults == []


def chosen(page, name):
    return page.locator(f"#restore-{name} label.selected").all_inner_texts()


def test_only_the_size_that_counts_is_seen_to_be_chosen(open_page):
    page = open_page(DESK)
    size = page.locator("#restore-size input, #restore-size textarea").first
    size.fill("w90")
    page.wait_for_selector("#restore-scale:not(:has(label.selected))")
    page.locator("#restore-scale").get_by_text("×2", exact=True).click()
    page.wait_for_function(
        "!document.querySelector('#restore-size input, #restore-size textarea').value"
    )
    assert chosen(page, "scale") == ["×2"]
    size.fill("4K")
    page.wait_for_selector("#restore-scale:not(:has(label.selected))")
    size.fill("")
    page.wait_for_selector("#restore-scale label.selected >> text=Auto")
    assert page.faults == []


def test_an_impossible_size_is_said_once_and_takes_nothing_away(open_page, demo_picture):
    page = open_page(DESK)
    upload(page, demo_picture(20, 24, "tiny.png"))
    page.fill("#restore-size textarea, #restore-size input", "4K")
    said = page.get_by_text("more than 16 times")
    said.wait_for()
    page.click("#restore-start")
    page.wait_for_selector("#restore-status >> text=more than 16 times")
    assert said.count() == 1
    assert page.locator("#restore-slider img").first.is_visible()
    page.fill("#restore-size textarea, #restore-size input", "w90")
    page.get_by_text("24×20 → 90×75").wait_for()
    page.wait_for_function("!document.querySelector('#restore-status').innerText.trim()")
    assert page.faults == []


def test_a_file_that_a_browser_cannot_show_is_no_broken_picture(open_page, tmp_path):
    path = tmp_path / "scan.tif"
    Image.new("RGB", (24, 20), (90, 60, 30)).save(path)
    page = open_page(DESK)
    page.locator("#restore-picture input[type=file]").first.set_input_files(path)
    page.get_by_text("24×20 → 96×80").wait_for()
    page.wait_for_selector("#restore-picture img.mm-unseen", state="attached")
    assert not page.locator("#restore-picture img").is_visible()
    assert page.faults == []


def test_on_a_phone_a_control_has_the_whole_width(open_page):
    page = open_page(PHONE)
    page.click("#restore-advanced button")
    page.wait_for_selector("#restore-steps")
    boxes = [page.locator(f"#restore-{name}").bounding_box() for name in ("steps", "detail")]
    assert boxes[0]["x"] == boxes[1]["x"]
    assert min(box["width"] for box in boxes) > 300
    numbers = [
        page.locator(f"#restore-{name} input[type=number]").bounding_box()["height"]
        for name in ("steps", "detail", "noise", "jpeg", "blur", "denoise")
    ]
    assert max(numbers) - min(numbers) < 1


def test_gradio_says_words_where_it_has_none(open_page, demo_picture):
    """It tells screen readers `common.complete`, a key that it has no word for."""
    page = open_page(DESK)
    page.evaluate(
        """() => {
        window.said = new Set();
        new MutationObserver(() => {
            for (const part of document.querySelectorAll('[aria-live]')) said.add(part.innerText);
        }).observe(document.body, {subtree: true, childList: true, characterData: true});
        }"""
    )
    upload(page, demo_picture(20, 24, "said.png"))
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    page.click("#restore-more")
    page.wait_for_selector("#inspect-map img")
    page.wait_for_timeout(2500)
    assert not [text for text in page.evaluate("[...said]") if "common." in text]


def merged_pair(demo_picture, name="merge"):
    path = demo_picture(20, 24, f"{name}.png")
    with Image.open(path) as image:
        image.resize((96, 80)).save(path.with_name(f"{name}_4x.png"))
    return path, path.with_name(f"{name}_4x.png")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_another_upscaler_s_picture_is_merged(open_page, demo_picture, screenshot, size):
    page = open_page(size)
    open_tab(page, "Merge")
    page.click("#merge-start")
    page.wait_for_selector("#merge-status >> text=Choose your picture first")
    own, other = merged_pair(demo_picture, f"merge{size[0]}")
    upload(page, own, "#merge-picture")
    upload(page, other, "#merge-prior")
    page.wait_for_selector("#merge-plan >> text=24×20 → 96×80")
    page.wait_for_function("!document.querySelector('#merge-status').innerText.trim()")
    page.click("#merge-start")
    page.wait_for_selector("#merge-slider img")
    said = page.inner_text("#merge-report")
    for word in ("is the other picture", "Taken", "Place", "Colour", "Agreement"):
        assert word in said
    page.wait_for_selector("#merge-report figure img")
    before = page.locator("#merge-slider img").first.get_attribute("src")
    page.locator("#merge-beside").get_by_text("Beside the other upscaler's").click()
    page.wait_for_selector("#merge-slider >> text=The other upscaler's")
    assert page.locator("#merge-slider img").first.get_attribute("src") != before
    assert too_wide(page) <= 0
    screenshot(page, f"merged_{'desk' if size == DESK else 'phone'}")
    page.click("#merge-format input")
    page.get_by_role("option", name="JPEG").click()
    page.wait_for_timeout(3000)  # The button leads to another file by now.
    with page.expect_download() as download:
        page.click("#merge-download")
    assert download.value.suggested_filename == f"merge{size[0]}_merged.jpg"
    assert page.foreign == []
    assert page.faults == []


def test_merged_pictures_are_seen_again_with_their_settings(open_page, demo_picture):
    page = open_page(DESK)
    open_tab(page, "Merge")
    own, other = merged_pair(demo_picture, "past")
    upload(page, own, "#merge-picture")
    upload(page, other, "#merge-prior")
    trust = page.locator("#merge-trust input[type=number]")
    for value, count in (("0.2", 1), ("0.8", 2)):
        trust.fill(value)
        trust.press("Enter")
        page.wait_for_timeout(500)
        page.click("#merge-start")
        page.wait_for_selector(f"#merge-history button >> nth={count - 1}")
    page.locator("#merge-history button").nth(1).click()
    page.get_by_text("A result from before: past, 96×80 Trust 0.2.").wait_for()
    page.click("#merge-again")
    page.wait_for_function(
        "document.querySelector('#merge-trust input[type=number]').value === '0.2'"
    )
    assert not page.locator("#restore-history button").count()  # Each tab has its own.
    assert page.faults == []


def test_a_picture_of_something_else_is_named_and_left_out(open_page, demo_picture):
    page = open_page(DESK)
    open_tab(page, "Merge")
    upload(page, demo_picture(40, 48, "mine.png"), "#merge-picture")
    other = demo_picture(40, 48, "theirs.png")
    with Image.open(other) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(90).resize((48, 40)).save(other)
    upload(page, other, "#merge-prior")
    page.click("#merge-start")
    page.wait_for_selector("#merge-slider img")
    page.get_by_text("The prior seems to show another picture").wait_for()
    assert "The other picture was left out" in page.inner_text("#merge-report")
    assert not page.locator("#merge-report figure").count()
    assert page.faults == []


def test_the_example_of_a_merge_is_two_clicks_away(open_page):
    page = open_page(DESK)
    open_tab(page, "Merge")
    page.click("#merge-example")
    page.wait_for_selector("#merge-plan >> text=160×120")
    assert page.locator("#merge-prior img").is_visible()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_what_is_known_can_be_stated(open_page, demo_server, demo_picture, screenshot, size):
    page = open_page(size)
    upload(page, demo_picture(20, 24, f"stated{size[0]}.png"))
    page.click("#restore-advanced button")
    noise = page.locator("#restore-noise input[type=number]")
    assert noise.input_value() == "-1"
    noise.fill("9")
    noise.press("Enter")
    screenshot(page, f"advanced_{'desk' if size == DESK else 'phone'}")
    assert too_wide(page) <= 0
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    assert "(about 4 %): 9.0 of 255 levels." in page.inner_text("#restore-report")
    assert page.faults == []


@pytest.mark.parametrize("times", [1, 2])
def test_on_a_phone_the_result_comes_into_view(open_page, demo_picture, times):
    # The second time the answer is at hand: the run is over before any progress was seen.
    picture = demo_picture(20, 24, "view.png")
    for _ in range(times):
        page = open_page(PHONE)
        upload(page, picture)
        page.click("#restore-start")
        page.wait_for_selector("#restore-download")
    page.wait_for_function(RESULT_IN_VIEW, timeout=20_000)
    assert page.faults == []


def test_a_refused_value_does_not_leave_the_page_waiting(open_page, demo_picture):
    page = open_page(DESK)
    upload(page, demo_picture(20, 24, "seed.png"))
    page.click("#restore-advanced button")
    seed = page.get_by_label("Seed").first
    seed.fill("-3")
    seed.press("Tab")
    page.click("#restore-start")
    page.wait_for_selector("text=Seed must be a number, from 0 to")
    page.wait_for_selector("#restore-status >> text=Stopped")
    assert page.locator("#restore-start").is_visible()
    assert not page.locator(".mm-run").count()
    assert page.faults == []


def test_on_a_phone_the_api_is_described_too(open_page, screenshot):
    page = open_page(PHONE)
    page.wait_for_selector("footer >> text=Settings")
    page.locator("footer").get_by_text("Use via API").click()
    page.wait_for_selector("text=/restore >> visible=true")
    screenshot(page, "api_phone")
    assert page.faults == []


def test_the_first_sight_is_a_before_and_after(open_page, screenshot):
    page = open_page(DESK)
    page.wait_for_function(
        "[...document.querySelectorAll('#restore-slider img')]"
        ".filter(i => i.complete && i.naturalWidth >= 640).length === 2"
    )
    assert page.get_by_text("An example. Drag the handle").is_visible()
    assert page.locator("#restore-scale").is_visible()
    assert page.locator("#restore-size").is_visible()
    assert not page.locator("#restore-download").is_visible()
    screenshot(page, "first_desk")
    assert page.faults == []


@pytest.mark.parametrize("size", [LOW_DESK, (1440, 900), PHONE])
def test_picture_size_and_button_are_seen_without_scrolling(open_page, demo_picture, size):
    page = open_page(size)
    for loaded in (False, True):
        if loaded:
            upload(page, demo_picture(40, 48, "fold.png"))
            page.wait_for_selector("text=48×40 → 192×160")
        for part in ("#restore-picture", "#restore-scale", "#restore-size", "#restore-start"):
            box = page.locator(part).bounding_box()
            assert box["y"] + box["height"] <= size[1], (part, loaded)
    assert too_wide(page) <= 0


@pytest.mark.parametrize("shape", [(40, 40), (60, 36), (36, 60)])
def test_a_result_and_its_button_are_seen_without_scrolling(
    open_page, demo_picture, screenshot, shape
):
    page = open_page(LOW_DESK)
    upload(page, demo_picture(*shape, "seen.png"))
    page.click("#restore-start")
    page.wait_for_selector("#restore-download:visible")
    for part in ("#restore-slider .mm-frame", "#restore-download", "#restore-format"):
        box = page.locator(part).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= LOW_DESK[1], part
    assert page.locator("#restore-slider .mm-frame").bounding_box()["height"] >= 300
    assert surplus(page, "restore") <= 2
    screenshot(page, f"seen_{shape[0]}x{shape[1]}")


def surplus(page, tab):
    """Width of the box around a format menu beyond what is in it, px."""
    assert page.locator(f"#{tab}-format").bounding_box()["width"] >= 100
    return page.evaluate(
        """tab => {
          const menu = document.getElementById(`${tab}-format`);
          const inside = [...menu.parentElement.children].filter(one => one.offsetParent);
          const width = one => one.getBoundingClientRect().width;
          return width(menu.parentElement) - inside.reduce((sum, one) => sum + width(one), 0);
        }""",
        tab,
    )


def test_a_transparent_picture_as_a_jpeg_asks_for_its_background(open_page, demo_picture):
    path = demo_picture(20, 24, "window.png")
    with Image.open(path) as image:
        image.putalpha(0)
        image.save(path)
    page = open_page(DESK)
    upload(page, path)
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    assert not page.locator("#restore-background").is_visible()
    page.click("#restore-format input")
    page.get_by_role("option", name="JPEG").click()
    page.get_by_text("laid on white, as JPEG has no transparency").wait_for()
    page.click("#restore-background input")
    page.get_by_role("option", name="Black").click()
    page.get_by_text("laid on black").wait_for()
    assert surplus(page, "restore") <= 2
    page.wait_for_timeout(1500)  # The button leads to another file by now.
    with page.expect_download() as download:
        page.click("#restore-download")
    with Image.open(download.value.path()) as image:
        assert max(image.getpixel((4, 4))) < 5
    assert page.faults == []


def test_a_size_is_asked_for_and_the_download_has_a_format(open_page, demo_picture):
    page = open_page(DESK)
    upload(page, demo_picture(20, 24, "sized.png"))
    page.fill("#restore-size textarea, #restore-size input", "w90")
    page.get_by_text("24×20 → 90×75").wait_for()
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    page.click("#restore-format input")
    page.get_by_role("option", name="JPEG").click()
    page.wait_for_timeout(3000)  # The button leads to another file by now.
    with page.expect_download() as download:
        page.click("#restore-download")
    assert download.value.suggested_filename == "sized_restored.jpg"
    with Image.open(download.value.path()) as image:
        assert (image.format, image.size) == ("JPEG", (90, 75))
    assert page.faults == []


def test_another_picture_marks_the_old_result(open_page, demo_picture):
    page = open_page(DESK)
    upload(page, demo_picture(20, 24, "old.png"))
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    assert not page.get_by_text("still the result of the picture before").count()
    page.evaluate(PASTE)  # anywhere on the page, while another picture is there
    page.get_by_text("This is still the result of the picture before").wait_for()
    page.get_by_text("30×20 → ").wait_for()
    assert page.faults == []


def test_an_example_is_not_marked_as_old_while_it_begins(open_page, demo_picture):
    page = open_page(DESK)
    upload(page, demo_picture(20, 24, "own.png"))
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    page.evaluate(
        """() => {
        window.marked = 0;
        const look = () => {
            const said = [...document.querySelectorAll('.mm-notice')];
            if (said.some((e) => e.innerText.includes('still the result'))) window.marked += 1;
        };
        new MutationObserver(look).observe(
            document.body, {subtree: true, childList: true, characterData: true});
        }"""
    )
    page.locator("#restore-examples button").first.click()
    page.get_by_text("160×120 → ").wait_for()
    page.wait_for_selector("#restore-history button >> nth=1")  # It is done.
    page.wait_for_timeout(1000)
    assert page.evaluate("window.marked") == 0
    assert page.faults == []


TOUCHED = """() => [...document.querySelectorAll(
    'button, label:has(> input[type=radio]), textarea, .mm-view-bar button')]
  .filter((e) => e.offsetParent && getComputedStyle(e).visibility !== 'hidden')
  .filter((e) => !e.closest('.visually-hidden, .tab-container[aria-hidden]'))
  .filter((e) => !e.matches('.reset-button'))
  .map((e) => [e.getAttribute('aria-label') || e.innerText || e.id, e.getBoundingClientRect()])
  .filter(([, box]) => box.height > 2)
  .map(([name, box]) => [name, box.width, box.height])"""


@pytest.mark.parametrize("tab", ["Restore", "What was wrong", "Merge", "Fuse", "Compare", "Batch"])
def test_a_finger_finds_what_it_may_touch(open_page, tab):
    page = open_page(PHONE)
    open_tab(page, tab)
    page.wait_for_timeout(300)
    found = page.evaluate(TOUCHED)
    names = [name for name, *_ in found]
    wanted = {"Restore": ["Upload file", "Capture from camera", "Paste from clipboard", "Fit"],
              "Merge": ["Upload file", "Paste from clipboard"]}  # fmt: skip
    for name in ["Restore", "What was wrong", "Batch", *wanted.get(tab, [])]:
        assert name in names
    assert any(name.startswith("Advanced") for name in names) == (
        tab in ("Restore", "Merge", "Fuse")
    )
    small = [entry for entry in found if min(entry[1:]) < 44]
    assert small == []
    assert too_wide(page) <= 0


def test_the_zoom_of_a_desk_is_as_high(open_page):
    page = open_page(DESK)
    heights = page.eval_on_selector_all(
        "#restore-slider .mm-view-bar button", "all => all.map((e) => e.offsetHeight)"
    )
    assert len(heights) == 4
    assert min(heights) >= 44


DROP = """([names, where]) => {
  const items = new DataTransfer();
  for (const name of names) {
    const canvas = Object.assign(document.createElement('canvas'), {width: 30, height: 20});
    canvas.getContext('2d').fillRect(3, 3, 9, 9);
    const [head, data] = canvas.toDataURL('image/png').split(',');
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    items.items.add(new File([bytes], name, {type: 'image/png'}));
  }
  const kept = ['dragover', 'drop'].map((type) => {
    const event = new DragEvent(type, {dataTransfer: items, bubbles: true, cancelable: true});
    document.querySelector(where).dispatchEvent(event);
    return event.defaultPrevented;
  });
  return kept;
}"""


@pytest.mark.parametrize("tab", ["Restore", "What was wrong", "Merge", "Fuse", "Compare", "Batch"])
def test_a_file_dropped_beside_the_places_does_not_take_the_page_away(open_page, tab):
    page = open_page(DESK)
    open_tab(page, tab)
    assert page.evaluate(DROP, [["beside.png"], "body"]) == [True, True]
    assert page.evaluate(DROP, [["beside.png"], "header"]) == [True, True]
    page.wait_for_timeout(800)
    taken = page.locator(".mm-drop img:visible, .file-preview:visible").count()
    assert taken == (1 if tab in ("Restore", "Compare", "Batch") else 0)
    assert page.faults == []


def test_a_batch_takes_all_that_is_dropped_beside_it(open_page):
    page = open_page(DESK)
    open_tab(page, "Batch")
    page.evaluate(DROP, [["one.png", "two.png"], "body"])
    page.wait_for_selector("#batch-files .file-preview")
    assert page.locator("#batch-files .file-preview tr").count() == 2
    assert page.faults == []


PASTE = """async () => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 30, height: 20});
  canvas.getContext('2d').fillRect(3, 3, 9, 9);
  const blob = await new Promise((made) => canvas.toBlob(made, 'image/png'));
  const items = new DataTransfer();
  items.items.add(new File([blob], 'pasted.png', {type: 'image/png'}));
  document.body.dispatchEvent(
    new ClipboardEvent('paste', {clipboardData: items, bubbles: true, cancelable: true}));
}"""
