"""What the frontend is handed, made from real estimates and results of tiny networks."""

import importlib

import pytest
import torch

from tests.helpers import tiny_pipeline_folder


@pytest.fixture(scope="module")
def pack(convert):
    root = convert.__name__.removesuffix(".nodes.convert")
    return lambda name: importlib.import_module(f"{root}.{name}")


@pytest.fixture(scope="module")
def pipe(pack, tmp_path_factory):
    folder = tiny_pipeline_folder(tmp_path_factory.mktemp("views") / "tiny")
    return pack("mmsr_core.pipeline").load_pipeline(folder, "cpu", "float32")


def picture_of(convert, batch, h, w):
    return convert.split_image(torch.rand(batch, h, w, 3, generator=torch.Generator()))


def test_kernel_view_holds_places_kernels_and_picture(pack, convert, pipe):
    views, payloads = pack("nodes.views"), pack("nodes.payloads")
    picture = picture_of(convert, 2, 40, 9)
    items = tuple(pipe.estimate_degradation(picture.rgb[i : i + 1], 3) for i in range(2))
    made = views.kernel_views(payloads.DegradationBatch(items), picture)
    assert len(made) == 2
    view, field = made[1], items[1].kernel_field
    assert (view["rows"], view["cols"]) == (32, 9)
    assert {len(view[k]) for k in ("major", "minor", "angle", "peak")} == {32 * 9}
    assert view["atlas"].shape == (1, 32 * 21, 9 * 21)
    assert view["picture"].shape == (3, 40, 9)
    # Place (5, 4) is LR pixel (6, 4): its kernel, scaled to its peak, lies there in the atlas.
    lr_pixel = int((5 + 0.5) * 40 / 32)
    kernel = field.dense(slice(lr_pixel, lr_pixel + 1), slice(4, 5)).reshape(21, 21)
    tile = view["atlas"][0, 5 * 21 : 6 * 21, 4 * 21 : 5 * 21]
    torch.testing.assert_close(tile, kernel / kernel.max(), rtol=0, atol=1e-5)
    sigma = field.moments().blur_sigma_px[0, :, lr_pixel, 4]
    at = 5 * 9 + 4
    assert [view["major"][at], view["minor"][at]] == pytest.approx(sigma.tolist(), abs=1e-3)


def test_restoration_view_holds_both_pictures_and_the_weights(pack, convert, pipe):
    views = pack("nodes.views")
    picture = picture_of(convert, 1, 12, 10)
    result = pipe(picture.rgb, scale=2, steps=2)
    (view,) = views.restoration_views(picture, [result])
    assert view["before"].shape == view["after"].shape == (3, 24, 20)
    assert set(view["maps"]) == set(result.weight_maps)
    assert all(abs(sum(step.values()) - 1) < 0.01 for step in view["steps"])
    assert view["report"]["output_size"] == (20, 24)
    assert view["report"]["preset"] is None
    assert view["report"]["kernel_scale"] == result.estimate.kernel_field.scale == 2
    (mean,) = views.restoration_views(picture, [pipe(picture.rgb, scale=2, steps=0)])
    assert mean["report"]["preset"] == "faithful"
    assert "0 steps (faithful), " in mean["text"]
    assert mean["steps"] == []
    assert mean["maps"] == {}


def test_large_pictures_are_shown_smaller_and_many_are_not_shown(pack, convert, pipe):
    views = pack("nodes.views")
    assert views.shrink(torch.rand(3, 30, 90), 45).shape == (3, 15, 45)
    same = torch.rand(3, 30, 90)
    assert views.shrink(same, 90) is same
    picture = picture_of(convert, 1, 6, 6)
    result = pipe(picture.rgb, scale=1, steps=0)
    assert len(views.restoration_views(picture, [result] * 20)) == views.MAX_VIEWS


def test_prompts_are_picked_like_everything_else(pack, input_error):
    payloads = pack("nodes.payloads")
    batch = payloads.PromptBatch(torch.arange(6.0).reshape(3, 2))
    assert batch.pick(1, 3).tolist() == [[2.0, 3.0]]
    assert payloads.PromptBatch(None).pick(0, 5) is None
    with pytest.raises(input_error, match="prompt: was made for 3 pictures"):
        batch.pick(0, 2)


def test_dark_is_near_only_where_said(convert):
    ramp = torch.linspace(0, 1, 12).reshape(1, 1, 12, 1).expand(1, 9, 12, 3)
    usual = convert.depth_from_image(ramp, (9, 12))
    other = convert.depth_from_image(ramp, (9, 12), near_is_dark=True)
    torch.testing.assert_close(other, 1 - usual)


def test_the_measurement_says_how_sharp_it_is_and_then_the_kernels(pack, pipe):
    results = pack("mmsr_core.pipeline.results")
    lr = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(1))
    estimate = pipe.estimate_degradation(lr, 4)
    first, second, *_ = pack("nodes.views").estimate_text(estimate).splitlines()
    assert first == results.sharpness_of(estimate, 4).words()
    widths = results.blur_range_px(estimate.kernel_field)
    low, high, mean = (f"{widths[name]:.1f}" for name in ("min", "max", "mean"))
    assert second.endswith(f": {low} to {high} px of the result, mean {mean}")
    report = pipe(lr, scale=4, steps=0).report.summary().splitlines()
    assert report[1:3] == [first, second], "the same lines as in the report"


def test_the_measurement_says_what_was_sharpened(pack, pipe):
    views, known = pack("nodes.views"), pack("mmsr_core.pipeline").Overrides
    lr = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))

    def said(**stated):
        return views.estimate_text(pipe.estimate_degradation(lr, 4, overrides=known(**stated)))

    text = said(noise_std=8 / 255, sharpening=0.3)
    assert "sharpened by a camera or an editor (amount 0.30, radius 2.5 px)" in text
    assert "noise 8.0 of 255" in text  # as it was stated, though there is less without it
    assert "sharpened" not in said(sharpening=0)
