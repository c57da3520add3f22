"""Pipelines of diffusers, held to a measured input."""

import pytest
import torch

from mmsr_core.degradation import (
    consistency_db,
    constant_kernel_field,
    degrade_canvas,
    isotropic_gaussian,
)
from mmsr_core.errors import InputError
from mmsr_core.pipeline import DegradationEstimate, HoldToInput, MeasuredGuide
from mmsr_core.pipeline.diffusers_guidance import noise_levels

diffusers = pytest.importorskip("diffusers")

from tests.pipeline.tiny_diffusers import prompt, tiny_flux, tiny_stable_diffusion  # noqa: E402

SCHEDULERS = {
    "ddim": lambda: diffusers.DDIMScheduler(clip_sample=False),
    "euler": lambda: diffusers.EulerDiscreteScheduler(),
    "dpm++": lambda: diffusers.DPMSolverMultistepScheduler(solver_order=1),
    "flow": lambda: diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_prediction_is_read_back_from_two_latents(name) -> None:
    """A model that always predicts one clean picture: its steps must give that picture away."""
    scheduler = SCHEDULERS[name]()
    scheduler.set_timesteps(8)
    clean = torch.randn(1, 4, 6, 6, generator=torch.manual_seed(0))
    latents = torch.randn(1, 4, 6, 6, generator=torch.manual_seed(1))
    latents = latents * getattr(scheduler, "init_noise_sigma", 1.0)
    for index, t in enumerate(scheduler.timesteps):
        if name == "euler":
            scheduler.scale_model_input(latents, t)
        before = latents
        scale, noise = level_before(scheduler, index, t)
        output = (before - (1 if name == "flow" else scale) * clean) / noise
        latents = scheduler.step(output, t, latents, return_dict=False)[0]
        (old_scale, old_noise), (new_scale, new_noise) = noise_levels(scheduler, t)
        assert (old_scale, old_noise) == pytest.approx((scale, noise), rel=1e-4)
        ratio = new_noise / old_noise
        found = (latents - ratio * before) / (new_scale - ratio * old_scale)
        assert torch.allclose(found, clean, atol=2e-3)


def level_before(scheduler, index: int, t) -> tuple[float, float]:
    """Scale and noise of the latents that a step starts from, by the schedulers' own formulas."""
    if isinstance(scheduler, diffusers.DDIMScheduler):
        product = float(scheduler.alphas_cumprod[int(t)])
        return product**0.5, (1 - product) ** 0.5
    sigma = float(scheduler.sigmas[index])
    if isinstance(scheduler, diffusers.FlowMatchEulerDiscreteScheduler):
        return 1 - sigma, sigma
    if isinstance(scheduler, diffusers.EulerDiscreteScheduler):
        return 1.0, sigma
    return (1 + sigma**2) ** -0.5, sigma * (1 + sigma**2) ** -0.5


@pytest.fixture
def case(picture):
    """A small picture of 16x16, what is wrong with it at scale 2, for results of 32x32."""
    truth = picture(32, 32)
    field = constant_kernel_field(isotropic_gaussian(1.2, 2), 16, 16, 2)
    lr = degrade_canvas(truth, field).clamp(0, 1)
    return lr, DegradationEstimate(field, None, torch.zeros(1), torch.full((1,), 100.0))


def agreement(images, lr, estimate) -> float:
    made = torch.as_tensor(images).permute(0, 3, 1, 2).float()
    return float(consistency_db(made, lr, estimate.kernel_field))


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "dpm++"])
def test_stable_diffusion_is_held_to_the_input(case, scheduler) -> None:
    lr, estimate = case
    # An untrained network's v leaves the latents about as large as they are; its noise does not.
    made = SCHEDULERS[scheduler]()
    made.register_to_config(prediction_type="v_prediction")
    pipe = tiny_stable_diffusion(made)
    reached = []
    for strength in (0.0, 0.5, 1.0):
        callback = HoldToInput(MeasuredGuide(lr, estimate, strength))
        out = run(pipe, callback)
        reached.append(agreement(out, lr, estimate))
    plain = run(pipe, None)
    assert agreement(plain, lr, estimate) == reached[0]
    assert reached == sorted(reached)
    assert reached[-1] > reached[0] + 3


def test_flux_is_held_to_the_input(case) -> None:
    lr, estimate = case
    pipe = tiny_flux(SCHEDULERS["flow"]())
    plain = run(pipe, HoldToInput(MeasuredGuide(lr, estimate, 0.0)))
    led = run(pipe, HoldToInput(MeasuredGuide(lr, estimate, 1.0)))
    assert agreement(led, lr, estimate) > agreement(plain, lr, estimate) + 3


def test_nothing_is_guided_outside_the_span(case) -> None:
    lr, estimate = case
    pipe = tiny_stable_diffusion(SCHEDULERS["ddim"]())
    plain = run(pipe, None)
    late = run(pipe, HoldToInput(MeasuredGuide(lr, estimate), start=0.0, end=0.0))
    assert (plain == late).all()


def test_unknown_schedulers_and_spans_are_refused(case) -> None:
    lr, estimate = case
    guide = MeasuredGuide(lr, estimate)
    pipe = tiny_stable_diffusion(diffusers.DDPMScheduler())
    with pytest.raises(InputError, match="steps of DDPMScheduler: expected one of"):
        run(pipe, HoldToInput(guide))
    with pytest.raises(InputError, match="start"):
        HoldToInput(guide, 0.8, 0.2)


def run(pipe, callback):
    """Eight steps from the same noise, as an array `(1,H,W,3)`."""
    return pipe(
        **prompt(pipe),
        height=32,
        width=32,
        num_inference_steps=8,
        generator=torch.manual_seed(3),
        callback_on_step_end=callback,
        output_type="np",
    ).images
