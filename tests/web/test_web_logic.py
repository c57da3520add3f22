"""Runs the JavaScript tests in this folder with node's own test runner."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
WEB = HERE.parents[1] / "web"


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed: the JavaScript tests cannot run")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.lstrip("v").split(".")[0]) < 18:
        pytest.skip(f"node {version.stdout.strip()} has no test runner: 18 or newer is needed")
    return found


def test_javascript_logic(node):
    files = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"^# pass (\d+)$", done.stdout, re.M)[1]) >= 20


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.*js")), ids=lambda p: p.name)
def test_modules_parse_and_import_only_what_is_there(node, path):
    checked = subprocess.run([node, "--check", str(path)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    for target in re.findall(r'from "(\.[^"]+)"', path.read_text(encoding="utf-8")):
        if "/scripts/" in target:  # the host's own modules
            assert target in ("../../scripts/app.js", "../../scripts/api.js")
        else:
            assert (path.parent / target).is_file(), f"{path.name} imports {target}"


def test_the_host_loads_one_file_only():
    """It imports every .js below web/ as an extension: modules of ours are .mjs."""
    assert [p.name for p in WEB.rglob("*.js")] == ["mmsr.js"]
