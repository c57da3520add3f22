"""`demo/app.py`: the entry for hosting, as a host starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')

import httpx

from demo.app import read_settings
from mmsr_core.errors import InputError
from tests.demo.conftest import ended_cleanly

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "demo" / "app.py"


def host(folder, **environment):
    """Starts the file elsewhere than in the repository, with nothing but this environment."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("GRADIO_", "MMSR_"))}
    own |= {"TMPDIR": str(folder), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, str(APP)], cwd=folder, env=own, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_the_environment_is_read():
    closed = read_settings({})
    assert closed.is_local
    assert (closed.port, closed.model, closed.clip) == (7860, "small", None)
    assert not closed.open_browser
    hosted = read_settings({
        "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": "80", "MMSR_MODEL": "base",
        "MMSR_CLIP": "clip",
    })  # fmt: skip
    assert (hosted.host, hosted.port, hosted.model, hosted.clip) == ("0.0.0.0", 80, "base", "clip")
    for port in ("70000", "-1", "http", ""):
        with pytest.raises(InputError, match="GRADIO_SERVER_PORT"):
            read_settings({"GRADIO_SERVER_PORT": port})


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM on Windows")
def test_a_host_starts_it_and_ends_it(demo_model, tmp_path):
    started = host(tmp_path, GRADIO_SERVER_PORT="0", MMSR_MODEL=str(demo_model))
    with ended_cleanly(started, tmp_path) as line:
        page = httpx.get(line.split()[-1], timeout=120)
        assert page.status_code == 200
        assert "MMSR" in page.text


def test_what_keeps_it_from_starting_is_one_line(tmp_path):
    _, errors = host(tmp_path, MMSR_MODEL=str(tmp_path / "nothing")).communicate(timeout=300)
    assert errors.startswith("mmsr: error: ")
    assert len(errors.splitlines()) == 1


def test_the_space_block_names_this_file_and_a_gradio_that_fits():
    import gradio

    block = (ROOT / "demo" / "README.md").read_text(encoding="utf-8").split("---")[1]
    said = dict(line.split(": ", 1) for line in block.strip().splitlines())
    assert (ROOT / said["app_file"]) == APP
    wanted = said["sdk_version"].split(".")
    assert wanted[0] == gradio.__version__.split(".")[0] == "6"
