"""A diffusion model's predictions, held to a measured input."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.degradation import (
    consistency_db,
    constant_kernel_field,
    degrade_canvas,
    isotropic_gaussian,
)
from mmsr_core.errors import InputError
from mmsr_core.pipeline import DegradationEstimate, MeasuredGuide, PostCfgGuide
from mmsr_core.pipeline.guidance import signal_share

SCALE = 4


class PixelShuffleAutoencoder:
    """Exactly invertible: pixels are moved into channels, 0..1 to -1..1."""

    def decode(self, latents: Tensor) -> Tensor:
        return F.pixel_shuffle(latents.float(), 2) / 2 + 0.5

    def encode(self, images: Tensor) -> Tensor:
        return F.pixel_unshuffle(images * 2 - 1, 2)


class LossyAutoencoder(PixelShuffleAutoencoder):
    """One that loses what the other keeps: every picture comes out greyer and brighter."""

    def encode(self, images: Tensor) -> Tensor:
        return super().encode(0.9 * images + 0.05)


@pytest.fixture
def case(picture):
    """A truth of 96x80, its small picture, and what is wrong with that."""
    truth = picture(96, 80)
    field = constant_kernel_field(isotropic_gaussian(1.6, SCALE), 24, 20, SCALE)
    lr = degrade_canvas(truth, field).clamp(0, 1)
    return truth, lr, DegradationEstimate(field, None, torch.zeros(1), torch.full((1,), 100.0))


def wrong(truth: Tensor, seed: int = 0) -> Tensor:
    """A prediction that contradicts the input at all scales."""
    drawn = torch.rand((truth.shape[0], 3, 6, 5), generator=torch.manual_seed(seed))
    return (truth + 0.3 * (F.interpolate(drawn, truth.shape[-2:]) - 0.5)).clamp(0, 1)


def agreement(latents: Tensor, lr: Tensor, estimate: DegradationEstimate) -> float:
    images = PixelShuffleAutoencoder().decode(latents)
    return float(consistency_db(images, lr, estimate.kernel_field).min())


def test_agreement_rises_with_the_strength(case) -> None:
    truth, lr, estimate = case
    vae = PixelShuffleAutoencoder()
    latents = vae.encode(wrong(truth))
    reached = [
        agreement(MeasuredGuide(lr, estimate, s).correct(latents, 10.0, vae), lr, estimate)
        for s in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert reached == sorted(reached)
    assert reached[-1] > reached[0] + 5


def test_strength_0_changes_nothing(case) -> None:
    truth, lr, estimate = case
    latents = PixelShuffleAutoencoder().encode(wrong(truth))
    guide = MeasuredGuide(lr, estimate, 0)
    assert guide.correct(latents, 1.0, PixelShuffleAutoencoder()) is latents
    assert guide.pull(latents, 1.0, torch.zeros_like(latents)) is latents


def test_what_agrees_stays(case) -> None:
    truth, lr, estimate = case
    made = MeasuredGuide(lr, estimate).solve(truth, 10.0)
    assert (made - truth).abs().max() < 2e-3


def test_less_is_moved_as_the_noise_falls(case) -> None:
    truth, lr, estimate = case
    images = wrong(truth)
    guide = MeasuredGuide(lr, estimate)
    moved = [float((guide.solve(images, s) - images).abs().mean()) for s in (0.0, 0.5, 2.0, 50.0)]
    assert moved == sorted(moved)
    assert moved[0] > 0


def test_known_noise_is_not_followed(case) -> None:
    truth, lr, estimate = case
    noisy = (lr + 0.08 * torch.randn(lr.shape, generator=torch.manual_seed(0))).clamp(0, 1)
    known = DegradationEstimate(
        estimate.kernel_field, None, torch.full((1,), 0.08), torch.full((1,), 100.0)
    )
    deaf = MeasuredGuide(noisy, estimate).solve(truth, 10.0)
    aware = MeasuredGuide(noisy, known).solve(truth, 10.0)
    assert (aware - truth).square().mean() < 0.3 * (deaf - truth).square().mean()


def test_what_the_autoencoder_loses_cancels(case) -> None:
    truth, lr, estimate = case
    vae = LossyAutoencoder()
    latents = PixelShuffleAutoencoder().encode(truth)
    made = MeasuredGuide(lr, estimate).correct(latents, 10.0, vae)
    assert (made - latents).abs().max() < 5e-3


def test_the_mask_says_where(case) -> None:
    truth, lr, estimate = case
    vae = PixelShuffleAutoencoder()
    latents = vae.encode(wrong(truth))
    mask = torch.zeros(1, 1, 96, 80)
    mask[..., :40] = 1
    made = MeasuredGuide(lr, estimate, mask=mask).correct(latents, 10.0, vae)
    assert torch.equal(made[..., 20:], latents[..., 20:])
    assert not torch.equal(made[..., :20], latents[..., :20])


def test_pictures_of_a_batch_do_not_see_each_other(case) -> None:
    truth, lr, estimate = case
    images = torch.cat((wrong(truth, 0), wrong(truth, 1)))
    guide = MeasuredGuide(lr, estimate)
    both = guide.solve(images, torch.tensor([1.0, 5.0]))
    one = guide.solve(images[1:], 5.0)
    assert torch.equal(both[1:], one)


def test_the_quick_way_leads_at_the_start(case) -> None:
    truth, lr, estimate = case
    vae = PixelShuffleAutoencoder()
    latents, reference = vae.encode(wrong(truth)), vae.encode(truth)
    guide = MeasuredGuide(lr, estimate)
    left = [float((guide.pull(latents, s, reference) - reference).abs().mean()) for s in (50, 1, 0)]
    assert left == sorted(left)
    assert left[0] < 1e-3
    assert torch.equal(guide.pull(latents, 0, reference), latents)


def test_a_flow_starts_from_nothing_but_noise() -> None:
    assert float(signal_share(torch.tensor(float("inf")))) == 1
    assert float(signal_share(torch.tensor(1.0))) == pytest.approx(0.5)


def test_an_interruption_comes_through(case) -> None:
    truth, lr, estimate = case

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        MeasuredGuide(lr, estimate, callback=stop).solve(truth, 1.0)


def test_wrong_sizes_are_refused(case) -> None:
    truth, lr, estimate = case
    vae = PixelShuffleAutoencoder()
    guide = MeasuredGuide(lr, estimate)
    with pytest.raises(InputError, match=r"80x88 pixels, but at scale 4 .* 80x96"):
        guide.correct(vae.encode(truth[..., :88, :]), 1.0, vae)
    with pytest.raises(InputError, match="images"):
        guide.solve(truth[..., :88, :], 1.0)
    with pytest.raises(InputError, match="reference"):
        guide.pull(torch.zeros(1, 12, 48, 40), 1.0, torch.zeros(1, 12, 44, 40))
    with pytest.raises(InputError, match="strength"):
        MeasuredGuide(lr, estimate, 1.5)
    with pytest.raises(InputError, match="mask"):
        MeasuredGuide(lr, estimate, mask=torch.ones(3, 1, 4, 4))


def post_cfg(case, restored: Tensor | None = None, packed=lambda args: ()) -> PostCfgGuide:
    _, lr, estimate = case
    vae = PixelShuffleAutoencoder()
    guide = MeasuredGuide(lr, estimate)
    span = (float("inf"), 0.0)
    return PostCfgGuide(guide, lambda _: vae, lambda _, sigma: sigma, span, restored, packed)


@pytest.mark.parametrize("quick", [False, True], ids=["measured", "quick"])
def test_of_latents_packed_into_one_the_picture_alone_is_guided(case, quick) -> None:
    truth = case[0]
    picture = PixelShuffleAutoencoder().encode(wrong(truth))
    sound = torch.rand((1, 5, 7), generator=torch.manual_seed(3))
    one = torch.cat([picture.reshape(1, 1, -1), sound.reshape(1, 1, -1)], -1)
    restored = truth if quick else None
    sigma = torch.full((1,), 10.0)
    shapes = [tuple(picture.shape), tuple(sound.shape)]
    alone = post_cfg(case, restored)({"denoised": picture, "model": None, "sigma": sigma})
    moved = post_cfg(case, restored, lambda args: shapes)(
        {"denoised": one, "model": None, "sigma": sigma}
    )
    assert moved.shape == one.shape
    assert torch.equal(moved[..., picture.numel() :], one[..., picture.numel() :])
    assert torch.equal(moved[..., : picture.numel()].reshape(picture.shape), alone)
    assert not torch.equal(alone, picture)


def test_latents_that_are_no_pictures_are_refused_by_name(case) -> None:
    args = {"denoised": torch.zeros(1, 8, 40), "model": None, "sigma": torch.ones(1)}
    with pytest.raises(InputError, match=r"\(1, 8, 40\).*4 axes"):
        post_cfg(case)(args)
