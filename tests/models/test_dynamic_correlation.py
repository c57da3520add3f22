"""The dynamic correlation module against its equations, and what tiling and training rely on."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from mmsr_core.errors import InputError, ShapeError
from mmsr_core.models import (
    DynamicCorrelationModule,
    MeanNet,
    condition_globals,
    set_prompt_progress,
)
from mmsr_core.models.dynamic_correlation import temperature_at
from mmsr_core.models.network import load_network
from mmsr_core.tiling import TileRunner
from mmsr_core.weights import find_weights

DIM = 16


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def module(channels: int = 5, seed: int = 0, **options) -> DynamicCorrelationModule:
    """A DCM whose every parameter is random, none of them zero."""
    torch.manual_seed(seed)
    made = DynamicCorrelationModule(channels, DIM, **options)
    with torch.no_grad():
        made.gain.normal_()
        made.bias.normal_()
        made.mix[2].weight.mul_(20)
        made.zeta.fill_(9.0)
    return made.eval()


def test_one_pixel_follows_the_equations() -> None:
    net = module(kernels=3, hidden=6)
    net.set_progress(0.35)
    x, prompt = randn(1, 5, 4, 6), randn(1, DIM, seed=1)
    y, at_x = 2, 3
    with torch.no_grad():
        p = prompt[0]

        def mask(i: int, j: int) -> float:
            projected = net.project.weight[:, :, 0, 0] @ x[0, :, i, j] + net.project.bias
            similarity = float((projected @ p / (projected.norm() * p.norm())).detach())
            return 1 / (1 + math.exp(-net.zeta.item() * similarity))

        unit = prompt[0] / prompt[0].norm() * DIM**0.5
        hidden = (net.mix[0].weight @ unit + net.mix[0].bias).clamp_min(0)
        logits = (net.mix[2].weight @ hidden + net.mix[2].bias) / (34 - 3 * 3)
        shares = [math.exp(float(v)) for v in logits]
        shares = [v / sum(shares) for v in shares]
        added = torch.zeros(5)
        kernels = net.kernels.unflatten(-1, (-1, 3, 3))
        for share, kernel, bias in zip(shares, kernels, net.bias, strict=True):
            added += share * bias
            for i in (-1, 0, 1):
                for j in (-1, 0, 1):
                    spot = x[0, :, y + i, at_x + j] * mask(y + i, at_x + j)
                    added += share * (kernel[:, :, i + 1, j + 1] @ spot)
        expected = x[0, :, y, at_x] + net.gain * added
        out, found = net.respond(x, prompt)
    assert max(shares) > 1.2 * min(shares)
    torch.testing.assert_close(out[0, :, y, at_x], expected, atol=1e-5, rtol=1e-5)
    assert float(found[0, 0, y, at_x]) == pytest.approx(mask(y, at_x), abs=1e-5)
    assert float(found.std()) > 0.1


def test_it_starts_as_the_identity() -> None:
    net = DynamicCorrelationModule(5, DIM)
    x = randn(2, 5, 4, 4)
    assert torch.equal(net(x, randn(2, DIM)), x)
    assert net.zeta.item() == 50


def test_without_a_prompt_nothing_is_computed() -> None:
    net, x = module(), randn(2, 5, 4, 4)
    assert net(x, None) is x


def test_presence_zero_is_the_identity_and_scales_what_is_added() -> None:
    net, x, prompt = module(), randn(2, 5, 4, 6), randn(2, DIM, seed=1)
    with torch.no_grad():
        full = net(x, prompt)
        assert float((full - x).abs().mean()) > 0.1
        for nothing in (torch.zeros(2), torch.zeros(1, 1, 4, 6), torch.tensor(0.0)):
            assert torch.equal(net(x, prompt, nothing), x)
        half = net(x, prompt, torch.tensor([1.0, 0.5]))
        left = torch.zeros(1, 1, 1, 6)
        left[..., :3] = 1
        partly = net(x, prompt, left)
    torch.testing.assert_close(half[0], full[0])
    torch.testing.assert_close(half[1] - x[1], (full[1] - x[1]) / 2)
    assert torch.equal(partly[..., 3:], x[..., 3:])
    assert torch.equal(partly[..., :3], full[..., :3])


def test_items_of_a_batch_do_not_mix() -> None:
    net, x, prompt = module(), randn(3, 5, 6, 4), randn(3, DIM, seed=1)
    with torch.no_grad():
        together, masks = net.respond(x, prompt)
        for i in range(3):
            alone, mask = net.respond(x[i : i + 1], prompt[i : i + 1])
            torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(masks[i : i + 1], mask, atol=1e-5, rtol=1e-5)
        one_for_all = net(x, prompt[:1])
        torch.testing.assert_close(one_for_all, net(x, prompt[:1].expand(3, -1)))
    assert float((one_for_all[1] - together[1]).abs().max()) > 1e-2


def test_the_length_of_the_prompt_does_not_matter() -> None:
    net, x, prompt = module(), randn(1, 5, 4, 4), randn(1, DIM, seed=1)
    with torch.no_grad():
        torch.testing.assert_close(net(x, prompt), net(x, 10 * prompt), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_it_looks_no_farther_than_it_says(size: int) -> None:
    net = module(kernel_size=size)
    x = randn(1, 5, 9, 9).requires_grad_()
    net(x, randn(1, DIM, seed=1))[0, :, 4, 4].sum().backward()
    assert x.grad is not None
    rows = x.grad.abs().amax((0, 1, 3)).nonzero()[:, 0]
    assert int((rows - 4).abs().max()) == net.receptive_radius == size // 2


def test_gradients_reach_every_parameter_once_the_residual_is_not_zero() -> None:
    net = module()
    (net(randn(2, 5, 4, 4), randn(2, DIM, seed=1)) * randn(2, 5, 4, 4, seed=2)).sum().backward()
    assert [k for k, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []
    fresh = DynamicCorrelationModule(5, DIM)
    fresh(randn(2, 5, 4, 4), randn(2, DIM, seed=1)).sum().backward()
    assert fresh.gain.grad is not None
    assert bool(fresh.gain.grad.all())  # so the first step leaves zero


def test_temperature_falls_by_three_every_tenth() -> None:
    values = [temperature_at(i / 10) for i in range(11)]
    assert values == [34, 31, 28, 25, 22, 19, 16, 13, 10, 7, 7]
    assert temperature_at(0.0999) == 34
    with pytest.raises(InputError, match=r"0\.\.1"):
        temperature_at(1.2)


def test_temperature_sharpens_the_mixture_and_is_saved() -> None:
    net, prompt = module(), randn(4, DIM)
    with torch.no_grad():
        first = net.mixture(prompt)
        net.set_progress(1.0)
        last = net.mixture(prompt)
    torch.testing.assert_close(first.sum(1), torch.ones(4))
    assert bool((last.amax(1) > first.amax(1)).all())
    other = DynamicCorrelationModule(5, DIM)
    other.load_state_dict(net.state_dict())
    assert float(other.temperature) == 7


def test_bfloat16_autocast_stays_close() -> None:
    net, x, prompt = module(), randn(1, 5, 6, 6), randn(1, DIM, seed=1)
    with torch.no_grad():
        full, mask = net.respond(x, prompt)
        with torch.autocast("cpu", torch.bfloat16):
            half, other = net.respond(x, prompt)
    assert torch.equal(mask, other)
    assert float((full - half).abs().max()) < 0.03 * float(full.abs().max())


def test_wrong_shapes_are_refused() -> None:
    net, x = module(), randn(2, 5, 4, 4)
    with pytest.raises(ShapeError, match="features"):
        net(randn(2, 4, 4, 4), randn(1, DIM))
    with pytest.raises(ShapeError, match="prompt"):
        net(x, randn(1, DIM + 1))
    with pytest.raises(ShapeError, match="prompt"):
        net(x, randn(3, DIM))
    with pytest.raises(ShapeError, match="amount"):
        net(x, randn(1, DIM), torch.ones(1, 1, 3, 4))
    with pytest.raises(InputError, match="odd"):
        DynamicCorrelationModule(5, DIM, kernel_size=2)


def mean_net(prompt_every: int = 1) -> MeanNet:
    torch.manual_seed(0)
    net = MeanNet(8, 3, 6, 8, prompt_every)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            if not bool(parameter.any()):
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return net.eval()


def scene(rows: int, cols: int, batch: int = 1) -> list[torch.Tensor]:
    pictures = [randn(batch, 3, 4 * rows, 4 * cols, seed=i).sigmoid() for i in range(2)]
    globals_ = condition_globals(4, torch.full((batch,), 0.01), torch.full((batch,), 80.0))
    return [*pictures, randn(batch, 6, rows, cols, seed=2), globals_]


def test_mean_net_with_prompts_tiles_exactly() -> None:
    net = mean_net()
    rows, cols = 20, 61
    base, back, codes, conditions = scene(rows, cols)
    prompt, amount = randn(1, 512), randn(1, 1, rows, cols, seed=3).sigmoid()
    with torch.no_grad():
        whole = net(base, back, codes, conditions, prompt=prompt, prompt_amount=amount)
        plain = net(base, back, codes, conditions)
    assert float((whole - plain).abs().max()) > 0.02
    canvas = torch.empty_like(base)
    tiles = []

    def process(tile) -> None:
        tiles.append(tile)
        fine = tile.times(4)
        given = (base[fine.window], back[fine.window], codes[tile.window], conditions)
        with torch.no_grad():
            own = net(*given, prompt=prompt, prompt_amount=amount[tile.window])
        canvas[fine.core] = own[fine.inner]

    TileRunner(16).run(rows, cols, net.receptive_radius, net.total_stride, process)
    assert len(tiles) == 8
    torch.testing.assert_close(canvas, whole, atol=1e-5, rtol=0)


def test_mean_net_looks_as_far_as_it_says() -> None:
    net = mean_net()
    inputs = scene(6, 60)
    inputs[0].requires_grad_()
    out = net(*inputs, prompt=randn(1, 512))
    (gradient,) = torch.autograd.grad(out[..., 120].sum(), inputs[0])
    columns = gradient.abs().amax((0, 1, 2)).reshape(60, 4).amax(1).nonzero()[:, 0]
    assert net.receptive_radius == 2 + 2 * 3 + 3
    assert int((columns - 30).abs().max()) == net.receptive_radius


def test_mean_net_prompt_of_amount_zero_is_none() -> None:
    net, inputs, prompt = mean_net(2), scene(4, 6, batch=2), randn(2, 512)
    with torch.no_grad():
        plain = net(*inputs)
        nothing = net(*inputs, prompt=prompt, prompt_amount=torch.zeros(2))
        assert torch.equal(nothing, plain)
        both = net(*inputs, prompt=prompt, prompt_amount=torch.tensor([0.0, 1.0]))
        assert torch.equal(both[0], plain[0])
        assert not torch.equal(both[1], plain[1])


def test_mean_net_without_modules_is_the_net_it_was() -> None:
    net = MeanNet(8, 3, 6, 8)
    assert not any(name.startswith("correlations") for name in net.state_dict())
    inputs = scene(4, 6)
    with torch.no_grad():
        assert torch.equal(net(*inputs, prompt=randn(1, 512)), net(*inputs))
    assert net.receptive_radius == 8
    with pytest.raises(InputError, match="prompt_every"):
        MeanNet(8, 3, 6, 8, -1)


def test_shipped_mean_net_takes_modules_and_stays_the_same_without_a_prompt() -> None:
    shipped = load_network(find_weights("small") / "mean_net", MeanNet)
    config = {k: v for k, v in shipped.config.items() if not k.startswith("_")}
    grown = MeanNet(**{**config, "prompt_every": 4}).eval()
    lacking = grown.load_state_dict(shipped.state_dict(), strict=False)
    assert not lacking.unexpected_keys
    if not shipped.config["prompt_every"]:
        assert all(k.startswith("correlations.") for k in lacking.missing_keys)
    inputs = scene(4, 5)
    inputs[2] = randn(1, shipped.config["kernel_codes"], 4, 5)
    with torch.no_grad():
        assert torch.equal(grown(*inputs), shipped(*inputs))


def test_progress_reaches_every_module() -> None:
    net = mean_net()
    set_prompt_progress(net, 0.5)
    assert [float(m.temperature) for m in net.correlations] == [19.0] * 3


def test_channels_last_is_possible() -> None:
    net = MeanNet(channels=8, blocks=2, kernel_codes=4, condition_channels=4, prompt_every=1)
    net.to(memory_format=torch.channels_last)
    assert net.conv_in.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_module_in_half_precision_attends_as_in_single() -> None:
    made = module()
    half = copy.deepcopy(made).half()
    x, prompt = randn(1, 5, 6, 7), randn(1, DIM, seed=1)
    torch.testing.assert_close(
        half.attention(x.half(), prompt.half()), made.attention(x, prompt), atol=2e-2, rtol=0
    )
