"""The discriminator's losses move what they should, and balance what they should."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.losses.discriminator import BalancedWeight, Discriminator, adversarial_losses, doubt


def pictures() -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    truth = torch.rand((2, 3, 32, 32), generator=g)
    mean = nn.functional.avg_pool2d(truth, 5, 1, 2)
    return mean.clone().requires_grad_(True), truth, mean


def test_each_loss_moves_its_own() -> None:
    net = Discriminator(4)
    picture, truth, mean = pictures()
    own, drawn, _ = adversarial_losses(net, picture, truth, mean)
    assert drawn.shape == (2, 1, 16, 16)
    drawn.mean().backward(retain_graph=True)
    assert picture.grad is not None
    assert float(picture.grad.abs().sum()) > 0
    assert all(p.grad is None for p in net.parameters())
    before = picture.grad.clone()
    own.backward()
    assert torch.equal(picture.grad, before)
    assert any(p.grad is not None for p in net.parameters())


def test_it_learns_to_tell_them_apart() -> None:
    torch.manual_seed(0)
    net = Discriminator(8)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    picture, truth, mean = pictures()
    for _ in range(40):
        own, _, numbers = adversarial_losses(net, picture, truth, mean)
        optimizer.zero_grad()
        own.backward()
        optimizer.step()
    assert float(numbers["d_right"]) > 0.9


def test_nothing_is_gained_where_both_are_alike() -> None:
    """A relativistic loss does not care what the truth itself looks like."""
    net = Discriminator(4).eval()
    _, truth, mean = pictures()
    own, drawn, _ = adversarial_losses(net, truth, truth, mean)
    expected = torch.full_like(drawn, 2.0).log()
    torch.testing.assert_close(drawn, expected)
    torch.testing.assert_close(own, expected.mean())


def test_doubt_is_where_the_mean_is_wrong() -> None:
    truth = torch.full((1, 3, 64, 64), 0.5)
    mean = truth.clone()
    mean[..., 32:] += 0.2
    found = doubt(mean, truth)
    assert found.shape == (1, 1, 32, 32)
    assert float(found[..., :8].max()) == 0
    assert float(found[..., -8:].min()) > 1.9
    assert float(found.max()) <= 2


def test_the_weight_makes_both_pull_alike() -> None:
    last = torch.ones(3, requires_grad=True)
    weight = BalancedWeight(0.5)
    loss, other = (4 * last).sum(), (0.1 * last).sum()
    found = weight(loss, 0.01 * other + other, last)
    torch.testing.assert_close(float(found), 0.5 * min(10.0, 4 / 0.101), rtol=1e-4, atol=0)
    gentle = BalancedWeight(0.5)
    torch.testing.assert_close(float(gentle(loss, (2 * last).sum(), last)), 1.0)
