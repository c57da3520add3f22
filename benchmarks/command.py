"""`python -m benchmarks BENCHMARK`: see `MODULES`, and benchmarks/README.md."""

from __future__ import annotations

import io
import logging
import math
import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, get_args, get_type_hints

from mmsr_core.cli.arguments import UsageError
from mmsr_core.cli.common import quiet_libraries
from mmsr_core.cli.main import run_command
from mmsr_core.optional import require
from mmsr_core.pipeline.clip import MAX_CLIP_REACH
from mmsr_core.types import MAX_BLUR_SIGMA_PX, MAX_SCALE

if TYPE_CHECKING:
    from .arguments import Options

MODULES = {
    "quality": ".quality.run",
    "tradeoff": ".quality.tradeoff",
    "ablation": ".ablation.run",
    "kernel": ".kernel",
    "speed": ".speed.run",
    "modalities": ".modalities.run",
    "fusion": ".fusion.run",
    "damage": ".damage",
    "real": ".real",
    "clip": ".clip",
    "restore": ".restore",
    "defocus": ".defocus",
}
"""Benchmark -> the module whose `run` takes its options and returns how many pictures failed."""


RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("scale", "scales", "iterations"), (1, MAX_SCALE)),
    **dict.fromkeys(("limit", "repeats", "threads", "count", "frames", "samples"), (1, math.inf)),
    **dict.fromkeys(("crop", "side", "guide_window", "size", "width", "height"), (16, math.inf)),
    **dict.fromkeys(("seed", "seeds"), (0, 2**32 - 1)),
    **dict.fromkeys(("window", "guide_seeds"), (0, math.inf)),
    "steps": (0, 64),
    "details": (0, 2),
    "noise": (0, 255),
    "jpeg": (1, 100),
    "blur_sigma_px": (0, MAX_BLUR_SIGMA_PX),
    "reach": (0, MAX_CLIP_REACH),
}
"""Field of the options -> its smallest and largest value. What only one benchmark allows less of is
checked there."""


class _Printer(logging.Handler):
    """Prints messages as they are; a closed pipe ends the run."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        print(self.format(record), flush=True)


def parse(words: list[str]) -> Options:
    """The options of the benchmark that the first word names.

    Raises:
        UsageError: the arguments do not make sense.
        MissingPackageError: tyro is not installed.
        SystemExit: after `--help`.
    """
    if words[:1] not in [[name] for name in (*MODULES, "-h", "--help")]:
        raise UsageError(f"A benchmark is required: {', '.join(MODULES)}.")
    tyro = require("tyro", "bench", "python -m benchmarks")
    from . import arguments

    kinds = {name: getattr(arguments, f"{name.capitalize()}Options") for name in MODULES}
    program = "python -m benchmarks"
    boxes = io.StringIO()
    try:
        with redirect_stderr(boxes):
            options = tyro.extras.subcommand_cli_from_dict(
                kinds,
                prog=program,
                description="Measures quality and speed.",
                args=words,
                config=(tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        said = _first_paragraph(boxes.getvalue())
        raise UsageError(f"{said} (see `{program} {words[0]} --help`)") from None
    for field in fields(options):
        if getattr(options, field.name) == () != field.default and field.name != "steps":
            raise UsageError(f"No {field.name} are given: at least one is needed.")
    return options


def check_ranges(options: Options) -> None:
    """Refuse numbers with which no benchmark can run, before anything is read.

    Raises:
        UsageError: a number lies outside `RANGES`.
    """
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name not in RANGES or value is None:
            continue
        low, high = RANGES[field.name]
        for number in value if isinstance(value, tuple) else (value,):
            if not low <= number <= high:
                limits = f"at least {low}" if high == math.inf else f"from {low} to {high}"
                raise UsageError(f"{_flag(options, field.name)} must be {limits}, but is {number}.")


def _flag(options: Options, name: str) -> str:
    """The flag of a field: the name that `tyro.conf.arg` gives it, or its own."""
    hint = get_type_hints(type(options), include_extras=True)[name]
    given = [note.name for note in get_args(hint)[1:] if getattr(note, "name", None)]
    return "--" + (given or [name.replace("_", "-")])[0]


def _first_paragraph(box: str) -> str:
    """What a message of tyro says below its title, without frame (or ASCII rules) and advice."""
    frame = r"\x1b\[[\d;]*m|[│╭╮╰╯─]|^ *-+ *$"
    lines = [re.sub(frame, "", line).strip() for line in box.splitlines()[1:]]
    text = "\n".join(lines).strip().split("\n\n")[0].replace("\n", " ")
    return re.sub(r" \(applied to [^)]*\)", "", text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m benchmarks`.

    Returns:
        The exit code: 0 done, 2 bad usage, bad input or pictures left out, 1 an unexpected failure.
    """

    def work(words: Sequence[str]) -> int:
        options = parse(list(words))
        check_ranges(options)
        quiet_libraries()
        messages = logging.getLogger(__package__)
        messages.setLevel(logging.INFO)
        messages.handlers = [_Printer()]
        return 2 if import_module(MODULES[words[0]], __package__).run(options) else 0

    return run_command(work, argv)
