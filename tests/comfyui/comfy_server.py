"""A real ComfyUI with the pack in it, driven over HTTP. Standard library only."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACK_NAME = "some-other_name.v2"  # the pack must not depend on the name of its folder
ANSWER_SECONDS = 300
"""How long one answer may take: on a busy machine a running node keeps the server waiting."""
SHIPPED = (
    "__init__.py", "pyproject.toml", "mmsr_core", "nodes", "web", "weights", "workflows",
    "subgraphs", "locales", "assets",
)  # fmt: skip


def copy_pack(base: Path) -> Path:
    """Copy what a user would have installed into `custom_nodes` under another name."""
    target = base / "custom_nodes" / PACK_NAME
    target.mkdir(parents=True)
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            skip = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(source, target / name, ignore=skip)
        elif source.is_file():
            shutil.copy(source, target / name)
    return target


def copy_examples(folder: Path) -> None:
    """Copy the pictures that the workflows load into ComfyUI's input folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in (ROOT / "assets").glob("example_*.png"):
        shutil.copy(picture, folder / picture.name)


def cpu_seconds(pid: int) -> float | None:
    """CPU time a process has taken so far; None where the system does not say (not Linux)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Run:
    """What became of one prompt."""

    status: str
    messages: list[list]
    outputs: dict

    def message(self, kind: str) -> dict:
        """The content of the first message of a kind."""
        return next(content for name, content in self.messages if name == kind)

    @property
    def error(self) -> str:
        """The text of the exception that ended the run."""
        return self.message("execution_error")["exception_message"]


@dataclass
class ComfyServer:
    """Starts ComfyUI on the CPU in a folder of its own; use as a context manager."""

    comfy: Path
    base: Path
    python: str = field(default_factory=lambda: os.environ.get("COMFYUI_PYTHON", sys.executable))
    port: int = field(default_factory=_free_port)
    frontend: Path | None = None
    process: subprocess.Popen | None = None
    start_log: str = ""
    start_seconds: float = 0.0
    start_cpu_seconds: float | None = None

    @property
    def log(self) -> str:
        """Everything the server has printed."""
        return (self.base / "log.txt").read_text(encoding="utf-8", errors="replace")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> ComfyServer:
        (self.base / "custom_nodes").mkdir(parents=True, exist_ok=True)
        (self.base / "input").mkdir(exist_ok=True)
        command = [
            self.python, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(self.port),
            "--base-directory", str(self.base), "--database-url",
            f"sqlite:///{self.base / 'comfy.db'}",
        ]  # fmt: skip
        if self.frontend is not None:
            command += ["--front-end-root", str(self.frontend)]
        environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        environment.pop("PYTHONPATH", None)
        with open(self.base / "log.txt", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command, cwd=self.comfy, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        started = time.monotonic()
        deadline = started + 300
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"ComfyUI ended while starting:\n{self.log[-4000:]}")
            try:
                self.get("/system_stats")
            except OSError:
                time.sleep(0.3)
            else:
                self.start_seconds = time.monotonic() - started
                self.start_cpu_seconds = cpu_seconds(self.process.pid)
                return self
        self.__exit__()
        raise RuntimeError(f"ComfyUI did not answer in time:\n{self.log[-4000:]}")

    def __exit__(self, *exc: object) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def fetch(self, path: str) -> bytes:
        """GET, bytes back."""
        with urllib.request.urlopen(self.url + path, timeout=ANSWER_SECONDS) as reply:
            return reply.read()

    def get(self, path: str) -> dict:
        """GET, JSON back."""
        return json.loads(self.fetch(path) or b"null")

    def post(self, path: str, body: dict) -> tuple[int, dict]:
        """POST JSON; status and JSON back, 4xx included."""
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as reply:
                return reply.status, json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def submit(self, prompt: dict, client_id: str | None = None) -> str:
        """Queue a prompt that must pass validation; its id back."""
        client = client_id or uuid.uuid4().hex
        status, reply = self.post("/prompt", {"prompt": prompt, "client_id": client})
        if status != 200:
            raise AssertionError(f"refused: {json.dumps(reply, indent=1)}")
        return reply["prompt_id"]

    def wait(self, prompt_id: str, timeout: float = 300) -> Run:
        """Wait until a prompt has ended."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry:
                status = entry["status"]
                return Run(status["status_str"], status["messages"], entry["outputs"])
            time.sleep(0.1)
        raise AssertionError(f"prompt {prompt_id} did not end in {timeout} s:\n{self.log[-3000:]}")

    def run(self, prompt: dict, timeout: float = 300) -> Run:
        """Queue a prompt and wait for it."""
        return self.wait(self.submit(prompt), timeout)

    def picture(self, item: dict) -> bytes:
        """Fetch a saved picture named by a node's output."""
        query = urllib.parse.urlencode(
            {key: item[key] for key in ("filename", "subfolder", "type")}
        )
        return self.fetch(f"/view?{query}")
