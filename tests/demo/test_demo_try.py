"""A trial run on a part: where it lies, that it shows what the whole would, the page's words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mmsr_core.image import TargetSize
from mmsr_demo.settings import DemoSettings
from mmsr_demo.work.engine import Engine
from mmsr_demo.work.jobs import RestoreJob
from mmsr_demo.work.parts import MARGIN, SIDE, part_around
from tests.demo.browsing import DESK, PHONE, too_wide, upload


@pytest.mark.parametrize("size", [(1, 1), (40, 300), (128, 143), (500, 700), (3001, 2003)])
@pytest.mark.parametrize("place", [(0, 0), (0.5, 0.5), (1, 1), (0.31, 0.87)])
def test_a_part_lies_in_the_picture_around_its_place(size, place):
    part = part_around(size, place)
    top, left, bottom, right = part.shown
    assert top % 16 == left % 16 == 0
    for start, end, length, share in (
        (top, bottom, size[0], place[1]),
        (left, right, size[1], place[0]),
    ):
        assert 0 <= start < end <= length
        assert min(length, SIDE) <= end - start < SIDE + 16
        assert start <= min(share * length, length - 1) < end
    around = part.worked
    assert around[0] == max(0, top - MARGIN)
    assert around[3] == min(size[1], right + MARGIN)
    picture = torch.arange(size[0] * size[1]).view(1, 1, *size)
    # At any size of the result, what is shown is cut out of it at the same place.
    for result in (size, (2 * size[0], 2 * size[1]), (size[0] * 3 // 2 + 1, size[1] * 3 // 2 + 1)):
        assert part.worked_size(result)[0] >= part.shown_size(result)[0]
        worked = torch.zeros(1, 1, *part.worked_size(result))
        assert part.inner(worked, result).shape[-2:] == part.shown_size(result)
    assert torch.equal(part.inner(part.cut(picture), size), picture[..., top:bottom, left:right])


def test_small_pictures_are_tried_whole():
    assert part_around((90, 143), (0.2, 0.9)).is_all
    assert not part_around((90, 144), (0.2, 0.9)).is_all


@pytest.fixture(scope="module")
def shipped():
    """The page's engine with the weights that ship: tiny ones see no further than a few px."""
    engine = Engine(DemoSettings(device="cpu", dtype="float32", warm_up=False))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A picture with an alpha channel, of 208x240 px, soft and noisy."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:208, :240]
    base = [128 + 70 * np.sin(x / (5 + k) + y / 9) * np.cos(y / (6 + k)) for k in range(3)]
    noisy = np.stack(base, -1) + rng.normal(0, 6, (208, 240, 3))
    alpha = np.full((208, 240, 1), 255.0)
    alpha[100:110, 60:80] = 90
    path = tmp_path_factory.mktemp("try") / "damaged.png"
    Image.fromarray(np.concatenate([noisy.clip(0, 255), alpha], -1).astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("asked", [{"scale": 2}, {"size": TargetSize.parse("w360")}])
def test_the_part_looks_as_in_the_whole(shipped, damaged, asked):
    job = RestoreJob(damaged, scale=None, steps=1)
    whole = shipped.restore(replace(job, **asked))
    tried = shipped.restore(replace(job, place=(0.3, 0.5), **asked))
    assert tried.part is not None
    top, left, bottom, right = tried.part.shown_box(whole.plan.result)
    for name in ("before", "after"):
        with Image.open(getattr(whole, name)) as image:
            wanted = np.asarray(image).astype(float)[top:bottom, left:right]
        with Image.open(getattr(tried, name)) as image:
            found = np.asarray(image).astype(float)
        assert found.shape == wanted.shape == (*tried.size, 4)
        assert np.abs(found - wanted).mean() < 1.0, name
        assert np.array_equal(found[..., 3], wanted[..., 3])
    assert shipped.restore(replace(job, place=(0.9, 0.5), **asked)).after != tried.after


@pytest.mark.parametrize("size", [(480, 416), (31, 27)], ids=["larger", "smaller"])
@pytest.mark.parametrize("mode", ["guide", "fuse"])
def test_a_second_picture_and_depth_are_cut_with_the_part(shipped, damaged, tmp_path, mode, size):
    with Image.open(damaged) as image:
        second = image.convert("L").rotate(180)  # Unlike it: a shifted cut would show.
    second.resize(size).save(tmp_path / "second.png")
    second.save(tmp_path / "depth.png")
    job = RestoreJob(
        damaged, scale=1, steps=0, guide=tmp_path / "second.png", guide_mode=mode,
        depth=tmp_path / "depth.png",
    )  # fmt: skip
    whole, tried = shipped.restore(job), shipped.restore(replace(job, place=(0.3, 0.5)))
    assert tried.part is not None
    top, left, bottom, right = tried.part.shown_box(whole.plan.result)
    with Image.open(whole.after) as image:
        wanted = np.asarray(image).astype(float)[top:bottom, left:right, :3]
    with Image.open(tried.after) as image:
        found = np.asarray(image).astype(float)[..., :3]
    assert np.abs(found - wanted).mean() < 1.5


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_part_is_tried_where_the_picture_was_clicked(open_page, demo_picture, screenshot, size):
    page = open_page(size)
    upload(page, demo_picture(200, 240, f"tried{size[0]}.png"))
    page.get_by_text("128×128 px in the middle").wait_for()
    page.wait_for_selector(".mm-part")
    image = page.locator("#restore-picture .image-frame img").bounding_box()
    page.mouse.click(image["x"] + 0.2 * image["width"], image["y"] + 0.8 * image["height"])
    page.get_by_text("around the place you chose").wait_for()
    page.wait_for_timeout(400)
    frame = page.locator(".mm-part").bounding_box()
    # Its place and size, in px of the picture as it is shown.
    assert frame["x"] - image["x"] == pytest.approx(0, abs=2)
    assert frame["y"] - image["y"] == pytest.approx(64 / 200 * image["height"], abs=2)
    assert frame["width"] == pytest.approx(128 / 240 * image["width"], abs=2)
    page.click("#restore-try")
    page.get_by_text("Only a part is shown: 128×136 px").wait_for()
    page.wait_for_function(
        "[...document.querySelectorAll('#restore-slider img')]"
        ".every(i => i.naturalWidth === 512 && i.naturalHeight === 544)"
    )
    assert page.locator("#restore-start").is_visible()
    assert not page.locator("#restore-download").is_visible()
    assert "Noise" in page.inner_text("#restore-report")
    assert too_wide(page) <= 0
    screenshot(page, f"tried_{'desk' if size == DESK else 'phone'}")
    # The whole picture afterwards.
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    assert not page.get_by_text("Only a part is shown").count()
    assert page.faults == []


def test_a_trial_without_a_picture_and_of_a_small_one(open_page, demo_picture):
    page = open_page(DESK)
    page.click("#restore-try")
    page.wait_for_selector("#restore-status >> text=Choose a picture first")
    assert page.locator("#restore-start").is_visible()
    assert page.locator("#restore-try").is_visible()
    upload(page, demo_picture(20, 24, "smalltry.png"))
    page.get_by_text("all of your picture, since it is small").wait_for()
    page.click("#restore-try")
    page.wait_for_selector("text=This is all of your picture")
    assert not page.locator(".mm-part").count()
    assert page.faults == []
