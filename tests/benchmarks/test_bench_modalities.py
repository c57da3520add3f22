"""The modalities benchmark: its conditions, its switches, its rank correlation, its page."""

from __future__ import annotations

import json

import pytest
import torch
from scipy.stats import spearmanr

from benchmarks.ablation.switches import constant_temperature, uniform_router
from benchmarks.command import main
from benchmarks.inputs.conditions import CONDITIONS, make_condition
from benchmarks.modalities.run import spearman
from mmsr_core.errors import InputError
from mmsr_core.pipeline import load_pipeline
from tests.helpers import save_picture, smooth_picture


@pytest.mark.parametrize("condition", [c.name for c in CONDITIONS])
def test_conditions_are_seeded_and_consistent(condition: str) -> None:
    hr = smooth_picture((64, 64), 0)
    one, again = (make_condition(condition, hr, "a", 4, 3) for _ in range(2))
    other = make_condition(condition, hr, "b", 4, 3)
    assert one.lr.shape == (1, 3, 16, 16)
    assert torch.equal(one.lr, again.lr)
    assert not torch.equal(one.lr, other.lr)
    assert one.true_field is not None
    kernels = one.true_field.dense()
    torch.testing.assert_close(kernels.sum(1), torch.ones(1, 16, 16), atol=1e-5, rtol=0)
    with pytest.raises(InputError, match="fog"):
        make_condition("fog", hr, "a", 4, 3)


def test_rank_correlation_is_spearmans() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randint(0, 9, (60,), generator=generator).float()  # with ties
    b = a + 4 * torch.rand(60, generator=generator)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-9)
    assert spearman(a, -a) == pytest.approx(-1)
    assert spearman(torch.ones(5), torch.arange(5.0)) != spearman(a, b)
    assert torch.tensor(spearman(torch.ones(5), torch.arange(5.0))).isnan()


def test_switches_act_and_leave_nothing_behind(model) -> None:
    engine = load_pipeline(model, "cpu", "float32")
    lr = smooth_picture((12, 12), 4, cells=2)
    estimate = engine.refine_kernel(lr, 4, iterations=1)
    conditioning = engine.fuse_modalities(lr, estimate)

    def sample():
        return engine.sample(conditioning, steps=2, consistency="off")

    learned = sample()
    with uniform_router(engine):
        uniform = sample()
    for name in ("lr", "kernel", "depth"):
        torch.testing.assert_close(
            uniform.weight_maps[name], torch.full((1, 1, 12, 12), 1 / 3), atol=1e-3, rtol=0
        )
    assert not torch.equal(uniform.images, learned.images)
    with constant_temperature(engine):
        constant = sample()
    assert not torch.equal(constant.images, learned.images)
    assert torch.equal(sample().images, learned.images)


@pytest.mark.usefixtures("without_shared")
def test_a_page_for_every_condition(model, tmp_path, capsys) -> None:
    pictures = tmp_path / "pictures"
    save_picture(pictures / "a.png", smooth_picture((64, 64), 1))
    prompts = tmp_path / "prompts.json"
    prompts.write_text("{}")
    arguments = ["modalities", "--data", pictures, "--out", tmp_path / "out"]
    arguments += ["--model", model, "--condition", "p2", "ring", "--seeds", 0, 1]
    arguments += ["--steps", 1, "--crop", 64, "--prompts", prompts]
    assert main([str(a) for a in arguments]) == 0
    page = (tmp_path / "out" / "modalities.md").read_text()
    assert page in capsys.readouterr().out
    assert "## ring (outside the training range)" in page
    result = json.loads((tmp_path / "out" / "modalities.json").read_text())
    changes = result["conditions"]["p2"]["changes"]
    assert set(changes) == {
        "without lr",
        "without kernel",
        "without depth",
        "all, uniform weights",
        "all, constant temperature",
    }
    seeds = result["conditions"]["p2"]["seeds"]
    expected = [
        seeds["without kernel"][s]["psnr_y"] - seeds["all, learned weights"][s]["psnr_y"]
        for s in ("0", "1")
    ]
    assert changes["without kernel"]["psnr_y"]["mean"] == pytest.approx(sum(expected) / 2)
    arguments[arguments.index("ring")] = "fog"
    assert main([str(a) for a in arguments]) == 2
