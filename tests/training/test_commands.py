"""Whatever ends a command of training, or a script of the benchmarks, is one line and a code."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest

from mmsr_core.errors import InputError
from training.command import multiple_of, run_main, type_of

ROOT = Path(__file__).resolve().parents[2]
WORKER = "benchmarks.speed.worker"  # is started by the benchmark alone, with JSON
LOOP = "--data {missing} --out {out}"
NEEDS = {
    "stages.cells": f"{LOOP} --init {{missing}}",
    "stages.damage": LOOP,
    "stages.sharpening": f"{LOOP} --init {{missing}}",
    "stages.depth": LOOP,
    "stages.flow": f"{LOOP} --kernel-weights {{missing}} --mean-weights {{missing}} "
    "--metrics {missing}",
    "stages.fusion": "--pairs {missing} --kernel-weights {missing} --mean-weights {missing} "
    "--out {out}",
    "stages.joint": f"{LOOP} --metrics {{missing}} --init {{missing}}",
    "stages.kernel": LOOP,
    "stages.mean": LOOP,
    "stages.prompt": f"{LOOP} --mean-weights {{missing}} --encoder {{missing}}",
    "stages.text_encoder": "--nouns {missing} --out {out}",
    "tools.average": "{missing} {missing} --out {out}",
    "tools.blend_estimators": "--trunk {missing} --table {missing} --out {out}",
    "tools.damage_errors": "--data {missing} --kernel-weights {missing}",
    "tools.duplicate_figures": "--data {missing}",
    "tools.export": "--out {out} --mean {missing}",
    "tools.find_duplicates": "--data {missing}",
    "tools.fit_shrinkage": "--data {missing} --kernel-weights {missing}",
    "tools.pack_photos": "--photos {missing} --out {out} --source own --licence own",
    "tools.vocabulary": "--encoder {missing} --nouns {missing}",
    "data.photo_depth": "--data {missing} --weights {missing} --out {out}",
}
"""Command -> arguments with which it finds nothing to read."""
ABSURD = {
    "stages.cells": "--patch 100",
    "stages.damage": "--minutes -3",
    "stages.sharpening": "--patch 100",
    "stages.depth": "--scenes 0",
    "stages.flow": "--lpips -1",
    "stages.fusion": "--window 100",
    "stages.joint": "--batch 0",
    "stages.kernel": "--minutes nan",
    "stages.mean": "--echo 0",
    "stages.prompt": "--device tpu",
    "stages.text_encoder": "--lr 0",
    "tools.average": "--share 2",
    "tools.blend_estimators": "--share -1",
    "tools.duplicate_figures": "--every 0",
    "tools.find_duplicates": "--limit -1",
    "tools.pack_photos": "--min-side 0",
    "tools.draw_pictures": "--out x --count -1",
    "data.photo_depth": "--max-side 0",
}


def run(name: str, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", [name, *words])
    return run_main(import_module(f"training.{name}").main)


def words_of(text: str, folder: Path) -> list[str]:
    return text.format(missing=folder / "missing", out=folder / "out").split()


def scripts() -> list[Path]:
    """Every file of both packages that can be started."""
    found = [p for part in ("training", "benchmarks") for p in sorted((ROOT / part).rglob("*.py"))]
    return [p for p in found if 'if __name__ == "__main__"' in p.read_text(encoding="utf-8")]


def test_every_command_ends_in_the_same_place() -> None:
    assert len(scripts()) > 30
    for path in scripts():
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if name != WORKER:
            last = ast.parse(path.read_text(encoding="utf-8")).body[-1]
            assert ast.unparse(last).endswith("sys.exit(run_main(main))"), name


def test_every_stage_is_tried() -> None:
    stages = {f"stages.{p.stem}" for p in scripts() if p.parent.name == "stages"}
    assert stages <= NEEDS.keys()
    assert stages <= ABSURD.keys()


@pytest.mark.parametrize("name", NEEDS)
def test_what_is_missing_is_said_in_one_line(name, monkeypatch, tmp_path, capsys) -> None:
    assert run(name, words_of(NEEDS[name], tmp_path), monkeypatch) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("mmsr: error: ")
    assert "\n" not in said
    assert "missing" in said


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_options_are_said_in_one_line(name, monkeypatch, tmp_path, capsys) -> None:
    words = [*words_of(NEEDS.get(name, ""), tmp_path), *ABSURD[name].split()]
    assert run(name, words, monkeypatch) == 2
    said = capsys.readouterr().err.strip()
    option = re.findall(r"--[\w-]+", ABSURD[name])[-1]
    assert re.fullmatch(rf"mmsr: error: argument {option}: expected .*", said)
    assert not (tmp_path / "out").exists()


def test_debug_shows_where(monkeypatch, tmp_path, capsys) -> None:
    words = [*words_of(NEEDS["tools.average"], tmp_path), "--debug"]
    assert run("tools.average", words, monkeypatch) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.strip().splitlines()[-1].startswith("mmsr: error: ")


def test_codes(capsys) -> None:
    def refused() -> None:
        raise InputError("Not so.")

    def broken() -> None:
        raise KeyError("x")

    assert [run_main(main) for main in (lambda: None, lambda: 1, refused, broken)] == [0, 1, 2, 1]
    assert capsys.readouterr().err.splitlines() == [
        "mmsr: error: Not so.",
        "mmsr: error: unexpected KeyError: 'x' (--debug shows where)",
    ]


def test_types_of_numbers() -> None:
    assert multiple_of(48)("96") == 96
    assert type_of("align_every", 4)("3") == 3
    assert type_of("dropout", 0.1)("1") == 1
    with pytest.raises(Exception, match="from 0 to 1"):
        type_of("own_share", 0.1)("1.5")


def test_a_command_in_a_process_of_its_own(tmp_path) -> None:
    words = words_of(NEEDS["tools.find_duplicates"], tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "training.tools.find_duplicates", *words],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("mmsr: error: ")
    assert done.stderr.count("\n") == 1
