"""The sampler of the rectified flow, against diffusers' scheduler."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from mmsr_core.diffusion import RectifiedFlow, seeded_noise
from mmsr_core.errors import InputError

SHAPE = (2, 3, 6, 5)


def keep(x: torch.Tensor, step: int) -> torch.Tensor:
    return x


def sample_flow(denoise, project, mean, noise, sigma_s, times) -> torch.Tensor:
    """Every step of a flow; the last estimate."""
    flow = RectifiedFlow(mean, noise, sigma_s, times)
    estimate = flow.z
    for step in range(flow.steps):
        estimate = project(denoise(flow.z, flow.times[step], step), step)
        flow.advance(step, estimate)
    return estimate


def rand(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_steps_are_those_of_the_scheduler(steps: int) -> None:
    def denoise(z: torch.Tensor, t: float, step: int) -> torch.Tensor:
        return torch.tanh(z) * (1 - 0.5 * t) + 0.1 * step

    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=np.array([1 - i / steps for i in range(steps)]))
    times = [float(s) for s in scheduler.sigmas]
    mean, noise = rand(0), seeded_noise(SHAPE, [1, 2])
    z = mean + 0.1 * noise
    for step, timestep in enumerate(scheduler.timesteps):
        velocity = (z - denoise(z, times[step], step)) / times[step]
        z = scheduler.step(velocity, timestep, z, return_dict=False)[0]
    mine = sample_flow(denoise, keep, mean, noise.clone(), 0.1, times)
    torch.testing.assert_close(mine, z, atol=1e-5, rtol=1e-5)


def test_a_perfect_denoiser_arrives_and_sees_the_straight_path() -> None:
    mean, target, noise = rand(0), rand(1), seeded_noise(SHAPE, [3, 4])
    start = mean + 0.2 * noise
    times = [1.0, 0.6, 0.25, 0.0]
    seen = []

    def denoise(z: torch.Tensor, t: float, step: int) -> torch.Tensor:
        seen.append(step)
        torch.testing.assert_close(z, (1 - t) * target + t * start, atol=1e-5, rtol=0)
        return target.clone()

    out = sample_flow(denoise, keep, mean, noise.clone(), 0.2, times)
    assert torch.equal(out, target)
    assert seen == [0, 1, 2]


def test_projection_steers_every_step() -> None:
    calls = []

    def project(x: torch.Tensor, step: int) -> torch.Tensor:
        calls.append(step)
        return x.clamp_(0.4, 0.6)

    out = sample_flow(lambda z, t, i: z * 1.0, project, rand(0), rand(1), 0.5, [1.0, 0.5, 0.0])
    assert calls == [0, 1]
    assert float(out.min()) >= 0.4 - 1e-6
    assert float(out.max()) <= 0.6 + 1e-6


@pytest.mark.parametrize(
    "times", [[], [1.0], [0.9, 0.0], [1.0, 0.5], [1.0, 0.5, 0.5, 0.0], [1.0, 0.2, 0.4, 0.0]]
)
def test_times_must_fall_from_one_to_zero(times: list[float]) -> None:
    with pytest.raises(InputError, match="times must fall"):
        sample_flow(lambda z, t, i: z, keep, rand(0), rand(1), 0.1, times)


def test_noise_is_one_map_per_seed() -> None:
    both = seeded_noise(SHAPE, [7, 2**64 - 1])
    assert torch.equal(both[1:], seeded_noise((1, *SHAPE[1:]), [2**64 - 1]))
    assert torch.equal(both, seeded_noise(SHAPE, [7, 2**64 - 1]))
    for other in (8, 7 + 2**31):
        assert not torch.equal(both[:1], seeded_noise((1, *SHAPE[1:]), [other]))
    wide = seeded_noise((1, 3, 100, 100), [0])
    assert abs(float(wide.mean())) < 0.03
    assert abs(float(wide.std()) - 1) < 0.03
    with pytest.raises(InputError, match="seeds"):
        seeded_noise(SHAPE, [1])
