"""Prompts and a second sensor through the whole pipeline."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.errors import InputError, ShapeError
from mmsr_core.image import sensor_shift
from mmsr_core.pipeline import MMSREngine, load_pipeline, second_sensor
from mmsr_core.weights import available_weights

QUICK = {"steps": 1, "iterations": 1}


@pytest.fixture(scope="module")
def prompt(pipe) -> torch.Tensor:
    return pipe.encode_prompt("a fox")


def test_a_prompt_acts_and_none_is_exactly_nothing(pipe, picture, prompt) -> None:
    lr = picture(8, 9)
    plain = pipe(lr, **QUICK)
    with_prompt = pipe(lr, prompt="a fox", **QUICK)
    assert float((with_prompt.images - plain.images).abs().max()) > 1e-5
    assert torch.equal(pipe(lr, prompt=prompt, **QUICK).images, with_prompt.images)
    for nothing in (None, "", "  ", [], ["", " "]):
        assert torch.equal(pipe(lr, prompt=nothing, **QUICK).images, plain.images)
    off = pipe(lr, prompt="a fox", strengths={"prompt": 0}, **QUICK)
    assert torch.equal(off.images, plain.images)
    assert plain.prompt_mask is None
    assert with_prompt.prompt_mask.shape == (1, 1, 8, 9)
    assert 0 <= float(with_prompt.prompt_mask.min()) <= float(with_prompt.prompt_mask.max()) <= 1


def test_prompts_are_mixed_by_weight(pipe) -> None:
    fox, car = pipe.encode_prompt("a fox"), pipe.encode_prompt("a car")
    assert fox.shape == (1, 512)
    torch.testing.assert_close(pipe.encode_prompt(["a fox", "a car"], weights=[1, 0]), fox)
    middle = pipe.encode_prompt(["a fox", "a car"])
    assert float((middle * fox).sum()) == pytest.approx(float((middle * car).sum()), abs=1e-5)
    with pytest.raises(InputError, match="CLIP"):
        pipe.encode_prompt("a fox", images=[torch.rand(1, 3, 8, 8)])


@pytest.mark.parametrize("size", [(8, 9), (16, 18), (40, 45), (3, 3)])
def test_a_guide_of_any_size_acts(pipe, picture, size: tuple[int, int]) -> None:
    lr, guide = picture(8, 9), picture(*size, seed=5)
    plain = pipe(lr, **QUICK)
    guided = pipe(lr, guide=guide, **QUICK)
    assert guided.images.shape == plain.images.shape
    assert float((guided.images - plain.images).abs().max()) > 1e-5
    assert guided.report.modality_weights["guide"] > 0
    off = pipe(lr, guide=guide, strengths={"guide": 0}, **QUICK)
    assert torch.equal(off.images, plain.images)


def test_a_guide_acts_where_its_mask_is(pipe, picture) -> None:
    lr, guide = picture(8, 96), picture(8, 96, seed=5)
    mask = torch.zeros(1, 1, 8, 96)
    mask[..., :6] = 1
    options = {"consistency": "off", **QUICK}
    masked = pipe(lr, guide=guide, masks={"guide": mask}, **options).images
    change = (masked - pipe(lr, **options).images).abs()
    reach = 4 * (6 + pipe.denoiser.receptive_radius)
    assert float(change[..., : 4 * 6].max()) > 1e-5
    assert float(change[..., reach:].max()) < 1e-6


def test_fusing_is_not_pulled_back_to_the_first_sensor(pipe, picture) -> None:
    lr, guide = picture(8, 9), picture(8, 9, seed=5)[:, :1]
    fused = pipe(lr, guide=guide, guide_mode="fuse", **QUICK)
    free = pipe(lr, guide=guide, guide_mode="fuse", consistency="off", **QUICK)
    assert torch.equal(fused.images, free.images)
    assert not torch.equal(fused.images, pipe(lr, guide=guide, **QUICK).images)


@pytest.mark.parametrize("mode", ["guide", "fuse"])
def test_tiles_do_not_change_a_picture_of_two_sensors(pipe, picture, mode: str) -> None:
    lr, guide = picture(37, 29), picture(37, 29, seed=5)
    options = {"prompt": "a fox", "guide": guide, "guide_mode": mode, "steps": 2, "iterations": 1}
    whole = pipe(lr, tile=256, **options)
    for tile in (16, 20, 32):
        tiled = pipe(lr, tile=tile, **options)
        torch.testing.assert_close(tiled.images, whole.images, atol=1e-5, rtol=0)
        torch.testing.assert_close(tiled.prompt_mask, whole.prompt_mask, atol=1e-3, rtol=0)


def test_batches_are_their_pictures(pipe, picture, prompt) -> None:
    lr, guide = picture(8, 9, batch=2), picture(8, 9, batch=2, seed=5)
    options = {"prompt": prompt, "seed": [3, 8], **QUICK}
    both = pipe(lr, guide=guide, **options).images
    for i in range(2):
        alone = pipe(lr[i : i + 1], guide=guide[i : i + 1], **{**options, "seed": [3, 8][i]})
        torch.testing.assert_close(both[i : i + 1], alone.images, atol=1e-5, rtol=0)


def test_what_cannot_be_used_is_named(pipe, picture, prompt) -> None:
    lr = picture(30, 24)
    with pytest.raises(ShapeError, match="prompt"):
        pipe(lr, prompt=torch.zeros(1, 77), **QUICK)
    with pytest.raises(InputError, match="NaN"):
        pipe(lr, prompt=prompt * float("nan"), **QUICK)
    with pytest.raises(InputError, match="same scene"):
        pipe(lr, guide=picture(24, 60), **QUICK)
    with pytest.raises(ShapeError, match="guide"):
        pipe(lr, guide=picture(30, 24)[:, :2], **QUICK)
    with pytest.raises(InputError, match="needs a guide"):
        pipe(lr, guide_mode="fuse", **QUICK)
    with pytest.raises(InputError, match="guide_mode"):
        pipe(lr, guide=lr, guide_mode="mix", **QUICK)
    poor = MMSREngine(pipe.depth_estimator, pipe.kernel_estimator, pipe.mean_net, pipe.denoiser)
    with pytest.raises(InputError, match="no prompt encoder"):
        poor(lr, prompt="a fox", **QUICK)
    with pytest.raises(InputError, match="no fusion network"):
        poor(lr, guide=lr, **QUICK)


def test_weights_that_ship_take_prompts_and_guides(picture) -> None:
    engine = load_pipeline(available_weights()["small"], "cpu", "float32")
    lr, guide = picture(16, 12), picture(16, 12, seed=5)
    out = engine(lr, prompt="a fox", guide=guide, guide_mode="fuse", **QUICK)
    assert torch.isfinite(out.images).all()
    assert {"prompt", "guide"} <= set(out.report.modality_weights)


def test_a_run_without_them_asks_neither_network(pipe, picture, monkeypatch) -> None:
    def refuse(*args, **kwargs):
        raise AssertionError("this run has no guide and no prompt")

    monkeypatch.setattr(pipe.fusion_net, "forward", refuse)
    monkeypatch.setattr(pipe.prompt_encoder, "forward", refuse)
    for module in pipe.mean_net.correlations:
        monkeypatch.setattr(module, "respond", refuse)
    for name in ("prompt", "guide"):
        monkeypatch.setattr(pipe.denoiser.experts[name], "forward", refuse)
    assert torch.isfinite(pipe(picture(8, 9), **QUICK).images).all()


def blocks(side: int = 160) -> torch.Tensor:
    small = torch.rand((1, 3, 20, 20), generator=torch.manual_seed(0))
    return F.interpolate(small, size=(side, side))


@pytest.mark.parametrize("mode", ["guide", "fuse"])
def test_a_guide_that_lies_beside_the_picture_is_moved_onto_it(pipe, mode, monkeypatch) -> None:
    lr = blocks()
    aligned = 1 - lr
    moved = aligned.roll((5, 8), (-2, -1))
    options = {"scale": 1, "steps": 0, "guide_mode": mode}
    out = pipe(lr, guide=moved, **options)
    note = "The second picture lay 5 px below and 8 px to the right of the first one, and was moved"
    assert any(note in said for said in out.report.notes)
    expected = pipe(lr, guide=aligned, **options)
    assert not any("second picture" in note for note in expected.report.notes)
    inner = (..., slice(0, 120), slice(0, 120))
    off = float((out.images - expected.images)[inner].abs().mean())
    monkeypatch.setattr(second_sensor, "sensor_shift", lambda *_: None)
    left = float((pipe(lr, guide=moved, **options).images - expected.images)[inner].abs().mean())
    assert off < (1e-4 if mode == "guide" else 0.1 * left)
    if mode == "guide":  # where the moved picture shows nothing
        without = pipe(lr, **options)
        edge = (..., slice(156, 160), slice(0, 160))
        torch.testing.assert_close(out.images[edge], without.images[edge], atol=1e-4, rtol=0)


def test_a_guide_of_another_size_is_moved_in_its_own_pixels(pipe) -> None:
    lr, options = blocks(), {"scale": 2, "steps": 0}
    aligned = F.interpolate(1 - lr, scale_factor=2)
    out = pipe(lr, guide=aligned.roll((0, -12), (-2, -1)), **options)
    assert any("6 px to the left of the first one, and was moved" in n for n in out.report.notes)
    inner = (..., slice(80, 300), slice(80, 300))
    expected = pipe(lr, guide=aligned, **options).images[inner]
    torch.testing.assert_close(out.images[inner], expected, atol=1e-4, rtol=0)


def test_a_shift_that_is_not_certain_is_only_named(pipe, monkeypatch) -> None:
    lr = blocks()
    moved = (1 - lr).roll((0, 8), (-2, -1))
    found = sensor_shift(moved, lr)
    assert found is not None
    assert found.certain
    monkeypatch.setattr(second_sensor, "sensor_shift", lambda *_: found._replace(certain=False))
    out = pipe(lr, guide=moved, scale=1, steps=0)
    assert any("seems to lie" in n and "8 px to the right" in n for n in out.report.notes)
    monkeypatch.setattr(second_sensor, "sensor_shift", lambda *_: None)
    assert torch.equal(out.images, pipe(lr, guide=moved, scale=1, steps=0).images)


def test_raw_counts_guide_as_their_stretched_picture_does(pipe, picture) -> None:
    lr, guide = picture(24, 28), picture(24, 28, seed=5)[:, :1]
    low, high = guide.min(), guide.max()
    counts = 0.045 + 0.02 * (guide - low) / (high - low)
    options = {**QUICK, "guide_mode": "fuse"}
    found = [pipe(lr, guide=g, **options).images for g in (counts, 0.1 + 4 * (counts - 0.045))]
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=0)
