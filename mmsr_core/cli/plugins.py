"""Commands that are not part of the library: the demo, and the benchmarks of a clone.

The library does not know who adds a command. Another package names a module under the entry point
`mmsr.commands`; the module has `add_parser(commands)`, which sets the default `run`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from .arguments import UsageError

GROUP = "mmsr.commands"


def add_plugin(commands: argparse._SubParsersAction[Any], name: str) -> None:
    """Add the parser of an installed command; nothing of it is imported before it is asked for.

    Raises:
        UsageError: no installed package has it.
    """
    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        raise UsageError(f'mmsr {name} is not installed: pip install "mmsr[{name}]".')
    found.load().add_parser(commands)


def run_benchmarks(words: Sequence[str]) -> int:
    """`python -m benchmarks`, which stands beside the library in a clone of the repository.

    Raises:
        UsageError: this is not a clone.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "benchmarks" / "__main__.py").is_file():
        raise UsageError(
            "mmsr bench needs a clone of the repository: the benchmarks are not installed with "
            "the library. In the clone, run python -m benchmarks."
        )
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(command, env=environment, check=False).returncode
