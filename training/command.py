"""How the commands of training, and single scripts of the benchmarks, read options and end.

Whatever ends one is said in a line, with an exit code: see `mmsr_core.cli.main`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from mmsr_core.cli.arguments import Parser as OneLineParser
from mmsr_core.cli.arguments import number, whole_number
from mmsr_core.cli.main import run_command
from mmsr_core.errors import InputError

_MANY = 10**9
COUNT = whole_number(1, _MANY)
"""Argument types: a whole number of at least 1..."""
COUNT_OR_0 = whole_number(0, _MANY)
"""...of at least 0..."""
SEED = whole_number(0, 2**32 - 1)
SHARE = number(0, 1)
WEIGHT = number(0, _MANY)
"""...a number of at least 0..."""
ABOVE_0 = number(0, _MANY, above=True)
"""...and one above 0, such as minutes or a learning rate."""


def multiple_of(unit: int) -> Callable[[str], int]:
    """An argument type: a whole number above 0 that is a multiple of `unit`, such as px."""

    def parse(text: str) -> int:
        value = COUNT(text)
        if value % unit:
            raise argparse.ArgumentTypeError(f"expected a multiple of {unit}, got {text!r}")
        return value

    return parse


def type_of(name: str, default: object) -> Callable[[str], float]:
    """The argument type of a number that a dataclass names, by its name and its default."""
    if isinstance(default, int):
        return COUNT
    return SHARE if name.endswith(("share", "dropout")) else WEIGHT


class Parser(OneLineParser):
    """Reports a wrong argument in one line, as an exception; it has `--debug`."""

    def __init__(self, **options: object) -> None:
        """Takes what `argparse.ArgumentParser` takes."""
        module = getattr(sys.modules["__main__"], "__spec__", None)
        if module is not None and not module.name.endswith("__main__"):
            options.setdefault("prog", f"python -m {module.name}")
        super().__init__(**options)
        self.add_argument("--debug", action="store_true", help="show where an error comes from")


def run_main(main: Callable[[], int | None]) -> int:
    """Run a command that reads its own arguments; returns the exit code.

    Args:
        main: its exit code is handed on; None is 0.
    """

    def work(words: object) -> int:
        del words  # `main` reads them
        try:
            return main() or 0
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
            if error.filename is None:
                raise
            raise InputError(
                f"{error.filename} cannot be used: {error.strerror}. Expected a file or a folder "
                "that is there, and that may be read or written; check the options."
            ) from error

    return run_command(work, None)
