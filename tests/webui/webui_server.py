"""A real Stable Diffusion WebUI with the extension in it, driven over HTTP."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CLONE = (
    "__init__.py", "pyproject.toml", "preload.py", "mmsr_core", "mmsr_webui", "nodes", "scripts",
    "web", "weights", "workflows", "subgraphs", "locales", "benchmarks", "demo", "training",
)  # fmt: skip
FLAGS = (
    "--api", "--skip-prepare-environment", "--skip-torch-cuda-test", "--always-cpu", "--no-half",
    "--skip-version-check", "--no-download-sd-model", "--server-name", "127.0.0.1",
)  # fmt: skip


NOT_COPIED = (".git", "__pycache__", "venv", "extensions", "outputs", "cache*", "tmp", "*.json")
"""At the top of the host's checkout: what a user's runs may have left there."""
NOT_COPIED_BELOW = (".git", "__pycache__", "*.safetensors", "*.ckpt")


def copy_host(checkout: Path, target: Path) -> None:
    """The host as after an installation, in a folder of its own. Files are linked, not copied."""

    def link(source: str, made: str) -> None:
        try:
            os.link(source, made)
        except OSError:  # another disk
            shutil.copy(source, made)

    def skip(folder: str, names: list[str]) -> set[str]:
        patterns = NOT_COPIED if Path(folder) == checkout else NOT_COPIED_BELOW
        return shutil.ignore_patterns(*patterns)(folder, names)

    shutil.copytree(checkout, target, ignore=skip, copy_function=link, dirs_exist_ok=True)


def copy_clone(extensions: Path) -> Path:
    """What a user gets who clones the repository into `extensions`, under another name."""
    target = extensions / "some-other_name"
    target.mkdir(parents=True)
    skip = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in CLONE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=skip)
        else:
            shutil.copy(source, target / name)
    shutil.copytree(ROOT / "tests" / "webui" / "probe", extensions / "probe", ignore=skip)
    return target


def encoded(image: Image.Image) -> str:
    """As the host's API takes pictures."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def decoded(text: str) -> Image.Image:
    """As the host's API gives pictures."""
    return Image.open(io.BytesIO(base64.b64decode(text.split(",")[-1])))


@dataclass
class WebuiServer:
    """Starts the WebUI in the folder `base` on the CPU; use as a context manager."""

    base: Path
    python: str
    page: bool = False
    port: int = 0
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything the server has printed."""
        return (self.base / "log.txt").read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> WebuiServer:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [self.python, "launch.py", *FLAGS, "--port", str(self.port)]
        command += [] if self.page else ["--nowebui"]
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
        environment.pop("PYTHONPATH", None)
        with open(self.base / "log.txt", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command, cwd=self.base, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"The WebUI ended while starting:\n{self.log[-4000:]}")
            try:
                self.get("/sdapi/v1/upscalers")
            except OSError:
                time.sleep(0.5)
            else:
                return self
        raise RuntimeError(f"The WebUI did not start:\n{self.log[-4000:]}")

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def get(self, path: str) -> Any:
        """The JSON of a GET request."""
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            return json.load(reply)

    def post(self, path: str, content: Any = None, timeout: float = 600) -> Any:
        """The JSON of a POST request."""
        request = urllib.request.Request(
            self.url + path,
            json.dumps(content or {}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return json.load(reply)

    def extra(self, image: Image.Image, **settings: Any) -> Image.Image:
        """One picture through the Extras tab's own API."""
        given = {"image": encoded(image), "upscaler_1": "MMSR balanced"} | settings
        return decoded(self.post("/sdapi/v1/extra-single-image", given)["image"])
