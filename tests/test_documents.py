"""The documents: links lead somewhere, commands parse, code runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mmsr_core.cli.main import _parser

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "web" / "docs").glob("*.md"),
    *(
        ROOT / folder / "README.md"
        for folder in ("benchmarks", "demo", "training", "weights/small")
    ),
]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, heading = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        other = path if not file else (path.parent / file).resolve()
        assert other.exists(), f"{path.name} links to {target}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), re.M)
            slugs = {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}
            assert heading in slugs, f"{path.name} links to {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_parse(path: Path) -> None:
    lines = [line for block in blocks(path, "bash") for line in block.splitlines()]
    for line in lines:
        for command in line.split("&&"):
            if re.match(r"\s*mmsr (?!bench|demo)", command):
                words = shlex.split(command, comments=True)
                _parser(words[1:]).parse_args(words[1:])


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    code = next(b for b in blocks(ROOT / "README.md", "python") if "load_pipeline" in b)
    exec(code, {})  # noqa: S102 - the README's own lines
    assert (tmp_path / "restored.png").stat().st_size > 10_000


def test_modules_that_the_documents_run_are_there() -> None:
    for path in DOCUMENTS:
        for name in re.findall(r"python -m ((?:benchmarks|training|demo)[\w.]*)", path.read_text()):
            file = ROOT / name.replace(".", "/")
            found = file.with_suffix(".py").is_file() or (file / "__main__.py").is_file()
            assert found, f"{path.name}: python -m {name}"
