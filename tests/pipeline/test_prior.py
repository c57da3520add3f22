"""Another upscaler's picture: registered, weighed by place, held to the input."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import (
    Sharpening,
    constant_kernel_field,
    degrade_canvas,
    isotropic_gaussian,
    noise_gain,
    sharpen,
)
from mmsr_core.errors import InputError
from mmsr_core.image import resize_bicubic
from mmsr_core.pipeline import DegradationEstimate, combine_prior
from mmsr_core.pipeline.prior import prior_scale
from mmsr_core.pipeline.prior_match import complaint_of_prior


@pytest.fixture
def case(picture):
    """A truth of 128x160, its small picture, what is wrong with that, and a smooth restoration."""
    truth = picture(128, 160)
    field = constant_kernel_field(isotropic_gaussian(1.6, 4), 32, 40, 4)
    lr = degrade_canvas(truth, field).clamp(0, 1)
    estimate = DegradationEstimate(field, None, torch.zeros(1), torch.full((1,), 100.0))
    mean = F.interpolate(lr, scale_factor=4, mode="bicubic").clamp(0, 1)
    return truth, lr, estimate, mean


def test_trust_0_is_the_faithful_picture(case) -> None:
    _, lr, estimate, mean = case
    made = combine_prior(lr, estimate, mean, torch.rand_like(mean), trust=0)
    assert torch.equal(made.images, mean)
    assert not made.weight_map.any()


def test_trust_is_a_dial(case) -> None:
    truth, lr, estimate, mean = case
    prior = (truth + 0.05 * torch.randn(truth.shape, generator=torch.manual_seed(0))).clamp(0, 1)
    means = [
        float(combine_prior(lr, estimate, mean, prior, t).weight_map.mean())
        for t in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert means == sorted(means)
    assert means[0] == 0
    assert means[-1] == 1


def test_a_good_prior_makes_the_picture_better(case) -> None:
    truth, lr, estimate, mean = case
    made = combine_prior(lr, estimate, mean, truth)
    assert (made.images - truth).square().mean() < 0.7 * (mean - truth).square().mean()


def test_a_sharpened_input_is_compared_with_results_sharpened_again(case) -> None:
    truth, lr, estimate, mean = case
    amount = Sharpening.of(0.3)
    seen = sharpen(lr, amount)
    assert bool(((seen > 0) & (seen < 1)).all())  # nothing was cut off
    noisy = replace(estimate, sharpening=amount, noise_std=torch.full((1,), 0.02))
    made = combine_prior(seen, noisy, mean, truth)
    assert made.difference["prior"] < 1e-3
    assert made.sharpening == pytest.approx(0.3)
    assert made.noise_std == pytest.approx(0.02 / float(noise_gain(amount)), abs=1e-4)
    assert made.to_dict()["sharpening"] == made.sharpening
    assert "sharpened by a camera or an editor (amount 0.30, radius 2.5 px)" in made.summary()
    unaware = combine_prior(seen, estimate, mean, truth)
    assert unaware.difference["prior"] > 0.01
    assert unaware.to_dict()["sharpening"] is None


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_another_picture_is_left_out(case, picture, noise: float) -> None:
    truth, lr, estimate, mean = case
    lr = (lr + noise * torch.randn(lr.shape, generator=torch.manual_seed(2))).clamp(0, 1)
    assert combine_prior(lr, estimate, mean, truth).weight_map.min() > 0
    other = picture(128, 160, seed=9)
    made = combine_prior(lr, estimate, mean, other)
    assert torch.equal(made.images, mean)
    assert combine_prior(lr, estimate, mean, other, trust=1).weight_map.min() == 1


def test_a_prior_that_shows_nothing_is_left_out(case) -> None:
    truth, lr, estimate, mean = case
    for empty in (torch.zeros_like(truth), torch.full_like(truth, 0.5)):
        assert torch.equal(combine_prior(lr, estimate, mean, empty).images, mean)
        assert "the prior shows nothing" in complaint_of_prior(lr, empty)
    flat = torch.full_like(lr, 0.5)
    made = combine_prior(flat, estimate, torch.full_like(mean, 0.5), truth)
    assert torch.equal(made.images, torch.full_like(mean, 0.5))
    assert "the input shows nothing" in complaint_of_prior(flat, truth)
    assert complaint_of_prior(flat, torch.full_like(truth, 0.6)) == ""


def test_what_is_contradicted_counts_less(case) -> None:
    truth, lr, estimate, mean = case
    prior = truth.clone()
    prior[..., 40:72, 60:92] = 1 - prior[..., 40:72, 60:92].round()
    made = combine_prior(lr, estimate, mean, prior)
    inside = made.weight_map[..., 48:64, 68:84].mean()
    assert inside < 0.5 * made.weight_map[..., 100:, :].mean()


def test_trust_1_is_held_to_the_input(case) -> None:
    truth, lr, estimate, mean = case
    prior = (truth + 0.1 * torch.randn(truth.shape, generator=torch.manual_seed(1))).clamp(0, 1)
    made = combine_prior(lr, estimate, mean, prior, trust=1)
    assert made.difference["result"] < 0.7 * made.difference["prior"]


@pytest.mark.parametrize("cast", [(0.15, 0.0, -0.1), (-0.05, 0.05, 0.05)])
def test_a_colour_cast_is_taken_away(case, cast) -> None:
    truth, lr, estimate, mean = case
    tinted = truth * 0.7 + 0.15 + torch.tensor(cast).view(1, 3, 1, 1)
    made = combine_prior(lr, estimate, mean, tinted)
    off = (made.images - truth).mean((2, 3)).abs().max()
    assert off < 0.1 * max(abs(value) for value in cast)


def test_a_prior_of_another_size_is_fitted(case) -> None:
    truth, lr, estimate, mean = case
    half = F.avg_pool2d(truth, 2)
    assert combine_prior(lr, estimate, mean, half).images.shape == mean.shape


def test_grey_stays_grey(case) -> None:
    truth, lr, estimate, mean = case
    grey = [p.mean(1, keepdim=True).expand(-1, 3, -1, -1) for p in (lr, mean)]
    made = combine_prior(grey[0], estimate, grey[1], truth).images
    assert (made.amax(1) - made.amin(1)).max() == 0


@pytest.mark.parametrize(
    ("size", "scale"), [((32, 40), 1), ((64, 80), 2), ((120, 152), 4), ((48, 60), 2)]
)
def test_the_scale_is_the_nearest_whole_one(size, scale: int) -> None:
    assert prior_scale(torch.rand(1, 3, 32, 40), torch.rand(1, 3, *size)) == scale


@pytest.mark.parametrize("size", [(40, 32), (16, 20), (1024, 1280), (128, 40)])
def test_what_is_no_enlargement_is_refused(size) -> None:
    with pytest.raises(InputError, match="no enlargement") as refused:
        prior_scale(torch.rand(1, 3, 32, 40), torch.rand(1, 3, *size))
    assert ("wrong way round" in str(refused.value)) == (size == (16, 20))


def test_wrong_arguments_are_refused(case) -> None:
    _, lr, estimate, mean = case
    with pytest.raises(InputError, match="trust"):
        combine_prior(lr, estimate, mean, mean, trust=1.5)
    with pytest.raises(InputError, match="mean"):
        combine_prior(lr, estimate, mean[..., :-4], mean)
    with pytest.raises(InputError, match="prior"):
        combine_prior(lr, estimate, mean, mean.repeat(2, 1, 1, 1))


@pytest.mark.parametrize(
    ("given", "prior"),
    [((90, 130), (120, 160)), ((533, 800), (3600, 4800)), ((100, 100), (400, 440))],
)
def test_other_proportions_are_refused(given, prior) -> None:
    with pytest.raises(InputError, match=r"of the same shape. The proportions differ by \d+%"):
        prior_scale(torch.rand(1, 3, *given), torch.rand(1, 3, *prior))


@pytest.mark.parametrize(
    ("given", "prior"), [((120, 160), (512, 640)), ((90, 130), (88, 128)), ((133, 200), (520, 800))]
)
def test_what_upscalers_crop_or_pad_is_taken(given, prior) -> None:
    assert prior_scale(torch.rand(1, 3, *given), torch.rand(1, 3, *prior)) in (1, 4)


def test_the_engine_measures_and_merges(pipe, picture) -> None:
    lr, prior = picture(20, 24), picture(80, 96)
    made = pipe.merge_prior(lr, prior, trust=0)
    assert torch.equal(made.images, pipe(lr, scale=4, steps=0).images)
    assert "prior counts 0%" in made.summary()
    half = pipe.merge_prior(lr, prior, trust=0.5)
    assert half.images.shape == (1, 3, 80, 96)
    assert not torch.equal(half.images, made.images)


def test_a_prior_of_another_picture_is_named(pipe, picture) -> None:
    lr = picture(28, 32)
    faithful = pipe(lr, scale=4, steps=0).images
    assert "another picture" not in pipe.merge_prior(lr, faithful).summary()
    assert "another picture than the input. It is left out" in (
        pipe.merge_prior(lr, 1 - faithful).summary()
    )


def test_the_summary_says_where_the_prior_lay(pipe, picture) -> None:
    made = pipe.merge_prior(picture(20, 24), picture(80, 96))
    for shift, words in (
        ((-0.2, -0.1), "0.2 px above and 0.1 px left of the input"),
        ((1.0, 3.0), "1.0 px below and 3.0 px right of the input"),
    ):
        moved = replace(made, shift_px=torch.tensor([shift]))
        assert f"the prior lay {words}" in moved.summary()


def test_a_wanted_size_is_restored_at_the_next_scale_and_reduced(pipe, picture) -> None:
    lr, prior = picture(20, 24), picture(80, 96)
    whole = pipe.merge_prior(lr, prior, scale=3)
    assert whole.images.shape == (1, 3, 60, 72)
    made = pipe.merge_prior(lr, prior, scale=3, size=(50, 60))
    assert made.images.shape == (1, 3, 50, 60)
    assert made.weight_map.shape == (1, 1, 50, 60)
    assert torch.equal(made.images, resize_bicubic(whole.images, (50, 60)))
    assert made.difference == whole.difference, "measured before the reduction"
    assert whole.resized(None) is whole


def test_a_scale_that_is_not_the_estimates_is_refused(pipe, picture) -> None:
    lr = picture(20, 24)
    estimate = pipe.estimate_degradation(lr, 4)
    with pytest.raises(InputError, match="for scale 4"):
        pipe.merge_prior(lr, picture(80, 96), estimate=estimate, scale=3)
    small = pipe.merge_prior(lr, picture(80, 96), estimate=estimate, size=(10, 12))
    assert small.images.shape == (1, 3, 10, 12)
