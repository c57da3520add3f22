"""The training loop: it learns, resumes, averages, and its result can be shipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mmsr_core.models import MeanNet
from mmsr_core.models.network import load_network
from training.loop.ema import Ema
from training.loop.loop import LoopConfig, learning_rate, train
from training.tools.export import from_run, save_component


def config(out: Path, steps: int, **options) -> LoopConfig:
    return LoopConfig(
        out=str(out), steps=steps, minutes=1000, lr=0.05, warmup_steps=1, mixed_precision="no",
        log_every=1, **options,
    )  # fmt: skip


def batches() -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    while True:
        yield torch.randn((16, 3), generator=generator)


def loss_fn(net: nn.Module, batch: object, share: float) -> tuple[Tensor, dict[str, Tensor]]:
    assert isinstance(batch, Tensor)
    error = (net(batch)[:, 0] - batch.sum(1)).square().mean()
    return error, {"share": torch.tensor(share)}


def log(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def linear() -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(3, 1)


def test_learns_and_logs(tmp_path: Path) -> None:
    seen = []

    def validate(net: nn.Module) -> dict[str, float]:
        seen.append(net.training)
        return {"ones": float(net.weight.detach().mean())}

    net = train(linear(), batches(), loss_fn, config(tmp_path, 150), validate)
    assert not net.training
    assert seen == [False]
    lines = [entry for entry in log(tmp_path) if "loss" in entry]
    assert [entry["step"] for entry in lines] == list(range(1, 151))
    assert lines[-1]["loss"] < 0.05 * lines[0]["loss"]
    shares = [entry["share"] for entry in lines]
    assert shares == sorted(shares)
    assert log(tmp_path)[-1]["val_ones"] == pytest.approx(float(net.weight.detach().mean()))


def test_resumes_where_it_stopped(tmp_path: Path) -> None:
    train(linear(), batches(), loss_fn, config(tmp_path, 3))
    first = torch.load(tmp_path / "last.pt", weights_only=True)
    assert first["step"] == 3
    torch.manual_seed(99)
    net = nn.Linear(3, 1)  # other weights: the run's own must replace them
    resumed = train(net, batches(), loss_fn, config(tmp_path, 6))
    second = torch.load(tmp_path / "last.pt", weights_only=True)
    assert second["step"] == int(second["ema"]["n_averaged"]) == 6
    assert second["seconds"] >= first["seconds"]
    assert [entry["step"] for entry in log(tmp_path)] == [1, 2, 3, 4, 5, 6]
    moved = (second["model"]["weight"] - first["model"]["weight"]).abs().max()
    assert 0 < float(moved) < 0.2  # three steps of AdamW from where the run was
    torch.testing.assert_close(resumed.weight.detach(), second["ema"]["module.weight"])
    state = second["optimizer"]["state"][0]
    assert float(state["step"]) == 6  # the optimiser went on, it did not start again
    finished = train(nn.Linear(3, 1), batches(), loss_fn, config(tmp_path, 6))
    assert torch.equal(finished.weight, resumed.weight)  # nothing left to do


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    def broken(net: nn.Module, batch: object, share: float) -> tuple[Tensor, dict[str, Tensor]]:
        return net(batch).sum() * float("nan"), {}

    with pytest.raises(RuntimeError, match="loss is nan at step 0"):
        train(linear(), batches(), broken, config(tmp_path, 3))


def test_learning_rate_rises_then_falls_to_its_floor() -> None:
    plan = LoopConfig(out="", lr=1e-3, warmup_steps=10, final_lr_share=0.02)
    warm = [learning_rate(plan, step, 0.0) for step in range(10)]
    assert warm == sorted(warm)
    assert warm[0] == pytest.approx(1e-4)
    assert warm[-1] == pytest.approx(1e-3)
    fall = [learning_rate(plan, 100, share / 20) for share in range(21)]
    assert fall == sorted(fall, reverse=True)
    assert fall[0] == pytest.approx(1e-3)
    assert fall[10] == pytest.approx(1e-3 * (0.02 + 0.98 / 2))
    assert fall[-1] == learning_rate(plan, 100, 5.0) == pytest.approx(2e-5)


def test_average_follows_the_weights() -> None:
    net = linear()
    ema = Ema(net, 0.9)
    own = net.weight.detach().clone()
    ema.update_parameters(net)
    torch.testing.assert_close(
        ema.module.weight.detach(), own
    )  # constant weights: their own average
    with torch.no_grad():
        net.weight.add_(1)
    distances = []
    for _ in range(60):
        ema.update_parameters(net)
        distances.append(float((ema.module.weight.detach() - net.weight.detach()).abs().max()))
    assert distances == sorted(distances, reverse=True)
    assert 0 < distances[0] < 1
    assert distances[-1] < 0.01
    assert distances[0] < 0.3  # the warm-up forgets the start quickly


def test_the_average_leaves_the_model_alone_and_is_saved() -> None:
    net = linear()
    ema = Ema(net, 0.5)
    ema.update_parameters(net)
    before = net.weight.detach().clone()
    with torch.no_grad():
        net.weight.add_(1)
    own = net.weight.detach().clone()
    torch.testing.assert_close(ema.module.weight.detach(), before)
    assert torch.equal(net.weight, own)
    again = Ema(linear(), 0.5)
    again.load_state_dict(ema.state_dict())
    assert torch.equal(again.module.weight, ema.module.weight)
    assert int(again.n_averaged) == 1


@pytest.mark.parametrize("half", [True, False])
def test_exported_run_loads_strictly(tmp_path: Path, half: bool) -> None:
    class Small(MeanNet):
        def __init__(self) -> None:
            super().__init__(channels=4, blocks=1, kernel_codes=3, condition_channels=4)

    net = Small()
    ema = Ema(net, 0.9)
    with torch.no_grad():
        for average in ema.module.parameters():
            average.add_(0.01)
    state = {"model": net.state_dict(), "ema": ema.state_dict(), "step": 7, "seconds": 1.5}
    torch.save(state, tmp_path / "last.pt")
    model, progress = from_run(tmp_path, "mean_net", Small)
    assert progress == {"step": 7, "seconds": 1.5}
    save_component(model, tmp_path / "mean_net", half=half)
    loaded = load_network(tmp_path / "mean_net", MeanNet)
    for name, value in loaded.named_parameters():
        average = ema.module.get_parameter(name)
        expected = average.half().float() if half else average
        assert torch.equal(value, expected)


def test_a_network_of_several_may_learn_at_its_own_rate(tmp_path: Path) -> None:
    torch.manual_seed(0)
    nets = nn.ModuleDict({"moving": nn.Linear(3, 1), "still": nn.Linear(3, 1)})
    before = {name: net.weight.detach().clone() for name, net in nets.items()}

    def loss(model: nn.Module, batch: object, share: float) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, nn.ModuleDict)
        assert isinstance(batch, Tensor)
        return sum(net(batch).square().mean() for net in model.values()), {}

    plan = config(tmp_path, 2, lr_shares={"still": 0.0})
    trained = train(nets, batches(), loss, plan)
    assert isinstance(trained, nn.ModuleDict)
    assert not torch.equal(trained["moving"].weight, before["moving"])
    assert torch.equal(trained["still"].weight, before["still"])
