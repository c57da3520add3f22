"""`python -m benchmarks quality|tradeoff|ablation|kernel|speed|modalities|fusion`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsr_core.cli.common import quiet_libraries
from mmsr_core.cli.main import run_command

from .arguments import make_parser
from .report.failures import finish

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .quality.options import QualityOptions

__all__ = ["main", "run"]


class _Printer(logging.Handler):
    """Prints messages as they are; a closed pipe ends the run."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        print(self.format(record), flush=True)


def run(args: argparse.Namespace) -> int:
    """Run the benchmark that was asked for.

    Returns:
        0, or 2 when a picture failed and was left out.
    """
    return _RUNS[args.bench](args)


_COMMON = ("out", "limit", "scale", "model", "device", "dtype", "seed")
"""Arguments that most benchmarks have, by the names that their options have."""


def _given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The common arguments as far as this benchmark has them, and the named ones."""
    common = [name for name in _COMMON if name in args]
    return {name: getattr(args, name) for name in (*common, *names)}


def _failed(out: Path, parts: Iterable[dict[str, Any]]) -> int:
    return 2 if finish(out, parts) else 0


def _quality_options(args: argparse.Namespace, **changes: Any) -> QualityOptions:
    from .quality.options import QualityOptions

    names = ("data", "inputs", "params", "metrics", "peers", "depth_maps")
    given = _given(args, *(name for name in names if name in args))
    return QualityOptions(protocols=args.protocol, **(given | changes))


def _run_quality(args: argparse.Namespace) -> int:
    from .quality.run import run_quality

    code = 0
    for scale in args.scale:
        out = args.out if len(args.scale) == 1 else args.out / f"x{scale}"
        options = _quality_options(
            args, out=out, scale=scale, steps=args.steps, kernels=args.kernel, depths=args.depth
        )
        code = max(code, _failed(out, run_quality(options)["protocols"].values()))
    return code


def _run_tradeoff(args: argparse.Namespace) -> int:
    from .quality.tradeoff import TradeoffOptions, run_tradeoff

    options = TradeoffOptions(_quality_options(args, steps=args.steps), args.detail)
    return _failed(args.out, run_tradeoff(options)["protocols"].values())


def _run_ablation(args: argparse.Namespace) -> int:
    from .ablation.run import QUICK_PICTURES, AblationOptions, run_ablation

    seeds, limit = args.seeds, args.limit
    if args.quick:
        seeds, limit = seeds[:1], min(limit or QUICK_PICTURES, QUICK_PICTURES)
    options = AblationOptions(_quality_options(args, limit=limit), seeds, args.group)
    return _failed(args.out, run_ablation(options)["protocols"].values())


def _run_kernel(args: argparse.Namespace) -> int:
    from .kernel import KernelOptions, run_kernel

    names = ("pairs", "data", "params", "iterations")
    options = KernelOptions(depths=args.depth, **_given(args, *names))
    return _failed(args.out, run_kernel(options)["sets"].values())


def _run_modalities(args: argparse.Namespace) -> int:
    if args.bodies is not None:
        from .modalities.run_prompt_bodies import PromptBodiesOptions, run_prompt_bodies

        names = ("out", "photos", "seeds", "model")
        chosen = {name: getattr(args, name) for name in names}
        run_prompt_bodies(PromptBodiesOptions(minutes=args.bodies, **chosen))
        return _failed(args.out, [])
    from .modalities.run import ModalitiesOptions, run_modalities

    names = ("data", "metrics", "prompts", "seeds", "steps", "crop")
    options = ModalitiesOptions(conditions=args.condition or [], **_given(args, *names))
    run_modalities(options)
    return _failed(args.out, [])


def _run_speed(args: argparse.Namespace) -> int:
    from .speed.run import SpeedOptions, run_speed

    given = _given(args, "steps", "repeats", "threads")
    options = SpeedOptions(
        sizes=args.size,
        dtypes=given.pop("dtype"),
        modes=args.mode,
        peers=not args.no_peers,
        **given,
    )
    run_speed(options)
    return _failed(args.out, [])


def _run_fusion(args: argparse.Namespace) -> int:
    from .fusion.run import FusionOptions, run_fusion

    names = ("pairs", "all_pairs", "window", "guide_seeds", "guide_window")
    options = FusionOptions(protocols=args.protocol, **_given(args, *names))
    result = run_fusion(options)
    parts = [*result["fusion"].values(), *([result["guide"]] if result["guide"] else [])]
    return _failed(args.out, parts)


_RUNS: dict[str, Callable[[argparse.Namespace], int]] = {
    "quality": _run_quality,
    "tradeoff": _run_tradeoff,
    "ablation": _run_ablation,
    "kernel": _run_kernel,
    "speed": _run_speed,
    "modalities": _run_modalities,
    "fusion": _run_fusion,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m benchmarks`.

    Returns:
        The exit code: 0 done, 2 bad usage or bad input, 1 an unexpected failure.
    """

    def work(words: Sequence[str]) -> int:
        args = make_parser().parse_args(words)
        quiet_libraries()
        messages = logging.getLogger(__package__)
        messages.setLevel(logging.INFO)
        messages.handlers = [_Printer()]
        return run(args)

    return run_command(work, argv)
