"""Imports point one way, in every module, and never in a circle. Checked on the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {"mmsr_core": "mmsr_core", "mmsr_demo": "demo/mmsr_demo", "nodes": "nodes",
           "benchmarks": "benchmarks", "training": "training",
           "mmsr_webui": "mmsr_webui"}  # fmt: skip
"""Package -> its folder."""

# A part of the library may import those with a smaller number, and itself.
LAYER = {
    "errors": 0, "types": 0, "precision": 0, "memory": 0,
    "optional": 1,
    "image": 2, "tiling": 2,
    "degradation": 3, "diffusion": 3,
    "weights": 3, "models": 4,
    "depth": 5, "prompts": 5, "metrics": 5, "visualize": 5,
    "pipeline": 6,
    "__init__": 7,
    "cli": 8,
    "__main__": 9,
}  # fmt: skip

# Which packages a package may import, besides itself and libraries.
MAY_IMPORT = {
    "mmsr_core": set(),
    "mmsr_demo": {"mmsr_core"},
    "nodes": {"mmsr_core"},
    "mmsr_webui": {"mmsr_core"},
    "benchmarks": {"mmsr_core", "training"},
    "training": {"mmsr_core"},
}
HOST = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "folder_paths", "server"}
WEBUI = {"modules", "modules_forge", "backend"}
OURS = {*SOURCES, "demo", "tests"}


def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of the project."""
    found = {}
    for package, folder in SOURCES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder).with_suffix("").parts
            parts = inside[:-1] if inside[-1] == "__init__" else inside
            found[".".join((package, *parts))] = path
    return found


MODULES = modules()


def imported(name: str, at_module_level: bool = False) -> Iterator[str]:
    """Absolute dotted names that a module imports; of `from a import b`, `a.b`."""
    path = MODULES[name]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    nodes = _run_on_import(tree.body) if at_module_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                kept = parts[: len(parts) - node.level + 1]
                base = ".".join([*kept, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _run_on_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported, type checking included."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _run_on_import(node.body)
            yield from _run_on_import(node.orelse)


def target(dotted: str) -> str | None:
    """The module of the project that an imported name belongs to, or None."""
    while dotted:
        if dotted in MODULES:
            return dotted
        dotted = dotted.rpartition(".")[0]
    return None


def layer_of(name: str) -> str:
    return [*name.split("."), "__init__"][1]


@pytest.mark.parametrize("name", [m for m in MODULES if m.split(".")[0] == "mmsr_core"])
def test_the_library_points_one_way(name: str) -> None:
    own = layer_of(name)
    assert own in LAYER, f"{own} has no place among the layers: add it to LAYER"
    for dotted in imported(name):
        other = target(dotted)
        if other is None or not other.startswith("mmsr_core."):
            continue  # `from .. import __version__` is no import of a layer
        theirs = layer_of(other)
        assert theirs == own or LAYER[theirs] < LAYER[own], f"{name} must not import {other}"


@pytest.mark.parametrize("name", MODULES)
def test_packages_know_only_what_is_below_them(name: str) -> None:
    own = name.split(".")[0]
    for dotted in imported(name):
        top = dotted.split(".")[0]
        if top in OURS and top != own:
            assert top in MAY_IMPORT[own], f"{name} must not import {dotted}"
        if own != "nodes":
            assert top not in HOST, f"{name} must not import {dotted}"
        if own != "mmsr_webui":
            assert top not in WEBUI, f"{name} must not import {dotted}"


@pytest.mark.parametrize("name", [m for m in MODULES if m.split(".")[0] == "mmsr_core"])
def test_the_library_imports_itself_relatively(name: str) -> None:
    """ComfyUI loads it from a folder of any name."""
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(a.name.split(".")[0] == "mmsr_core" for a in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] != "mmsr_core"


MAX_PLACES = 8
"""More arguments than these are given by name: nobody can tell the ninth by its place."""


@pytest.mark.parametrize("name", MODULES)
def test_no_call_has_a_long_row_of_arguments(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        # A Triton kernel is called as `kernel[grid](...)`; a row of texts is a list.
        if not isinstance(node, ast.Call) or isinstance(node.func, ast.Subscript):
            continue
        places = [argument for argument in node.args if not isinstance(argument, ast.Constant)]
        called = f"{name}:{node.lineno} {ast.unparse(node.func)}"
        assert len(places) <= MAX_PLACES, f"{called}: give the arguments by name"


def test_there_is_no_circle() -> None:
    """Not even one of type annotations. A package's face counts as its own file alone."""
    graph = {
        name: {other for d in imported(name, True) if (other := target(d)) not in (None, name)}
        for name in MODULES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, "a circle: " + " -> ".join((*path[path.index(name) :], name))
        if name in done:
            return
        for other in sorted(graph[name]):
            visit(other, (*path, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_a_circle_would_be_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {}
    for name, other in (("a", "b"), ("b", "a")):
        files[f"mmsr_core.{name}"] = tmp_path / f"{name}.py"
        files[f"mmsr_core.{name}"].write_text(f"from .{other} import x\n")
    monkeypatch.setattr(sys.modules[__name__], "MODULES", files)
    with pytest.raises(AssertionError, match=r"mmsr_core\.a -> mmsr_core\.b -> mmsr_core\.a"):
        test_there_is_no_circle()
