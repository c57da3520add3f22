"""`mmsr demo` says in one line what keeps it from starting."""

import socket
import subprocess
import sys

import pytest

from mmsr_core.cli import main
from tests.demo.conftest import ended_cleanly, own_cache, start_demo


@pytest.fixture
def refused(capfd):
    def run(*words):
        code = main(["demo", "--no-browser", *map(str, words)])
        out, err = capfd.readouterr()
        assert code == 2, err
        assert "Running on" not in out
        lines = err.splitlines()
        assert len(lines) == 1, err
        assert lines[0].startswith("mmsr: error: ")
        return lines[0]

    return run


@pytest.fixture(autouse=True)
def apart():
    """The command moves gradio's cache; a server of this session that runs beside keeps its own."""
    with own_cache():
        yield


def test_help_names_the_limits(capsys):
    assert main(["demo", "--help"]) == 0
    said = capsys.readouterr().out
    for flag in ("--host", "--port", "--model", "--max-pixels", "--max-upload-mb", "--no-browser"):
        assert flag in said


def test_without_gradio_it_says_how_to_install_it(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)  # As if it were not installed.
    assert 'pip install "mmsr[demo]"' in refused()


def test_missing_weights_are_said_at_once(refused, tmp_path):
    pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')
    assert "weights" in refused("--model", tmp_path / "nothing").lower()


def test_a_taken_port_is_said(refused, demo_model):
    pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "--port" in refused("--port", port, "--model", demo_model, "--device", "cpu")


def test_wrong_numbers_are_refused(refused):
    assert "--max-pixels" in refused("--max-pixels", 0)
    assert "--port" in refused("--port", 70000)


def test_the_package_imports_without_gradio_or_torch():
    probe = (
        "import sys, mmsr_demo, mmsr_demo.command;"
        "print([m for m in ('gradio', 'torch', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM on Windows")
def test_it_says_where_it_is_and_leaves_nothing_behind(demo_model, tmp_path):
    pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')
    with ended_cleanly(start_demo(tmp_path, "--model", str(demo_model)), tmp_path):
        assert list(tmp_path.glob("mmsr-demo-*"))
