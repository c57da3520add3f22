"""Wrong usage: one line, exit code 2, at once."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmsr_core import __version__
from mmsr_core.cli import main

ROOT = Path(__file__).parents[2]
WRONG = {
    "": "required",
    "nonsense": "nonsense",
    "upscale": "required",
    "upscale a.png": "--output",
    "upscale a.png -o b.png --steps -1": "--steps",
    "upscale a.png -o b.png --steps=-1": "from 0 to 64",
    "upscale a.png -o b.png --steps 65": "from 0 to 64",
    "upscale a.png -o b.png --scale 0": "from 1 to 16",
    "upscale a.png -o b.png --scale 17": "from 1 to 16",
    "upscale a.png -o b.png --scale 0.5": "from 1 to 16",
    "upscale a.png -o b.png --detail 2.1": "from 0 to 2",
    "upscale a.png -o b.png --detail nan": "from 0 to 2",
    "upscale a.png -o b.png --seed -1": "--seed",
    "upscale a.png -o b.png --tile 8": "--tile",
    "upscale a.png -o b.png --tile big": "--tile",
    "upscale a.png -o b.png --device tpu": "--device",
    "upscale a.png -o b.png --dtype int8": "--dtype",
    "upscale a.png -o b.png --strength fog=1": "NAME=VALUE with NAME one of picture, blur, lr",
    "upscale a.png -o b.png --strength depth=9": "from 0 to 2",
    "upscale a.png -o b.png --consistency maybe": "--consistency",
    "upscale a.png -o b.png --mode both": "--mode",
    "upscale a.png -o b.png --step 3": "--step",
    "upscale a.png -o b.png --sclae 3": "see `mmsr upscale --help`",
    "merge a.png b.png -o c.png --steps 1": "see `mmsr merge --help`",
    "--nonsense": "see `mmsr --help`",
    "upscale a.png -o b.png --prior-model /none/4x.pth": "There is no file /none/4x.pth",
    "merge a.png -o b.png --prior-model /none/4x.pth": "There is no file /none/4x.pth",
    "estimate a.png": "--output",
    "degrade a.png -o b.png --jpeg 0": "from 1 to 100",
    "degrade a.png -o b.png --noise-std 256": "from 0 to 255",
    "degrade a.png -o b.png --blur-sigma-px 0": "above 0",
    "degrade a.png -o b.png --kernel k --blur-sigma-px 2": "not allowed with",
    "bench": "required",
}


def command(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "mmsr_core", *words],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", WRONG)
def test_wrong_usage(words, refused):
    assert WRONG[words] in refused(*words.split())


@pytest.mark.parametrize("words", ["upscale a.png -o b.png --steps=-1", "nonsense"])
def test_wrong_usage_of_the_real_command(words):
    started = time.perf_counter()
    result = command(*words.split())
    assert time.perf_counter() - started < 5
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("mmsr: error: ")


def test_help_and_version_load_nothing_heavy():
    code = (
        "import sys; from mmsr_core.cli import main; codes = [main(['--help']),"
        " main(['upscale', '--help']), main(['--version']), main(['upscale', '--steps=-1'])];"
        " heavy = {'torch', 'PIL', 'numpy', 'diffusers', 'transformers'} & set(sys.modules);"
        " sys.exit(repr((codes, heavy)) if heavy or codes != [0, 0, 0, 2] else 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "--prompt-image" in result.stdout
    assert f"mmsr {__version__}" in result.stdout


@pytest.mark.parametrize("words", ["info", "bench kernel", "bench fusion", "bench ablation"])
def test_debug_is_known_everywhere_and_quiet_where_it_does_something(words, capfd):
    for option, known in (("--debug", True), ("--quiet", False)):
        assert main([*words.split(), option, "--nonsense"]) == 2
        assert (option in capfd.readouterr().err) != known


@pytest.mark.parametrize("quiet", [False, True])
def test_the_demo_tells_its_address_unless_quiet(mmsr, monkeypatch, quiet):
    monkeypatch.setattr("mmsr_demo.run_demo", lambda settings, tell: tell("http://here"))
    code, out, err = mmsr("demo", *(["--quiet"] if quiet else []))
    assert (code, err) == (0, [])
    assert ("http://here" in out) != quiet


def test_info(mmsr):
    code, out, err = mmsr("info")
    assert code == 0
    assert err == []
    assert out.startswith(f"mmsr {__version__}")
    for word in ("torch", "diffusers", "pillow", "cpu", "weights"):
        assert word in out


def test_a_pipe_that_cannot_hold_a_name_does_not_end_the_run(tmp_path):
    folder = tmp_path / "photos \u65e5\u672c"
    folder.mkdir()
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "mmsr_core", "upscale", str(folder), "-o", str(tmp_path / "o")]
    made = subprocess.run(command, capture_output=True, env=environment, timeout=120)
    assert made.returncode == 2
    assert b"\\u65e5\\u672c has no picture files" in made.stderr


def test_a_picture_or_another_name_in_place_of_a_command(refused, picture):
    assert f"mmsr upscale {picture} -o out.png" in refused(picture)
    assert "mmsr upscale 'my cat.jpg' -o" in refused("my cat.jpg")
    for word, name in (("restore", "upscale"), ("upscal", "upscale"), ("measure", "estimate")):
        assert f"is `mmsr {name}` meant?" in refused(word, picture, "-o", "out.png")
    assert "--mode fuse" in refused("fuse", picture, picture, "-o", "out.png")
    assert "invalid choice" in refused("qqqqqq")


def test_a_scale_as_people_write_it(refused, picture):
    from mmsr_core.cli.arguments import scale_factor

    assert [scale_factor(text) for text in ("2", "2x", "x2", "X1.5", "×3")] == [2, 2, 2, 1.5, 3]
    for text in ("x", "2xx", "x2x", "17x", "nan"):
        assert "from 1 to 16" in refused("upscale", picture, "-o", "out.png", "--scale", text)
    assert "--size 0.5x" in refused("upscale", picture, "-o", "out.png", "--scale", "0.5")
