"""The router of the adaptive fusion, and the blocks that keep it local."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from mmsr_core.models.blocks import (
    ChannelNorm,
    grid_to_residual,
    pixels_to_grid,
    residual_to_grid,
)
from mmsr_core.models.router import AdaptiveFusion
from tests.helpers import liven

NAMES = ("lr", "kernel", "depth")
H, W = 5, 7


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def fusion() -> AdaptiveFusion:
    module = AdaptiveFusion(NAMES, 8, 4)
    liven(module).requires_grad_(False)
    with torch.no_grad():  # strong opinions
        for parameter in module.parameters():
            parameter.mul_(20)
        module.temperature.weight.fill_(-0.5)
        module.temperature.bias.fill_(0.1)
    return module


@pytest.fixture
def given():
    f = rand(1, 8, H, W)
    experts = {m: rand(1, 4, H, W, seed=i + 1) for i, m in enumerate(NAMES)}
    amounts = {m: torch.ones(1, 1, 1, 1) for m in NAMES}
    return f, experts, amounts, torch.full((1,), 0.4)


def test_weights_are_a_partition_where_anything_is_there(fusion, given) -> None:
    f, experts, amounts, t = given
    weights = fusion.route(f, experts, amounts, t).weights
    assert weights.shape == (1, 3, H, W)
    assert float(weights.min()) >= 0
    torch.testing.assert_close(weights.sum(1), torch.ones(1, H, W))
    assert float(weights.std((2, 3)).max()) > 0.01  # they differ from place to place
    nothing = fusion.route(f, experts, {m: torch.zeros(1, 1, 1, 1) for m in NAMES}, t).weights
    assert float(nothing.abs().max()) == 0


@pytest.mark.parametrize("name", NAMES)
def test_amount_zero_is_leaving_out(fusion, given, name: str) -> None:
    f, experts, amounts, t = given
    off, routing = fusion(f, experts, {**amounts, name: torch.zeros(1, 1, 1, 1)}, t)
    fewer = {k: v for k, v in experts.items() if k != name}
    out, _ = fusion(f, fewer, amounts, t)
    assert torch.equal(off, out)
    assert float(routing.weights[:, NAMES.index(name)].abs().max()) == 0
    assert float((fusion(f, experts, amounts, t)[0] - off).abs().max()) > 1e-3


def test_more_amount_is_more_weight(fusion, given) -> None:
    f, experts, amounts, t = given
    shares = [
        fusion.route(f, experts, {**amounts, "depth": torch.full((1, 1, 1, 1), a)}, t).weights[:, 2]
        for a in (0.0, 0.3, 1.0, 2.0)
    ]
    for less, more in pairwise(shares):
        assert bool((more > less).all())


def test_a_mask_acts_only_where_it_is(fusion, given) -> None:
    f, experts, amounts, t = given
    mask = torch.zeros(1, 1, H, W)
    mask[..., :3] = 1
    masked, _ = fusion(f, experts, {**amounts, "kernel": mask}, t)
    on, _ = fusion(f, experts, amounts, t)
    off, _ = fusion(f, experts, {**amounts, "kernel": torch.zeros(1, 1, 1, 1)}, t)
    torch.testing.assert_close(masked[..., :3], on[..., :3])
    torch.testing.assert_close(masked[..., 3:], off[..., 3:])


def test_uniform_and_without_effect_at_first(given) -> None:
    f, experts, amounts, t = given
    fresh = AdaptiveFusion(NAMES, 8, 4)
    out, routing = fresh(f, experts, amounts, t)
    torch.testing.assert_close(routing.weights, torch.full((1, 3, H, W), 1 / 3))
    assert torch.equal(out, f)


def test_order_of_the_dictionary_does_not_matter(fusion, given) -> None:
    f, experts, amounts, t = given
    turned = dict(reversed(experts.items()))
    assert torch.equal(fusion(f, experts, amounts, t)[0], fusion(f, turned, amounts, t)[0])


def test_temperature_is_high_when_noisy(given) -> None:
    fresh = AdaptiveFusion(NAMES, 8, 4)
    tau = fresh.tau(torch.tensor([0.0, 0.5, 1.0])).detach()
    assert bool((tau.diff() > 0).all())
    assert float(tau.min()) >= 0.5


def test_one_modality_alone_is_equation_3_of_ssr(fusion, given) -> None:
    """With w = 1 the fusion is `F + alpha * Norm(F) + beta`, SSR's AMF."""
    f, experts, amounts, t = given
    out, routing = fusion(f, {"depth": experts["depth"]}, amounts, t)
    torch.testing.assert_close(routing.weights[:, 2], torch.ones(1, H, W))
    alpha, beta = fusion.affine["depth"](experts["depth"]).chunk(2, 1)
    torch.testing.assert_close(out, f + alpha * fusion.norm(f) + beta)


def test_channel_norm_sees_one_pixel() -> None:
    x = 3 + 2 * rand(2, 16, H, W)
    y = ChannelNorm()(x)
    torch.testing.assert_close(y.mean(1), torch.zeros(2, H, W), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.square().mean(1), torch.ones(2, H, W), atol=1e-3, rtol=0)
    changed = x.clone()
    changed[..., 2, 3] += 5 * rand(2, 16, seed=4)
    differs = (ChannelNorm()(changed) != y).any(1)
    expected = torch.zeros(2, H, W, dtype=torch.bool)
    expected[:, 2, 3] = True
    assert torch.equal(differs, expected)


def test_grid_keeps_every_pixel() -> None:
    image = torch.rand(1, 3, 8, 12)
    cells = pixels_to_grid(image)
    assert cells.shape == (1, 51, 2, 3)
    mean = cells[:, :3] / 4 + 0.5
    deviation = cells[:, 3:].reshape(1, 3, 16, 2, 3) / 16
    blocks = (mean.unsqueeze(2) + deviation).reshape(1, 48, 2, 3)
    torch.testing.assert_close(torch.nn.functional.pixel_shuffle(blocks, 4), image)
    residual = torch.rand(1, 3, 8, 12) - 0.5
    torch.testing.assert_close(grid_to_residual(residual_to_grid(residual)) / 1.6, residual)
