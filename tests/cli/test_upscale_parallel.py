"""`mmsr upscale` on two processes: every file once, a bad one ends nothing, one report."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsr_core.cli.processes import Processes

ROOT = Path(__file__).parents[2]


def test_every_item_belongs_to_one_process():
    items = list(range(7))
    for count in (1, 2, 3, 10):
        parts = [Processes(rank, count).share(items) for rank in range(count)]
        assert sorted(item for part in parts for item in part) == items
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_alone_nothing_is_imported():
    probe = (
        "import sys; from mmsr_core.cli.processes import Processes; p = Processes.started();"
        "assert p.share([1, 2]) == [1, 2] and p.gather([3]) == [3] and p.device('auto') == 'auto';"
        "assert not {'torch', 'accelerate'} & set(sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "WORLD_SIZE"}
    subprocess.run([sys.executable, "-c", probe], cwd=ROOT, env=environment, check=True)


@pytest.mark.slow
def test_two_processes_share_a_folder(tmp_path):
    helpers_file = ROOT / "tests" / "helpers.py"
    spec = importlib.util.spec_from_file_location("mmsr_test_helpers", helpers_file)
    helpers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(helpers)
    model, folder = tmp_path / "tiny", tmp_path / "in"
    model.mkdir()
    folder.mkdir()
    helpers.tiny_pipeline_folder(model)
    values = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    for name in ("a", "c", "d"):
        Image.fromarray(values).save(folder / f"{name}.png")
    (folder / "b.png").write_text("not a picture")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out, report = tmp_path / "out", tmp_path / "r.json"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    command += ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    command += ["--dynamo_backend", "no", "--main_process_port", str(port), "-m", "mmsr_core"]
    command += ["upscale", str(folder), "-o", str(out), "--report", str(report), "--steps", "1"]
    command += ["--iterations", "1", "--model", str(model), "--device", "cpu", "--scale", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode != 0  # the launcher's own code; b.png failed
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "c.png", "d.png"], done.stderr[-3000:]
    assert "1 of 4 pictures failed" in done.stderr
    assert done.stdout.count(".png -> ") == 3  # nothing was done twice
    entries = json.loads(report.read_text())
    assert [Path(entry["input"]).stem for entry in entries] == ["a", "b", "c", "d"]
    assert ["error" in entry for entry in entries] == [False, True, False, False]
