"""Size and shape of the code, as a Markdown table: `python -m benchmarks.structure`.

Everything but the import time is read from the files, so any commit can be measured, older layouts
too: `--repo PATH` names its folder. `--wheel` builds the wheel and `--install` installs the package
into an empty environment; both work on a copy in a temporary folder and need a package index.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmsr_core.errors import MMSRError
from training.command import Parser, run_main

from .report.table import markdown_table

PARTS: dict[str, tuple[str, ...]] = {
    "mmsr_core": ("mmsr_core",),
    "demo": ("demo", "mmsr_core/demo"),
    "benchmarks": ("benchmarks", "mmsr_core/bench"),
    "nodes": ("nodes",),
    "training": ("training",),
    "tests": ("tests",),
}
"""Part -> its folders. A file belongs to the part with the longest folder that holds it."""
SOURCE_ROOTS = ("", "demo")
"""Folders from which modules are imported, relative to the repository."""
IMPORT_RUNS = 5
TORCH = "torch==2.13.0"
_LEAVE_OUT = shutil.ignore_patterns(".git", "__pycache__", ".venv", "venv", "runs", "dist", "build")


@dataclass(frozen=True)
class Part:
    """The Python files of one part."""

    files: int
    lines: int
    longest: str
    """Path of the longest file and its number of lines."""

    @property
    def mean_length(self) -> float:
        """Lines a file."""
        return self.lines / self.files if self.files else 0.0


def python_files(repo: Path) -> dict[str, list[Path]]:
    """Part -> its Python files, sorted; generated and hidden folders left out."""
    owner = {folder: part for part, folders in PARTS.items() for folder in folders}
    found: dict[str, list[Path]] = {part: [] for part in PARTS}
    for top in dict.fromkeys(folder.split("/")[0] for folder in owner):
        for path in sorted((repo / top).rglob("*.py")):
            inside = path.relative_to(repo)
            if any(name.startswith((".", "__pycache__")) for name in inside.parts):
                continue
            parents = (parent.as_posix() for parent in inside.parents)
            found[next(owner[parent] for parent in parents if parent in owner)].append(path)
    return found


def describe_part(repo: Path, files: Sequence[Path]) -> Part:
    """Number of files, their lines, and the longest one."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    longest = max(lines, key=lines.__getitem__, default=None)
    name = "–" if longest is None else f"{longest.relative_to(repo).as_posix()} ({lines[longest]})"
    return Part(len(files), sum(lines.values()), name)


def module_name(repo: Path, path: Path) -> str:
    """Dotted name of a file, seen from the nearest folder of `SOURCE_ROOTS`."""
    inside = path.relative_to(repo).with_suffix("").parts
    if inside[0] in SOURCE_ROOTS and not (repo / inside[0] / "__init__.py").is_file():
        inside = inside[1:]
    return ".".join(inside[:-1] if inside[-1] == "__init__" else inside)


def import_graph(repo: Path, files: Sequence[Path]) -> dict[str, set[str]]:
    """Module -> modules of `files` that it imports when it is imported itself.

    Imports for type checking count, imports inside functions do not. `from package import name`
    is an import of the module `package.name`, or of `package` where there is no such module.
    """
    modules = {module_name(repo, path): path for path in files}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        body = ast.parse(path.read_text(encoding="utf-8")).body
        found = (_nearest(dotted, modules) for dotted in _imported(body, package))
        graph[name] = {other for other in found if other not in (None, name)}
    return graph


def _imported(body: Sequence[ast.stmt], package: str) -> Iterator[str]:
    """Absolute dotted names imported by statements outside functions."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [node.module] if node.module else []
            if node.level:
                parts = package.split(".") if package else []
                base = [*parts[: max(0, len(parts) - node.level + 1)], *base]
            yield from (".".join([*base, alias.name]) for alias in node.names)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
            blocks += [handler.body for handler in getattr(node, "handlers", [])]
            for block in blocks:
                yield from _imported(block, package)


def _nearest(dotted: str, modules: dict[str, Path]) -> str | None:
    """The module that holds an imported name; None for one of another project."""
    while dotted and dotted not in modules:
        dotted = dotted.rpartition(".")[0]
    return dotted or None


def import_circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Strongly connected components of more than one module (Kosaraju's two passes)."""
    order: list[str] = []
    seen: set[str] = set()
    for root in graph:
        stack = [(root, iter(graph[root]))] if root not in seen else []
        seen.add(root)
        while stack:
            name, others = stack[-1]
            other = next((o for o in others if o not in seen), None)
            if other is None:
                order.append(name)
                stack.pop()
            else:
                seen.add(other)
                stack.append((other, iter(graph[other])))
    importers: dict[str, set[str]] = {name: set() for name in graph}
    for name, others in graph.items():
        for other in others:
            importers[other].add(name)
    circles: list[set[str]] = []
    done: set[str] = set()
    for root in reversed(order):
        circle: set[str] = set()
        waiting = [root]
        while waiting:
            name = waiting.pop()
            if name not in done:
                done.add(name)
                circle.add(name)
                waiting.extend(importers[name])
        if len(circle) > 1:
            circles.append(circle)
    return circles


def import_milliseconds(repo: Path, package: str = "mmsr_core") -> float:
    """Time of `import package` in a new process: median of five, minus an empty interpreter."""

    def median_seconds(code: str) -> float:
        times = []
        environment = os.environ | {"PYTHONPATH": str(repo)}
        for _ in range(IMPORT_RUNS):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], cwd=repo, env=environment, check=True)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    return 1e3 * (median_seconds(f"import {package}") - median_seconds("pass"))


def wheel_size(repo: Path) -> tuple[float, int]:
    """Megabytes (1e6 bytes) of the wheel and the number of files in it."""
    with tempfile.TemporaryDirectory() as folder:
        source = shutil.copytree(repo, Path(folder) / "source", ignore=_LEAVE_OUT)
        _pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, str(source))
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            return wheel.stat().st_size / 1e6, len(archive.namelist())


def installed_packages(repo: Path) -> tuple[list[str], float]:
    """Names of the packages that `pip install .` brings, and their megabytes (1e6 bytes) on disk.

    pip and setuptools are left out of both. torch is installed first, in a fixed version, so that
    the figure does not move with torch's releases.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = shutil.copytree(repo, Path(folder) / "source", ignore=_LEAVE_OUT)
        home = Path(folder) / "environment"
        venv.create(home, with_pip=True)
        python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
        _pip(str(python), "install", "--no-compile", TORCH)
        _pip(str(python), "install", "--no-compile", str(source))
        listed = json.loads(_pip(str(python), "list", "--format", "json"))
        tools = ("pip", "setuptools")
        names = sorted(item["name"] for item in listed if item["name"] not in tools)
        site = next(home.rglob("site-packages"))
        folders = [p for p in site.iterdir() if not p.name.startswith((*tools, "pkg_resources"))]
        files = (f for p in folders for f in ([p] if p.is_file() else p.rglob("*")))
        kept = (f for f in files if f.is_file() and "__pycache__" not in f.parts)
        return names, sum(f.stat().st_size for f in kept) / 1e6


def _pip(python: str, *arguments: str) -> str:
    command = [python, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MMSRError(f"pip {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout


def structure_markdown(repo: Path, *, wheel: bool = False, install: bool = False) -> str:
    """Two tables: the size of every part, and figures of the whole repository."""
    files = python_files(repo)
    rows = []
    for part, paths in files.items():
        found = describe_part(repo, paths)
        rows.append(
            [part, str(found.files), str(found.lines), f"{found.mean_length:.0f}", found.longest]
        )
    parts = markdown_table(["part", "files", "lines", "mean length", "longest file"], rows)
    circles = import_circles(
        import_graph(repo, [path for paths in files.values() for path in paths])
    )
    whole = [
        ["import circles", str(len(circles))],
        ["modules in them", str(sum(len(circle) for circle in circles))],
        ["`import mmsr_core`, ms", f"{import_milliseconds(repo):.0f}"],
    ]
    if wheel:
        megabytes, count = wheel_size(repo)
        whole += [["wheel, MB", f"{megabytes:.1f}"], ["files in the wheel", str(count)]]
    if install:
        names, megabytes = installed_packages(repo)
        whole += [
            ["packages of `pip install .`", str(len(names))],
            ["megabytes of them", f"{megabytes:.0f}"],
        ]
    return f"{parts}\n\n{markdown_table(['figure', 'value'], whole)}\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = Parser(
        prog="python -m benchmarks.structure", description=(__doc__ or "").split("\n\n")[0]
    )
    here = Path(__file__).resolve().parents[1]
    parser.add_argument("--repo", type=Path, default=here, help="default: this repository")
    parser.add_argument("--wheel", action="store_true", help="also the size of the wheel")
    parser.add_argument("--install", action="store_true", help="also what `pip install .` brings")
    args = parser.parse_args(argv)
    if not (args.repo / "mmsr_core").is_dir():
        parser.error(f"--repo: {args.repo} has no folder mmsr_core")
    print(structure_markdown(args.repo.resolve(), wheel=args.wheel, install=args.install))


if __name__ == "__main__":
    sys.exit(run_main(main))
