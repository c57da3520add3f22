"""The router's losses: measured contributions, and weights that are drawn to them."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.models import Denoiser, condition_globals
from mmsr_core.types import MODALITIES
from tests.helpers import liven
from training.data.guides import synthetic_guides
from training.losses.alignment import alignment_loss, measure_contributions, target_weights
from training.tools.extend import extend_denoiser


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def small_denoiser(modalities=MODALITIES) -> Denoiser:
    torch.manual_seed(1)
    net = Denoiser(
        widths=(8, 8, 8), blocks=(1, 1, 1), expert_width=4, kernel_codes=5, modalities=modalities
    )
    return liven(net)


@pytest.fixture
def scene():
    """A batch of two; the first item lacks the prompt."""
    given = {
        "lr": rand(2, 3, 32, 32, seed=1),
        "kernel": rand(2, 5, 8, 8, seed=2),
        "prompt": rand(2, 512, seed=3) - 0.5,
        "guide": rand(2, 3, 32, 32, seed=4),
    }
    amounts = {k: torch.ones(2, 1, 1, 1) for k in given}
    amounts["prompt"] = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    noisy, mean = rand(2, 3, 32, 32, seed=5), rand(2, 3, 32, 32, seed=6)
    conditions = condition_globals(4, torch.zeros(2), torch.full((2,), 90.0))
    t = torch.full((2,), 0.6)

    def run(net):
        return lambda a: net(noisy, mean, t, given, dict(a), conditions)

    return run, amounts, rand(2, 3, 32, 32, seed=7)


def test_contribution_is_the_growth_of_the_error_without_it(scene) -> None:
    run, amounts, truth = scene
    evaluate = run(small_denoiser())
    measured = measure_contributions(evaluate, MODALITIES, amounts, truth)
    assert measured.gains.shape == (2, 5, 8, 8)
    assert measured.present[:, :, 0, 0].tolist() == [[1, 1, 0, 0, 1], [1, 1, 0, 1, 1]]
    assert float(measured.gains[0, 3].abs().max()) == 0  # it was not there: nothing changes
    with torch.no_grad():
        without = evaluate({**amounts, "kernel": torch.zeros(2, 1, 1, 1)}).sample
        full = evaluate(amounts).sample
    worse = (without - truth).abs().mean() > (full - truth).abs().mean()
    assert bool((measured.gains[:, 1].mean() > 0) == worse)


def test_target_is_a_partition_of_what_is_there(scene) -> None:
    run, amounts, truth = scene
    measured = measure_contributions(run(small_denoiser()), MODALITIES, amounts, truth)
    target = target_weights(measured)
    torch.testing.assert_close(target.sum(1), torch.ones(2, 8, 8))
    assert float(target[0, 3].max()) == 0
    order = measured.gains[1, [0, 1, 3, 4]].argsort(0)
    assert torch.equal(order, target[1, [0, 1, 3, 4]].argsort(0))


def test_losses_teach_the_router(scene) -> None:
    run, amounts, truth = scene
    net = small_denoiser()
    measured = measure_contributions(run(net), MODALITIES, amounts, truth)
    router = [p for n, p in net.named_parameters() if "gate" in n or "log_error" in n]
    optimiser = torch.optim.Adam(router, 0.05)
    history = []
    for _ in range(60):
        kl, nll = alignment_loss(run(net)(amounts), measured)
        optimiser.zero_grad()
        (kl + nll).backward()
        optimiser.step()
        history.append((float(kl.detach()), float(nll.detach())))
    assert history[-1][0] < 0.6 * history[0][0]
    assert history[-1][1] < history[0][1] - 0.3
    scale = run(net)(amounts).routings[0].log_errors[:, 1].mean()
    # The best constant log-scale of a Laplace law is the log of the mean error.
    assert float(scale.detach()) == pytest.approx(float(measured.alone[:, 1].mean().log()), abs=0.4)


def test_an_extended_denoiser_does_the_same_with_the_old_modalities(scene) -> None:
    _, amounts, _ = scene
    old = small_denoiser(("lr", "kernel", "depth"))
    new = extend_denoiser(old).eval()
    assert new.modalities == MODALITIES
    old_amounts = {k: amounts[k] for k in ("lr", "kernel")}

    def picture(net, given):
        noisy, mean = rand(1, 3, 32, 32, seed=5), rand(1, 3, 32, 32, seed=6)
        conditions = condition_globals(4, torch.zeros(1), torch.full((1,), 90.0))
        t = torch.full((1,), 0.6)
        ones = {k: torch.ones(1, 1, 1, 1) for k in given}
        with torch.no_grad():
            return net(noisy, mean, t, given, ones, conditions).sample

    given = {"lr": rand(1, 3, 32, 32, seed=1), "kernel": rand(1, 5, 8, 8, seed=2)}
    assert set(given) == set(old_amounts)
    torch.testing.assert_close(picture(new, given), picture(old, given), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="lacks"):
        extend_denoiser(new, ("lr", "kernel"))


def test_guides_share_structure_not_colour() -> None:
    hr = rand(6, 3, 64, 64, seed=8)
    hr = torch.nn.functional.avg_pool2d(hr, 8).repeat_interleave(8, -1).repeat_interleave(8, -2)
    guides = synthetic_guides(hr, torch.Generator().manual_seed(0), wrong_share=0.0)
    assert guides.shape == hr.shape
    assert float(guides.min()) >= 0
    assert float(guides.max()) <= 1
    assert torch.equal(guides[:, 0], guides[:, 2])
    edges = (guides[:, :1].diff(dim=-1).abs() > 0.02).float()
    inside = edges.reshape(6, 64, -1)[..., [1, 2, 9, 17, 33]].mean()
    borders = edges.reshape(6, 64, -1)[..., [7, 15, 23, 31, 39]].mean()
    assert float(borders) > float(inside) + 0.3
    again = synthetic_guides(hr, torch.Generator().manual_seed(0), wrong_share=0.0)
    assert torch.equal(guides, again)
    wrong = synthetic_guides(hr, torch.Generator().manual_seed(0), wrong_share=1.0)
    assert not torch.equal(wrong, guides)
