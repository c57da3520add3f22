"""Parser of the `mmsr` command and the meaning of its exit codes.

0: done. 2: bad usage or bad input, said in one line on stderr. 1: an unexpected failure.
130: interrupted by the user.
"""

from __future__ import annotations

import difflib
import io
import shlex
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import __version__
from ..errors import MMSRError
from . import degrade, estimate, info, merge, upscale
from .arguments import Parser, UsageError
from .common import quiet_libraries, say_error
from .plugins import add_plugin, run_benchmarks

_PICTURES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic"))
_DESCRIPTION = (
    "Measures the blur, noise and JPEG damage of a picture at every place, restores it, and "
    "reports how well the result agrees with the input."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the `mmsr` command.

    Args:
        argv: The arguments without the program's name; None takes those of the process.

    Returns:
        The exit code.
    """

    def work(words: Sequence[str]) -> int:
        if words[:1] == ["bench"]:
            return run_benchmarks(words[1:])
        _check_command(words)
        args, unknown = _parser(words).parse_known_args(words)
        if unknown:
            command = f"mmsr {words[0]}" if words[0] in _COMMANDS else "mmsr"
            raise UsageError(
                f"unrecognized arguments: {' '.join(unknown)} (see `{command} --help`)"
            )
        quiet_libraries()
        return args.run(args)

    return run_command(work, argv)


def run_command(work: Callable[[Sequence[str]], int], argv: Sequence[str] | None) -> int:
    """Runs a command and turns whatever ends it into one line on stderr and an exit code.

    Args:
        work: Takes the arguments, returns the exit code.
        argv: The arguments without the program's name; None takes those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _print_anything()
    debug = "--debug" in words
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
            return work(words)
    except SystemExit as stop:  # --help and --version.
        return stop.code if isinstance(stop.code, int) else 0
    except MMSRError as error:
        if debug and not isinstance(error, UsageError):
            traceback.print_exc()
        say_error(str(error))
        return 2
    except KeyboardInterrupt:
        say_error("interrupted; files that were finished are kept, no half-written file is left")
        return 130
    except BrokenPipeError:  # The reader of our output has gone, as in `mmsr info | head -1`.
        _discard_stdout()
        return 1
    except Exception as error:  # noqa: BLE001 - the last stop before the user.
        if debug:
            traceback.print_exc()
        say_error(f"unexpected {type(error).__name__}: {error} (--debug shows where)")
        return 1


_COMMANDS = ("upscale", "merge", "estimate", "degrade", "info", "demo", "bench")
_OTHER_NAMES = {
    **dict.fromkeys(("restore", "enlarge", "fuse", "denoise", "deblur", "batch"), "upscale"),
    "measure": "estimate",
}  # fmt: skip
"""What people call a command, and its name."""


def _check_command(words: Sequence[str]) -> None:
    """Says what to write where the first word is a picture, or another name of a command.

    Raises:
        UsageError: it is one of these.
    """
    first = words[0] if words else ""
    if not first or first.startswith("-") or first in _COMMANDS:
        return
    if Path(first).exists() or Path(first).suffix.lower() in _PICTURES:
        raise UsageError(
            f"{first} is no command; to restore it: mmsr upscale {shlex.quote(first)} -o out.png"
        )
    found = difflib.get_close_matches(first, (*_COMMANDS, *_OTHER_NAMES), 1)
    if found:
        name = _OTHER_NAMES.get(found[0], found[0])
        more = " (with --guide OTHER --mode fuse)" if found[0] == "fuse" else ""
        raise UsageError(f"There is no command {first!r}; is `mmsr {name}`{more} meant?")


def _parser(words: Sequence[str]) -> Parser:
    parser = Parser(prog="mmsr", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"mmsr {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (upscale, merge, estimate, degrade, info):
        module.add_parser(commands)
    if words[:1] == ["demo"]:
        add_plugin(commands, "demo")
    else:
        commands.add_parser("demo", help="open a page in the browser")
    commands.add_parser("bench", help="measure quality and speed (in a clone of the repository)")
    return parser


def _print_anything() -> None:
    """No name of a file may end a run because a pipe's encoding (cp1252, say) cannot hold it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_stdout() -> None:
    """So that the interpreter does not complain when it flushes at its end."""
    import os

    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())
