"""One training loop for every network: accelerate, bf16, Muon, EMA, checkpoints that resume.

On several processes the first one keeps the clock, the log, the checkpoints and the validation;
what it decides is sent to all (`parallel.Group`), so no process waits for one that has stopped.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from .ema import Ema
from .optimizer import MuonAdamW, embeddings
from .parallel import Group, several_processes, state


@dataclass
class LoopConfig:
    """How long and how to optimise. The run ends at `steps` or after `minutes`, whichever is first.

    With `minutes` the cosine follows the clock, so a run always ends at the low learning rate.
    """

    out: str
    steps: int = 1_000_000
    minutes: float = 10.0
    lr: float = 5e-4
    final_lr_share: float = 0.02
    warmup_steps: int = 50
    weight_decay: float = 1e-4
    muon: bool = True
    """Muon for the matrices; otherwise AdamW for everything."""
    betas: tuple[float, float] = (0.9, 0.99)
    grad_clip: float = 1.0
    ema_decay: float = 0.999
    mixed_precision: str = "bf16"
    checkpoint_minutes: float = 3.0
    validate_minutes: float = 3.0
    log_every: int = 20
    seed: int = 0
    lr_shares: dict[str, float] = field(default_factory=dict)
    """Of an `nn.ModuleDict`: a network's learning rate as a share of `lr`; 1 where not named."""


Trained = TypeVar("Trained", bound=nn.Module)
Numbers = dict[str, Tensor]
"""Scalars without gradients, on the device: they are read only when a line is logged."""
LossFn = Callable[[nn.Module, object, float], tuple[Tensor, Numbers]]
"""`(model, batch, share of the run done 0..1) -> (loss, numbers to log)`."""


def placed(model: Trained, device: torch.device) -> Trained:
    """A model on a device, its weights laid out for convolutions over channels (quicker)."""
    model.to(device)
    # torch declares no `to` with a memory format alone.
    return cast("Any", model).to(memory_format=torch.channels_last)


def learning_rate(config: LoopConfig, step: int, share: float) -> float:
    """Linear warm-up, then a cosine from `lr` to `lr * final_lr_share` over the run."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    floor = config.final_lr_share
    return (
        config.lr * warm * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
    )


def train(
    model: Trained,
    batches: Iterator[object],
    loss_fn: LossFn,
    config: LoopConfig,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
) -> Trained:
    """Train `model` and return it with its EMA weights.

    `<out>/last.pt` holds everything needed to go on (model, EMA, optimiser, clock, step);
    `<out>/log.jsonl` one line per log. Starting again with the same `out` resumes, on any number of
    processes. The numbers in the log are the first process's.

    Args:
        model: any module; trained in fp32 master weights under autocast.
        batches: iterator of batches, already on the right device; every process has its own, made
            with `parallel.process_seed`. The run ends when one of them does.
        loss_fn: see `LossFn`.
        config: see `LoopConfig`.
        validate: called with the EMA model; its numbers go to the log.
    """
    if several_processes():
        state()  # first, since it knows how long to wait
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        cpu=next(model.parameters()).device.type == "cpu",
    )
    group = Group(accelerator)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed + accelerator.process_index)
    optimizer = MuonAdamW(
        model.parameters(),
        config.lr,
        config.betas,
        weight_decay=config.weight_decay,
        plain=embeddings(model) if config.muon else model.parameters(),
        shares={
            share: model.get_submodule(k).parameters() for k, share in config.lr_shares.items()
        },
    )
    group.share_weights(model)
    ema = Ema(model, config.ema_decay)
    step, spent = _resume(out / "last.pt", model, ema, optimizer)
    if group.any(step != int(group.of_main(step))):
        raise RuntimeError(f"The processes see different checkpoints: put {out} on a shared disk.")
    ema.to(accelerator.device)
    # Not wrapped for several processes: gradients are averaged below.
    wrapped = accelerator.prepare_model(model, evaluation_mode=not group.alone)
    optimizer = accelerator.prepare_optimizer(optimizer)

    start = time.monotonic() - spent
    last_save = last_val = time.monotonic()
    budget = config.minutes * 60

    def save() -> None:
        if accelerator.is_main_process:
            state = {
                "model": accelerator.unwrap_model(wrapped).state_dict(),
                "ema": ema.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
                "seconds": time.monotonic() - start,
                "config": asdict(config),
            }
            torch.save(state, out / "last.tmp")
            (out / "last.tmp").replace(out / "last.pt")

    def log(entry: dict[str, float]) -> None:
        if accelerator.is_main_process:
            line = {"step": step, "seconds": round(time.monotonic() - start, 1), **entry}
            with (out / "log.jsonl").open("a") as handle:
                handle.write(json.dumps(line) + "\n")
            print(" ".join(f"{k}={v:.5g}" for k, v in line.items()), flush=True)

    def run_validation() -> None:
        if validate is not None and accelerator.is_main_process:
            with torch.no_grad():
                numbers = validate(ema.module.eval())
            log({f"val_{k}": v for k, v in numbers.items()})

    model.train()
    sums: dict[str, Tensor | float] = {}
    count = 0
    while step < config.steps:
        share = group.of_main(max((time.monotonic() - start) / budget, step / config.steps))
        if share >= 1:
            break
        rate = learning_rate(config, step, share)
        for options in optimizer.param_groups:
            options["lr"] = rate * options.get("share", 1.0)
        batch = group.next(batches)
        if batch is None:
            break
        with accelerator.autocast():
            loss, numbers = loss_fn(wrapped, batch, share)
        # Asking a GPU at every step would make it wait.
        asked = accelerator.device.type == "cpu" or count + 1 == config.log_every
        if asked and group.any(not bool(torch.isfinite(loss))):
            raise RuntimeError(
                f"The loss is {loss.item()} at step {step}; lower the learning rate."
            )
        accelerator.backward(loss)
        group.average_gradients(wrapped.parameters())
        accelerator.unscale_gradients(optimizer)
        for network in networks_of(wrapped):
            nn.utils.clip_grad_norm_(network.parameters(), config.grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        ema.update_parameters(accelerator.unwrap_model(wrapped))
        step += 1
        count += 1
        for key, value in {"loss": loss.detach(), **numbers}.items():
            sums[key] = sums.get(key, 0.0) + value.float()
        if count < config.log_every:
            continue
        log({**{k: float(v) / count for k, v in sums.items()}, "lr": rate})
        sums, count = {}, 0
        now = time.monotonic()
        if now - last_save > config.checkpoint_minutes * 60:
            save()
            last_save = now
        if now - last_val > config.validate_minutes * 60:
            run_validation()
            last_val = time.monotonic()
    save()
    run_validation()
    group.wait()
    final = accelerator.unwrap_model(wrapped)
    final.load_state_dict(ema.module.state_dict())
    return final.eval()


def networks_of(model: nn.Module) -> list[nn.Module]:
    """The networks of an `nn.ModuleDict`, or the one: gradients are clipped for each."""
    return list(model.values()) if isinstance(model, nn.ModuleDict) else [model]


def _resume(
    path: Path, model: nn.Module, ema: Ema, optimizer: torch.optim.Optimizer
) -> tuple[int, float]:
    if not path.is_file():
        return 0, 0.0
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    ema.load_state_dict(state["ema"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"]), float(state["seconds"])
