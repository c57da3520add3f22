"""What the pipeline promises about its arguments and its result."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmsr_core.degradation import (
    KernelEdit,
    constant_kernel_field,
    edit_field,
    isotropic_gaussian,
)
from mmsr_core.image import TargetSize, resize_bicubic
from mmsr_core.pipeline import MMSRPipeline, load_pipeline
from mmsr_core.pipeline.context import small_preview
from mmsr_core.types import PRESETS, Preset
from mmsr_core.weights import available_weights

ROOT = Path(__file__).resolve().parents[2]

QUICK = {"steps": 1, "iterations": 1}


@pytest.mark.parametrize(("scale", "size"), [(4, (5, 7)), (3, (9, 10)), (1, (13, 6)), (8, (3, 2))])
def test_output_has_exactly_the_size_asked_for(pipe, picture, scale: int, size) -> None:
    h, w = size
    out = pipe(picture(h, w), scale=scale, **QUICK)
    assert out.images.shape == (1, 3, h * scale, w * scale)
    assert out.images.dtype == torch.float32
    assert 0 <= float(out.images.min()) <= float(out.images.max()) <= 1
    assert out.report.output_size == (w * scale, h * scale)
    for weights in out.weight_maps.values():
        assert weights.shape == (1, 1, -(-h * scale // 4), -(-w * scale // 4))


def test_one_pixel_works(pipe, picture) -> None:
    out = pipe(picture(1, 1), steps=2, iterations=2)
    assert out.images.shape == (1, 3, 4, 4)
    assert torch.isfinite(out.images).all()


def test_the_result_is_an_ordinary_tensor(pipe, picture) -> None:
    out = pipe(picture(6, 6), **QUICK)
    out.images.mul_(2)  # a tensor made in inference mode refuses this
    assert not out.images.requires_grad


def test_seed_decides_the_picture(pipe, picture) -> None:
    lr = picture(8, 8)
    first, again, other = (pipe(lr, seed=s, **QUICK).images for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert float((first - other).abs().max()) > 1e-3
    assert pipe(lr, seed=2**64 - 1, **QUICK).report.seed == [2**64 - 1]


def test_detail_runs_from_the_mean_to_the_flow(pipe, picture) -> None:
    lr = picture(8, 8)
    mean = pipe(lr, steps=0, iterations=1)
    none = pipe(lr, detail=0, **QUICK)
    assert torch.equal(mean.images, none.images)
    assert mean.weight_maps == {}
    distance = [
        float((pipe(lr, detail=d, **QUICK).images - mean.images).norm()) for d in (0.5, 1.0, 1.5)
    ]
    assert 0 < distance[0] < distance[1] < distance[2]


def test_strength_zero_is_having_no_depth(pipe, picture) -> None:
    from dataclasses import replace

    lr = picture(10, 9)
    estimate = pipe.estimate_degradation(lr, 4, picture(10, 9, seed=5)[:, :1])
    without = replace(estimate, inverse_depth=None)

    def sample(of, **options):
        return pipe.sample(pipe.fuse_modalities(lr, of, **options), steps=2)

    reference = sample(without)
    zeros = torch.zeros(1, 1, 10, 9)
    for options in ({"strengths": {"depth": 0}}, {"masks": {"depth": zeros}}):
        made = sample(estimate, **options)
        torch.testing.assert_close(made.images, reference.images, atol=1e-6, rtol=0)
        assert "depth" not in made.report.modality_weights
    assert float((sample(estimate).images - reference.images).abs().max()) > 1e-4


def test_a_mask_acts_only_near_where_it_is(pipe, picture) -> None:
    lr = picture(8, 96)
    estimate = pipe.estimate_degradation(lr, 4, picture(8, 96, seed=5)[:, :1])
    mask = torch.zeros(1, 1, 8, 96)
    mask[..., :6] = 1

    def sample(**options):
        conditioning = pipe.fuse_modalities(lr, estimate, **options)
        return pipe.sample(conditioning, steps=1, consistency="off").images

    for name in ("depth", "kernel"):
        difference = (sample(masks={name: mask}) - sample(strengths={name: 0})).abs()
        assert float(difference[..., : 4 * 6].max()) > 1e-5
        reach = 4 * (6 + pipe.denoiser.receptive_radius + pipe.mean_net.receptive_radius)
        assert float(difference[..., reach:].max()) < 1e-6


def test_a_given_kernel_and_depth_are_used_as_they_are(pipe, picture) -> None:
    lr = picture(8, 9)
    field = constant_kernel_field(isotropic_gaussian(2.0, 4), 8, 9, 4)
    depth = picture(8, 9, seed=2)[:, :1]
    out = pipe(lr, kernel=field, inverse_depth=depth, **QUICK)
    assert torch.equal(out.estimate.kernel_field.dense(), field.dense())
    assert torch.equal(out.estimate.inverse_depth, depth)
    assert out.report.blur_sigma_px["mean"] == pytest.approx(2.0, abs=0.05)
    blind = pipe(lr, inverse_depth=depth, **QUICK)
    assert float((blind.images - out.images).abs().max()) > 1e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no second device")
def test_an_estimate_holds_no_memory_of_the_device(tiny_folder, picture) -> None:
    engine = load_pipeline(tiny_folder, "cuda", "float32")
    field = constant_kernel_field(isotropic_gaussian(1.5, 4), 6, 7, 4)
    for given in (None, field, field.to("cuda")):
        estimate = engine(picture(6, 7), kernel=given, **QUICK).estimate
        assert estimate.kernel_field.data.device.type == "cpu"
        assert estimate.noise_std.device.type == "cpu"


def test_result_agrees_with_the_input_better_than_bicubic(pipe, picture) -> None:
    lr = picture(12, 12)
    field = constant_kernel_field(isotropic_gaussian(1.5, 4), 12, 12, 4)
    for method in ("ibp", "cg"):
        report = pipe(lr, kernel=field, consistency=method, **QUICK).report
        assert report.consistency_db["after"] > report.consistency_db["before"]


def test_refinement_blends_into_an_initial_estimate(pipe, picture) -> None:
    lr, depth = picture(9, 8), picture(9, 8, seed=1)[:, :1]
    fresh = pipe.estimate_degradation(lr, 4, depth)
    old = pipe.estimate_degradation(picture(9, 8, seed=7), 4, depth)
    for gamma in (0.0, 0.3, 1.0):
        made = pipe.refine_kernel(
            lr, 4, depth, initial=old, iterations=1, gamma=gamma, fixed_depth=True
        )
        data = gamma * fresh.kernel_field.data + (1 - gamma) * old.kernel_field.data
        torch.testing.assert_close(made.kernel_field.data, data, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("compact", [False, True])
def test_refinement_goes_on_from_an_edited_field(pipe, picture, monkeypatch, compact) -> None:
    """Below scale 4 an estimate has a code for each block of LR pixels, an edited one for each."""
    monkeypatch.setattr("mmsr_core.degradation.edit._DENSE_LR_PIXELS", 0 if compact else 1 << 18)
    lr = picture(11, 13)
    estimate = pipe.estimate_degradation(lr, 2)
    edited = edit_field(estimate.kernel_field, KernelEdit(blur_scale=1.5))
    assert (edited.basis is not None) == compact
    given = replace(estimate, kernel_field=edited)
    options = {"initial": given, "iterations": 1, "fixed_depth": True}
    kept = pipe.refine_kernel(lr, 2, gamma=0.0, **options).kernel_field.moments().blur_sigma_px
    wanted = edited.moments().blur_sigma_px
    assert float((kept.mean() - wanted.mean()).abs()) < 0.1 * float(wanted.mean())
    assert pipe.refine_kernel(lr, 2, **options).kernel_field.data.shape[-2:] == (6, 7)


def test_one_call_is_its_stages(pipe, picture) -> None:
    lr = picture(9, 8)
    estimate = pipe.refine_kernel(lr, 4, iterations=2)
    staged = pipe.sample(pipe.fuse_modalities(lr, estimate), steps=2, seed=4)
    assert torch.equal(pipe(lr, steps=2, iterations=2, seed=4).images, staged.images)


class StopError(Exception):
    """What a host raises to cancel."""


def double(lr: torch.Tensor) -> torch.Tensor:
    """The picture at twice its size."""
    return torch.nn.functional.interpolate(lr, scale_factor=2.0)


RUNS = {
    "whole run": lambda p, lr, d, k, f: p(lr, steps=2, iterations=2, progress=f, tile=16),
    "mean only": lambda p, lr, d, k, f: p(lr, steps=0, iterations=1, progress=f),
    "no detail": lambda p, lr, d, k, f: p(lr, steps=2, detail=0, iterations=1, progress=f),
    "given depth": lambda p, lr, d, k, f: p(lr, inverse_depth=d, **QUICK, progress=f),
    "given kernel": lambda p, lr, d, k, f: p(lr, kernel=k, **QUICK, progress=f),
    "given both": lambda p, lr, d, k, f: p(lr, kernel=k, inverse_depth=d, **QUICK, progress=f),
    "guide at LR": lambda p, lr, d, k, f: p(lr, guide=lr, **QUICK, progress=f),
    "guide at HR": lambda p, lr, d, k, f: p(lr, guide=double(lr), **QUICK, progress=f),
    "guide of strength 0": lambda p, lr, d, k, f: p(
        lr, guide=lr, strengths={"guide": 0}, **QUICK, progress=f
    ),
    "guide masked away": lambda p, lr, d, k, f: p(
        lr, guide=lr, masks={"guide": torch.zeros_like(d)}, **QUICK, progress=f
    ),
    "estimate": lambda p, lr, d, k, f: p.estimate_degradation(lr, 4, d, progress=f),
    "refine": lambda p, lr, d, k, f: p.refine_kernel(lr, 4, iterations=2, progress=f),
    "refine from depth": lambda p, lr, d, k, f: p.refine_kernel(lr, 4, d, iterations=2, progress=f),
}


@pytest.mark.parametrize("name", RUNS)
def test_progress_rises_to_its_end(pipe, picture, name: str) -> None:
    lr, depth = picture(6, 20), picture(6, 20)[:, :1]
    field = constant_kernel_field(isotropic_gaussian(1.5, 4), 6, 20, 4)
    events = []

    def note(event) -> None:
        events.append((event.done, event.total))
        if event.preview is not None:
            preview = event.preview()
            assert preview.ndim == 3
            assert 0 <= float(preview.min()) <= float(preview.max()) <= 1

    RUNS[name](pipe, lr, depth, field, note)
    done = [d for d, _ in events]
    assert done == sorted(done)
    assert done[0] == 0
    assert events[-1][0] == events[-1][1]
    assert done.index(done[-1]) >= len(done) - 2  # the last tile and the end of its stage
    assert len({total for _, total in events}) == 1


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((1, 1100), (1, 367)),
        ((1000, 700), (500, 350)),
        ((1, 1), (1, 1)),
        ((2, 4000), (1, 500)),
        ((4000, 2), (500, 1)),
        ((700, 1500), (234, 500)),
    ],
)
def test_previews_are_small_at_every_shape(size, small) -> None:
    canvas = torch.full((2, 3, *size), 0.25)
    preview = small_preview(canvas)
    assert preview.shape == (3, *small)
    torch.testing.assert_close(preview, torch.full_like(preview, 0.25))


@pytest.mark.parametrize("after", [1, 3, 9])
def test_what_a_callback_raises_ends_the_run_at_once(pipe, picture, after: int) -> None:
    calls = []

    def cancel(event) -> None:
        calls.append(event)
        if len(calls) == after:
            raise StopError

    with pytest.raises(StopError):
        pipe(picture(6, 6), steps=2, iterations=2, progress=cancel)
    assert len(calls) == after


def test_report_is_json_and_tells_the_run(pipe, picture) -> None:
    out = pipe(picture(5, 6), scale=2, steps=2, iterations=1, seed=8)
    report = json.loads(out.report.to_json())
    assert report == json.loads(json.dumps(out.report.to_dict()))
    assert report["input_size"] == [6, 5]
    assert report["output_size"] == [12, 10]
    assert (report["scale"], report["steps"], report["seed"]) == (2, 2, [8])
    stages = {"damage", "depth", "kernel", "mean", "flow", "consistency", "finish"}
    assert set(report["stage_seconds"]) == stages
    assert sum(report["stage_seconds"].values()) <= report["total_seconds"] + 0.01
    assert sum(report["modality_weights"].values()) == pytest.approx(1, abs=0.01)
    assert "6x5 -> 12x10 (x2), 2 steps, " in out.report.summary()
    assert "6x5 -> 12x10 (x2), 1 step, " in replace(out.report, steps=1, detail=0.5).summary()


@pytest.mark.parametrize("name", [*PRESETS, None])
def test_the_report_names_the_preset(pipe, picture, name) -> None:
    how = Preset(1, 0.6) if name is None else PRESETS[name]
    report = pipe(picture(5, 6), scale=2, steps=how.steps, detail=how.detail, iterations=1).report
    assert report.preset == report.to_dict()["preset"] == name
    said = report.summary().splitlines()[0]
    assert (f" ({name}), " in said) == (name is not None)
    assert "None" not in said


def test_the_report_has_noise_in_both_units(pipe, picture) -> None:
    report = pipe(picture(5, 6), scale=2, steps=0, iterations=1).report
    report = replace(report, noise_std=8 / 255, errors={"noise_std": 2 / 255, "blur": 0.1})
    content = report.to_dict()
    assert content["noise_std"] == 8 / 255
    assert content["noise_levels"] == pytest.approx(8)
    assert content["errors"] == {"noise_std": 2 / 255, "noise_levels": 2, "blur": 0.1}
    assert content["unexplained_levels"] == pytest.approx(255 * report.unexplained_std, abs=1e-3)


def test_saved_pipeline_gives_the_same_picture(pipe, picture, tmp_path) -> None:
    MMSRPipeline.from_engine(pipe).save_pretrained(str(tmp_path))
    again = MMSRPipeline.from_pretrained(str(tmp_path))
    assert isinstance(again, MMSRPipeline)
    lr = picture(8, 8)
    first, second = pipe(lr, **QUICK).images, again(lr, **QUICK).images
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)


def test_changed_kernel_weights_change_the_basis(pipe, picture, tiny_folder) -> None:
    """A pipeline whose estimator is exchanged must not go on with the old one's basis."""
    from mmsr_core.pipeline import load_pipeline

    other = load_pipeline(tiny_folder, "cpu", "float32")
    lr = picture(6, 6)
    other.estimate_degradation(lr, 4)
    net = load_pipeline(tiny_folder, "cpu", "float32").kernel_estimator
    net.basis_spread.mul_(2)
    other.kernel_estimator = net
    field = other.estimate_degradation(lr, 4).kernel_field
    assert torch.equal(field.basis.spread, net.basis_spread)


def test_shipped_folder_is_a_diffusers_pipeline(picture) -> None:
    """`model_index.json` names classes that diffusers can load, with the shipped parameters."""
    folder = available_weights()["small"]
    loaded = MMSRPipeline.from_pretrained(str(folder))
    engine = load_pipeline(folder, "cpu", "float32")
    lr = picture(8, 8)
    options = {**QUICK, "steps": 1}
    torch.testing.assert_close(
        loaded(lr, **options).images, engine(lr, **options).images, atol=1e-5, rtol=0
    )


def test_loading_an_engine_imports_no_diffusers(tiny_folder) -> None:
    code = (
        "import sys; from mmsr_core.pipeline import load_pipeline; "
        f"load_pipeline({str(tiny_folder)!r}, 'cpu'); "
        "print([m for m in ('diffusers', 'transformers', 'torch._dynamo') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("scale", [1, 2])
def test_codes_below_scale_4_are_no_denser_than_the_grid(pipe, picture, scale: int) -> None:
    lr = picture(10, 13)
    estimate = pipe.estimate_degradation(lr, scale)
    field = estimate.kernel_field
    cells = tuple(-(-v * scale // 4) for v in (10, 13))
    assert tuple(field.data.shape[-2:]) == cells
    assert field.dense().shape == (1, 441, 10, 13)
    given = constant_kernel_field(isotropic_gaussian(1.0, scale), 10, 13, scale)
    start = replace(estimate, kernel_field=given)
    kept = pipe.refine_kernel(lr, scale, initial=start, iterations=1, gamma=0.0)
    # Given kernels survive up to what the basis can hold of them.
    error = (kept.kernel_field.dense() - given.dense()).abs().sum(1)
    other = (field.dense() - given.dense()).abs().sum(1)
    assert float(error.max()) < float(other.min())


def test_a_picture_of_two_sensors_is_said_to_be_one(pipe, picture) -> None:
    report = pipe(picture(16, 16), scale=2, steps=0).report
    assert "two sensors" not in report.summary()
    assert "one picture of two sensors" in replace(report, fused=True).summary()


def test_jpeg_damage_is_not_called_noise(pipe, picture) -> None:
    report = pipe(picture(16, 16), scale=2, steps=0).report
    clean = replace(report, jpeg_quality=100.0, consistency_db={"before": 30.0, "after": 60.0})
    assert "within the noise (" in clean.summary()
    assert "noise and JPEG damage" in replace(clean, jpeg_quality=40.0).summary()


def test_another_size_than_that_of_the_scale(pipe, picture) -> None:
    lr = picture(20, 24)
    whole = pipe(lr, scale=4, steps=0)
    target = TargetSize.parse("1.5x")
    out = pipe(lr, scale=4, size=target.of((20, 24)), steps=0)
    assert out.images.shape == (1, 3, 30, 36)
    assert out.report.output_size == (36, 30)
    expected = resize_bicubic(whole.images, (30, 36))
    torch.testing.assert_close(out.images, expected, atol=1e-6, rtol=0)
    assert out.report.consistency_db == whole.report.consistency_db


def test_low_scales_may_have_a_mean_net_of_their_own(tiny_folder, picture) -> None:
    both, plain = (load_pipeline(tiny_folder, "cpu", "float32") for _ in range(2))
    own = copy.deepcopy(both.mean_net)
    for parameter in own.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    both.mean_net_low = own
    lr = picture(16, 20)
    for scale, same in ((1, False), (2, False), (3, True), (4, True)):
        made, expected = (
            pipe(lr, scale=scale, steps=0, iterations=1).images for pipe in (both, plain)
        )
        assert torch.equal(made, expected) == same
    assert both.components["mean_net_low"] is own
    assert plain.components["mean_net_low"] is None
