"""One call puts prompts into an EDSR-like, an RCAN-like and other residual networks."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from benchmarks.modalities.residual_bodies import EdsrBody, RcanBody
from mmsr_core.errors import InputError
from mmsr_core.models import MeanNet, insert_dynamic_correlation
from mmsr_core.models.prompt_insertion import find_residual_blocks


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def body(name: str) -> nn.Module:
    torch.manual_seed(0)
    return EdsrBody(8, 4).eval() if name == "edsr" else RcanBody(8, 2, 2).eval()


def liven(model: nn.Module) -> None:
    with torch.no_grad():
        for module in model.correlations():
            module.gain.fill_(0.5)


def test_blocks_are_found_the_innermost_ones() -> None:
    assert find_residual_blocks(body("edsr")) == [f"body.{i}" for i in range(4)]
    found = find_residual_blocks(body("rcan"))
    assert found == [f"body.{g}.body.{b}" for g in range(2) for b in range(2)]
    assert find_residual_blocks(MeanNet(8, 3, 6, 8)) == [f"body.{i}" for i in range(3)]


@pytest.mark.parametrize("name", ["edsr", "rcan"])
@pytest.mark.parametrize(("every", "count"), [(1, 4), (2, 2), (3, 1)])
def test_inserted_modules_start_as_nothing(name: str, every: int, count: int) -> None:
    lr, prompt = randn(2, 3, 6, 7).sigmoid(), randn(2, 512)
    plain = body(name)
    with torch.no_grad():
        expected = plain(lr)
        model = insert_dynamic_correlation(plain, every)
        assert len(model.correlations()) == count
        assert torch.equal(model(lr), expected)
        assert torch.equal(model(lr, prompt=prompt), expected)


@pytest.mark.parametrize("name", ["edsr", "rcan"])
def test_the_prompt_acts(name: str) -> None:
    lr, prompt = randn(2, 3, 6, 7).sigmoid(), randn(2, 512)
    model = insert_dynamic_correlation(body(name), 2)
    liven(model)
    with torch.no_grad():
        plain = model(lr)
        assert model.masks() == []
        given = model(lr, prompt=prompt)
        assert [m.shape for m in model.masks()] == [(2, 1, 6, 7)] * 2
        assert torch.equal(model(lr), plain)
        assert torch.equal(model(lr, prompt=prompt, prompt_amount=torch.zeros(2)), plain)
        assert float((given - plain).abs().max()) > 1e-3
        other = model(lr, prompt=prompt.flip(0))
        assert float((other - given).abs().max()) > 1e-4


def test_an_error_takes_the_prompt_away() -> None:
    model = insert_dynamic_correlation(body("edsr"), 2)
    liven(model)
    lr = randn(1, 3, 4, 4)
    with torch.no_grad():
        plain = model(lr)
        with pytest.raises(RuntimeError):
            model(lr[:, :2], prompt=randn(1, 512))
        assert torch.equal(model(lr), plain)


def test_a_copy_has_its_own_prompt_and_weights() -> None:
    model = insert_dynamic_correlation(body("edsr"), 2)
    liven(model)
    twin = copy.deepcopy(model)
    lr, prompt = randn(1, 3, 4, 4), randn(1, 512)
    with torch.no_grad():
        prompted, plain = model(lr, prompt=prompt), twin(lr)
        assert float((prompted - plain).abs().max()) > 1e-3
        assert torch.equal(twin(lr, prompt=prompt), prompted)


def test_blocks_with_more_inputs_and_named_blocks() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x: torch.Tensor, gain: float, *, bias: float) -> torch.Tensor:
            return x + gain * self.conv(x) + bias

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.only = Block()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.only(x, 2.0, bias=1.0)

    net, x = Net(), randn(1, 4, 3, 3)
    with pytest.raises(InputError, match="Found 0 residual blocks"):
        insert_dynamic_correlation(net)
    with pytest.raises(InputError, match="no block 'other'"):
        insert_dynamic_correlation(net, blocks=["other"])
    with pytest.raises(InputError, match="at least 1"):
        insert_dynamic_correlation(net, 0)
    expected = net(x)
    model = insert_dynamic_correlation(net, blocks=["only"], kernels=2)
    assert torch.equal(model(x, prompt=randn(1, 512)), expected)
    assert model.correlations()[0].kernels.shape == (2, 4, 4 * 3 * 3)


def test_inserting_twice_does_not_wrap_the_wrapped() -> None:
    model = insert_dynamic_correlation(body("edsr"), 1)
    assert find_residual_blocks(model.model) == []
