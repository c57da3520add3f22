"""The training loop on two CPU processes, started as a user would: `accelerate launch`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
WORKER = '''
"""Trains a tiny mean net; each process has its own data, and tells what it ended with."""
import json, sys, time
from pathlib import Path
import torch
from mmsr_core.models import MeanNet
from training.loop.loop import LoopConfig, train
from training.loop.parallel import is_main, process_seed, state

out, steps, mode = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
state(cpu=True)
seed = process_seed(5)
rank = 0 if is_main() else 1
torch.manual_seed(100 + rank)  # other first weights: the loop must share them
net = MeanNet(channels=4, blocks=1, kernel_codes=3, condition_channels=4)
generator = torch.Generator().manual_seed(seed)
seen, shares = [], []

def batches():
    while not (mode == "short" and rank == 1 and len(seen) == 3):
        seen.append(torch.rand(2, 3, 16, 16, generator=generator))
        yield seen[-1]

def loss_fn(model, batch, share):
    shares.append(share)
    time.sleep(0.02 * rank)  # clocks that differ
    assert not torch.distributed.is_initialized() or torch.distributed.get_backend() == "gloo"
    depth = torch.ones(2, 1, 4, 4) if rank else None  # a parameter's gradient on one side only
    made = model(batch, batch, torch.zeros(2, 3, 4, 4), torch.zeros(2, 3), depth)
    loss = (made - 0.5).square().mean()
    if mode == "broken" and rank == 1 and len(shares) == 2:
        loss = loss * float("nan")
    return loss, {}

def validate(model):
    return {"mean": float(sum(p.mean() for p in model.parameters()))}

config = LoopConfig(out=str(out), steps=steps, minutes=0.1 if mode == "clock" else 100, lr=0.01,
                    mixed_precision="no", log_every=1, warmup_steps=1, validate_minutes=0.0)
if mode == "clock":
    config.minutes = 1 / 60
try:
    trained = train(net, batches(), loss_fn, config, validate)
    told = {"sum": [float(v.sum()) for v in trained.state_dict().values()]}
except RuntimeError as error:
    told = {"error": str(error)}
told |= {"seed": seed, "first": float(seen[0].mean()) if seen else None,
         "steps": len(shares), "shares": shares}
(out / f"rank{rank}.json").write_text(json.dumps(told))
'''


_ABORTED = "terminate called without an active exception"


def launch(folder: Path, steps: int, mode: str, processes: int = 2) -> list[dict]:
    folder.mkdir(exist_ok=True)
    script = folder / "worker.py"
    script.write_text(WORKER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    command += ["--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no"]
    command += ["--dynamo_backend", "no", "--main_process_port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment["HF_HOME"] = str(folder / "home")  # a user's own launch settings do not matter
    told = [folder / f"rank{rank}.json" for rank in range(processes)]
    for path in told:
        path.unlink(missing_ok=True)
    done = subprocess.run(
        [*command, str(script), str(folder), str(steps), mode],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    # On a busy machine torch's own threads may abort a process that has done all of its work.
    finished = all(path.is_file() for path in told) and _ABORTED in done.stderr
    assert done.returncode == 0 or finished, done.stderr[-3000:]
    return [json.loads(path.read_text()) for path in told]


def log(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_two_processes_train_one_network_and_resume(tmp_path):
    first, second = launch(tmp_path, 4, "plain")
    assert first["sum"] == second["sum"]  # one network, although they began with different ones
    assert first["seed"] == 5
    assert second["seed"] != 5
    assert first["first"] != second["first"]  # each has its own data
    assert first["shares"] == second["shares"]
    steps = [line["step"] for line in log(tmp_path) if "loss" in line]
    assert steps == [1, 2, 3, 4]  # written once, not by both
    assert any("val_mean" in line for line in log(tmp_path))
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["step"] == 4

    first, second = launch(tmp_path, 7, "plain")  # the same folder: it goes on
    assert first["steps"] == second["steps"] == 3
    assert first["sum"] == second["sum"]
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 7


@pytest.mark.slow
def test_the_run_ends_for_all_at_once(tmp_path):
    short = launch(tmp_path / "short", 50, "short")
    assert [told["steps"] for told in short] == [3, 3]  # the second had three batches
    clock = launch(tmp_path / "clock", 100_000, "clock")
    assert clock[0]["shares"] == clock[1]["shares"]
    assert clock[0]["steps"] == clock[1]["steps"] > 2
    broken = launch(tmp_path / "broken", 50, "broken")
    assert all("not finite" in t["error"] or "loss is" in t["error"] for t in broken)
    assert [told["steps"] for told in broken] == [2, 2]
