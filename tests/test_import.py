"""`import mmsr_core` is quick, quiet and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROBE = """
import json, sys, time
start = time.process_time()
import mmsr_core
seconds = time.process_time() - start
heavy = ["torch", "numpy", "PIL", "diffusers", "transformers", "accelerate", "safetensors"]
found = [name for name in heavy if name in sys.modules]
print(json.dumps({"seconds": seconds, "heavy": found, "version": mmsr_core.__version__}))
"""


def test_import_is_quick_quiet_and_light(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROBE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 1
    told = json.loads(lines[0])
    assert told["heavy"] == []
    assert told["seconds"] < 0.5
    assert told["version"]
    assert list(tmp_path.iterdir()) == []
