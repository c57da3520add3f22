"""Real WebUIs for these tests: `<HOST>_PATH` is a checkout, `<HOST>_PYTHON` its Python.

docs/webui.md says how to make one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from webui_server import ROOT, WebuiServer, copy_clone, copy_host

CHECKPOINT = "tiny_sd15.safetensors"
HOSTS = {"Forge": "FORGE", "Forge Classic": "FORGE_CLASSIC"}
"""Name of the host -> what its environment variables begin with."""


@dataclass(frozen=True)
class Host:
    """A checkout of a WebUI and the Python that runs it."""

    name: str
    path: Path
    python: str

    @classmethod
    def from_environment(cls, name: str) -> Host:
        prefix = HOSTS[name]
        path = os.environ.get(f"{prefix}_PATH")
        if not path:
            pytest.skip(f"{prefix}_PATH is not set: no {name} to test with")
        if not (Path(path) / "launch.py").is_file():
            pytest.fail(f"{prefix}_PATH={path} holds no WebUI (no launch.py)")
        return cls(name, Path(path), os.environ.get(f"{prefix}_PYTHON", sys.executable))


@pytest.fixture(scope="session", params=HOSTS)
def host(request) -> Host:
    return Host.from_environment(request.param)


@pytest.fixture(scope="session")
def checkpoint(host, tmp_path_factory) -> Path:
    """A small, untrained Stable Diffusion 1.5 checkpoint: no weights of the kind ship here."""
    forge = Host.from_environment("Forge")  # its classes make one that the other reads, too
    path = tmp_path_factory.mktemp("checkpoint") / CHECKPOINT
    maker = Path(__file__).parent / "make_webui_checkpoint.py"
    made = subprocess.run(
        [forge.python, str(maker), str(forge.path), str(path)],
        capture_output=True,
        text=True,
        timeout=900,  # a busy machine takes minutes
    )
    assert made.returncode == 0, made.stderr[-3000:]
    return path


@pytest.fixture(scope="session")
def webui(host, checkpoint, tmp_path_factory):
    base = tmp_path_factory.mktemp("webui")
    install(host, base, checkpoint)
    with WebuiServer(base, host.python) as server:
        yield server


def install(host: Host, base: Path, checkpoint: Path) -> None:
    """The host in `base`, with the extension and the checkpoint."""
    copy_host(host.path, base)
    copy_clone(base / "extensions")
    folder = base / "models" / "Stable-diffusion"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CHECKPOINT).symlink_to(checkpoint)


@pytest.fixture
def photo():
    """A small picture with detail, 40x32."""
    from PIL import Image

    return Image.open(ROOT / "assets" / "example_lr.png").convert("RGB").crop((20, 20, 60, 52))
