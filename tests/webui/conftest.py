"""A real Forge for the tests in this folder: FORGE_PATH is a checkout, FORGE_PYTHON its Python.

docs/webui.md says how to make one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from webui_server import ROOT, WebuiServer, copy_clone

CHECKPOINT = "tiny_sd15.safetensors"


@pytest.fixture(scope="session")
def forge_path() -> Path:
    path = os.environ.get("FORGE_PATH")
    if not path:
        pytest.skip("FORGE_PATH is not set: no Stable Diffusion WebUI Forge to test with")
    if not (Path(path) / "launch.py").is_file():
        pytest.fail(f"FORGE_PATH={path} holds no Forge (no launch.py)")
    return Path(path)


@pytest.fixture(scope="session")
def checkpoint(forge_path, tmp_path_factory) -> Path:
    """A small, untrained Stable Diffusion 1.5 checkpoint: no weights of the kind ship here."""
    path = tmp_path_factory.mktemp("checkpoint") / CHECKPOINT
    python = os.environ.get("FORGE_PYTHON", sys.executable)
    maker = Path(__file__).parent / "make_webui_checkpoint.py"
    made = subprocess.run(
        [python, str(maker), str(forge_path), str(path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    return path


@pytest.fixture(scope="session")
def webui(forge_path, checkpoint, tmp_path_factory):
    base = tmp_path_factory.mktemp("webui")
    copy_clone(base / "extensions")
    folder = base / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / CHECKPOINT).symlink_to(checkpoint)
    with WebuiServer(forge_path, base) as server:
        yield server


@pytest.fixture
def photo():
    """A small picture with detail, 40x32."""
    from PIL import Image

    return Image.open(ROOT / "assets" / "example_lr.png").convert("RGB").crop((20, 20, 60, 52))
