"""The figures of `python -m benchmarks.structure` on a small made-up repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.structure import (
    import_circles,
    import_graph,
    main,
    module_name,
    python_files,
)
from mmsr_core.cli.arguments import UsageError

FILES = {
    "mmsr_core/__init__.py": "from .a import x\n",
    "mmsr_core/a.py": "from . import b\nx = 1\n",
    "mmsr_core/b.py": "def f():\n    from . import c\n\n",
    "mmsr_core/c.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .d import D\nimport torch\n"
    ),
    "mmsr_core/d.py": "import mmsr_core.c\nclass D:\n    from .e.f import y\n",
    "mmsr_core/e/__init__.py": "",
    "mmsr_core/e/f.py": "try:\n    from ..d import D\nexcept ImportError:\n    pass\ny = 1\n",
    "mmsr_core/demo/page.py": "from ..a import x\n",
    "mmsr_core/bench/run.py": "1\n2\n",
    "benchmarks/guard.py": "1\n2\n3\n4\n",
    "demo/mmsr_demo/app.py": "from mmsr_core.a import x\nfrom . import theme\n",
    "demo/mmsr_demo/theme.py": "from .app import x\n",
    "nodes/load.py": "from ..mmsr_core.a import x\n",
    "nodes/__pycache__/old.py": "1\n",
    "tests/nodes/test_load.py": "",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def graph_of(repo: Path) -> dict[str, set[str]]:
    return import_graph(repo, [path for paths in python_files(repo).values() for path in paths])


def test_every_file_belongs_to_one_part(repo: Path) -> None:
    found = {
        part: sorted(path.relative_to(repo).as_posix() for path in paths)
        for part, paths in python_files(repo).items()
    }
    assert len(found["mmsr_core"]) == 7
    assert found["demo"] == [
        "demo/mmsr_demo/app.py", "demo/mmsr_demo/theme.py", "mmsr_core/demo/page.py",
    ]  # fmt: skip
    assert found["benchmarks"] == ["benchmarks/guard.py", "mmsr_core/bench/run.py"]
    assert found["nodes"] == ["nodes/load.py"]
    assert found["training"] == []
    assert found["tests"] == ["tests/nodes/test_load.py"]


def test_names_are_those_of_the_import_statement(repo: Path) -> None:
    names = {"mmsr_core/e/__init__.py": "mmsr_core.e", "demo/mmsr_demo/app.py": "mmsr_demo.app"}
    for path, name in names.items():
        assert module_name(repo, repo / path) == name


def test_imports_of_modules_and_of_their_names(repo: Path) -> None:
    graph = graph_of(repo)
    assert graph["mmsr_core"] == {"mmsr_core.a"}
    assert graph["mmsr_core.a"] == {"mmsr_core.b"}
    assert graph["mmsr_core.b"] == set()  # inside a function
    assert graph["mmsr_core.d"] == {"mmsr_core.c", "mmsr_core.e.f"}
    assert graph["nodes.load"] == {"mmsr_core.a"}  # beyond the top: the pack is a package, too


def test_circles_are_found(repo: Path) -> None:
    circles = sorted(import_circles(graph_of(repo)), key=len)
    assert circles == [
        {"mmsr_demo.app", "mmsr_demo.theme"},
        {"mmsr_core.c", "mmsr_core.d", "mmsr_core.e.f"},
    ]


@pytest.mark.parametrize(
    ("graph", "circles"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}, [{"b", "c"}]),
        ({"a": {"b", "c"}, "b": {"a"}, "c": {"a"}}, [{"a", "b", "c"}]),
    ],
)
def test_circles_of_small_graphs(graph: dict[str, set[str]], circles: list[set[str]]) -> None:
    assert import_circles(graph) == circles


def test_the_command_prints_tables_without_importing(repo: Path, capsys) -> None:
    # Its own import is timed in another process; here its modules must not run.
    (repo / "mmsr_core" / "__init__.py").write_text("x = 1\n")
    (repo / "mmsr_core" / "a.py").write_text("raise RuntimeError\n")
    main(["--repo", str(repo)])
    page = re.sub(" +", " ", capsys.readouterr().out)
    assert "| mmsr_core | 7 | 17 | 2 | mmsr_core/e/f.py (5) |" in page
    assert "| benchmarks | 2 | 6 | 3 | benchmarks/guard.py (4) |" in page
    assert "| training | 0 | 0 | 0 | – |" in page
    assert "| import circles | 2 |" in page
    assert "| modules in them | 5 |" in page
    assert "`import mmsr_core`, ms" in page
    assert "wheel" not in page


def test_a_folder_without_the_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder mmsr_core"):
        main(["--repo", str(tmp_path)])
