"""Muon and AdamW in one optimiser agree with torch's own, and flatten convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from training.loop.optimizer import MuonAdamW, as_matrix, embeddings, orthogonalise


def train(optimizer: torch.optim.Optimizer, weight: nn.Parameter, steps: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    for _ in range(steps):
        weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()
    return weight.detach()


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("shape", [(2, 16, 16), (1, 12, 40), (3, 40, 9)])
def test_singular_values_end_near_one(shape: tuple[int, ...]) -> None:
    made = orthogonalise(torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 7)
    values = torch.linalg.svdvals(made)
    assert made.shape == shape
    assert float(values.max()) < 1.3
    assert float(values.median()) > 0.6


def test_vectors_follow_torch_adamw() -> None:
    ours, theirs = weight(9), weight(9)
    mine = MuonAdamW([ours], 0.02, (0.9, 0.99), weight_decay=0.1)
    reference = torch.optim.AdamW([theirs], 0.02, (0.9, 0.99), weight_decay=0.1)
    assert [g["rule"] for g in mine.param_groups] == ["adamw"]
    torch.testing.assert_close(train(mine, ours), train(reference, theirs))


def test_matrices_follow_torch_muon() -> None:
    ours, theirs = weight(12, 20), weight(12, 20)
    mine = MuonAdamW([ours], 0.02, momentum=0.9, weight_decay=0.1)
    reference = torch.optim.Muon(
        [theirs], 0.02, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw"
    )
    assert [g["rule"] for g in mine.param_groups] == ["muon"]
    # torch iterates in bfloat16
    torch.testing.assert_close(train(mine, ours), train(reference, theirs), atol=0.02, rtol=0.02)


def test_a_convolution_moves_as_its_matrix() -> None:
    matrix = weight(16, 72)
    conv = nn.Parameter(matrix.detach().clone().view(16, 8, 3, 3))
    generator = torch.Generator().manual_seed(2)
    step = torch.randn((16, 72), generator=generator)
    matrix.grad, conv.grad = step, step.view(16, 8, 3, 3)
    last = conv.detach().clone().contiguous(memory_format=torch.channels_last)
    nhwc = nn.Parameter(last)
    nhwc.grad = conv.grad.contiguous(memory_format=torch.channels_last)
    for p in (matrix, conv, nhwc):
        MuonAdamW([p], 0.05).step()
    torch.testing.assert_close(as_matrix(conv.detach()), matrix.detach())
    torch.testing.assert_close(nhwc.detach(), conv.detach())


def test_sorts_by_shape_and_leaves_what_has_no_gradient() -> None:
    net = nn.Sequential(nn.Conv2d(8, 16, 3), nn.Linear(16, 4))
    optimizer = MuonAdamW(net.parameters(), 0.1)
    rules = {g["rule"]: len(g["params"]) for g in optimizer.param_groups}
    assert rules == {"muon": 1, "adamw": 3}  # the thin matrix and the biases
    before = [p.detach().clone() for p in net.parameters()]
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_tables_are_not_muons() -> None:
    net = nn.Sequential(nn.Embedding(20, 16), nn.Linear(16, 16))
    optimizer = MuonAdamW(net.parameters(), 0.1, plain=embeddings(net))
    muon = next(g for g in optimizer.param_groups if g["rule"] == "muon")
    assert [p.shape for p in muon["params"]] == [torch.Size((16, 16))]


def test_resumes_exactly() -> None:
    straight, first = weight(10, 10), weight(10, 10)
    gradients = torch.randn((6, 10, 10), generator=torch.Generator().manual_seed(8))

    def follow(optimizer: MuonAdamW, parameter: nn.Parameter, steps: Tensor) -> None:
        for gradient in steps:
            parameter.grad = gradient.clone()
            optimizer.step()

    follow(MuonAdamW([straight], 0.1), straight, gradients)
    half = MuonAdamW([first], 0.1)
    follow(half, first, gradients[:3])
    second = nn.Parameter(first.detach().clone())
    rest = MuonAdamW([second], 0.1)
    rest.load_state_dict(half.state_dict())
    follow(rest, second, gradients[3:])
    assert torch.equal(second, straight)
