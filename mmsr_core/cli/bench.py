"""`mmsr bench quality|kernel|speed|modalities|fusion`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

PROTOCOLS = ("p1", "p2", "p2n", "p3", "p4")
_SHARED = "default: from MMSR_SHARED, a folder holding the benchmark data"


def add_parser(subparsers: Subparsers) -> None:
    """Add `bench` with its benchmarks."""
    parser = subparsers.add_parser("bench", help="measure quality, kernels, speed, modalities")
    kinds = parser.add_subparsers(
        dest="bench", required=True, metavar="quality|kernel|speed|modalities|fusion"
    )
    _add_quality(kinds)
    _add_kernel(kinds)
    _add_speed(kinds)
    _add_modalities(kinds)
    _add_fusion(kinds)


def _add_quality(kinds: Subparsers) -> None:
    parser = kinds.add_parser("quality", help="restoration quality beside bicubic and peers")
    option = parser.add_argument
    option("--protocol", nargs="+", default=["p2"], choices=PROTOCOLS)
    option("--data", type=Path, metavar="FOLDER", help=f"full-size pictures ({_SHARED})")
    option(
        "--inputs",
        type=Path,
        metavar="FOLDER",
        help="ready inputs, same names, or one folder per protocol",
    )
    option(
        "--params",
        type=Path,
        metavar="FOLDER",
        help="NAME.npz with s1, s2, theta: the true kernels of p2, p2n",
    )
    option(
        "--metrics", type=Path, metavar="FOLDER", help=f"LPIPS and NIQE parameter files ({_SHARED})"
    )
    option("--peers", type=Path, metavar="FILE.json", help="published rows to show in the table")
    option(
        "--depth-maps",
        type=Path,
        metavar="FOLDER",
        help="inverse depth (white = near) for p3, same names",
    )
    option(
        "--steps",
        type=int,
        nargs="*",
        default=[0, 4],
        help="0 = mean estimate alone; none: bicubic rows only",
    )
    option("--kernel", nargs="+", default=["estimated"], choices=["estimated", "true", "constant"])
    option("--depth", nargs="+", default=["on"], choices=["on", "off", "given"])
    _add_common(parser, Path("runs/bench/quality"))


def _add_kernel(kinds: Subparsers) -> None:
    parser = kinds.add_parser("kernel", help="kernel error with depth given, estimated and absent")
    option = parser.add_argument
    option(
        "--pairs",
        type=Path,
        metavar="FOLDER",
        help="NAME.png with NAME.depth.npy|npz|png: defocus by depth",
    )
    option("--data", type=Path, metavar="FOLDER", help=f"full-size pictures for p2 ({_SHARED})")
    option(
        "--params",
        type=Path,
        metavar="FOLDER",
        help="NAME.npz with s1, s2, theta: the true kernels of p2",
    )
    option("--iterations", type=int, nargs="+", default=[1, 2, 3], help="SVKR iterations")
    option("--depth", nargs="+", default=["given", "on", "off"], choices=["given", "on", "off"])
    _add_common(parser, Path("runs/bench/kernel"))


def _add_speed(kinds: Subparsers) -> None:
    parser = kinds.add_parser("speed", help="load time, time per stage, peak memory")
    option = parser.add_argument
    option("--size", type=int, default=128, help="side of the square input, pixels")
    option("--scale", type=int, default=4)
    option("--steps", type=int, default=4)
    option("--repeats", type=int, default=5)
    option("--dtype", nargs="+", default=["float32", "bfloat16"])
    option("--threads", type=int, help="torch threads (default: torch's choice)")
    option("--model", default="small", help="model name or weights folder")
    option("--device", default="auto")
    option("--seed", type=int, default=0)
    option("--out", type=Path, default=Path("runs/bench/speed"), metavar="DIR")


def _add_modalities(kinds: Subparsers) -> None:
    parser = kinds.add_parser("modalities", help="what each modality contributes")
    option = parser.add_argument
    option("--data", type=Path, metavar="FOLDER", help=f"full-size pictures ({_SHARED})")
    option("--metrics", type=Path, metavar="FOLDER", help=f"LPIPS parameter files ({_SHARED})")
    option("--prompts", type=Path, metavar="FILE.json", help="picture name to text")
    option("--condition", nargs="+", metavar="NAME", help="default: all; see benchmarks/README.md")
    option("--seeds", type=int, nargs="+", default=[0, 1, 2])
    option("--steps", type=int, default=4)
    option("--crop", type=int, default=256, help="side of the square from the middle, HR px")
    _add_common(parser, Path("runs/bench/modalities"))


def _add_fusion(kinds: Subparsers) -> None:
    parser = kinds.add_parser("fusion", help="two sensors: fusion metrics, guided restoration")
    option = parser.add_argument
    option(
        "--pairs",
        type=Path,
        metavar="TAR|FOLDER",
        help=f"visible/NAME with infrared/NAME ({_SHARED})",
    )
    option(
        "--protocol",
        nargs="+",
        default=["bicubic", "p2"],
        choices=["bicubic", "p1", "p2", "p2n"],
        help="how both sources are degraded",
    )
    option("--all-pairs", action="store_true", help="not only those that training never saw")
    option(
        "--window", type=int, default=0, metavar="PX", help="fuse the central window only; 0: all"
    )
    option(
        "--guide-seeds", type=int, default=3, metavar="N", help="0 leaves guided restoration out"
    )
    option("--guide-window", type=int, default=128, metavar="PX")
    _add_common(parser, Path("runs/bench/fusion"))


def _add_common(parser: argparse.ArgumentParser, out: Path) -> None:
    option = parser.add_argument
    option("--limit", type=int, metavar="N", help="only the first N pictures")
    option("--scale", type=int, default=4)
    option("--model", default="small", help="model name or weights folder")
    option("--device", default="auto")
    option("--dtype", default="auto")
    option("--seed", type=int, default=0, help="seed of synthesised inputs and of the flow")
    option("--out", type=Path, default=out, metavar="DIR", help="JSON and Markdown go here")


def run(args: argparse.Namespace) -> int:
    """Run the benchmark that was asked for.

    Returns:
        0, or 2 when a picture failed and was left out.
    """
    if args.bench == "quality":
        return _run_quality(args)
    if args.bench == "kernel":
        return _run_kernel(args)
    if args.bench == "modalities":
        return _run_modalities(args)
    if args.bench == "fusion":
        return _run_fusion(args)
    return _run_speed(args)


def _run_quality(args: argparse.Namespace) -> int:
    from ..bench.options import QualityOptions
    from ..bench.quality import run_quality

    options = QualityOptions(
        protocols=args.protocol,
        out=args.out,
        data=args.data,
        inputs=args.inputs,
        params=args.params,
        metrics=args.metrics,
        peers=args.peers,
        depth_maps=args.depth_maps,
        steps=args.steps,
        kernels=args.kernel,
        depths=args.depth,
        limit=args.limit,
        scale=args.scale,
        model=args.model,
        device=args.device,
        dtype=args.dtype,
        seed=args.seed,
    )
    return _finish(args.out, run_quality(options, print)["protocols"].values())


def _run_kernel(args: argparse.Namespace) -> int:
    from ..bench.kernel import KernelOptions, run_kernel

    options = KernelOptions(
        out=args.out,
        pairs=args.pairs,
        data=args.data,
        params=args.params,
        iterations=args.iterations,
        depths=args.depth,
        limit=args.limit,
        scale=args.scale,
        model=args.model,
        device=args.device,
        dtype=args.dtype,
        seed=args.seed,
    )
    return _finish(args.out, run_kernel(options, print)["sets"].values())


def _run_modalities(args: argparse.Namespace) -> int:
    from ..bench.modalities import ModalitiesOptions, run_modalities

    options = ModalitiesOptions(
        out=args.out,
        data=args.data,
        metrics=args.metrics,
        prompts=args.prompts,
        conditions=args.condition or [],
        seeds=args.seeds,
        steps=args.steps,
        crop=args.crop,
        limit=args.limit,
        scale=args.scale,
        model=args.model,
        device=args.device,
        dtype=args.dtype,
    )
    run_modalities(options, print)
    return _finish(args.out, [])


def _run_speed(args: argparse.Namespace) -> int:
    from ..bench.speed import SpeedOptions, run_speed

    options = SpeedOptions(
        out=args.out,
        size=args.size,
        scale=args.scale,
        steps=args.steps,
        repeats=args.repeats,
        dtypes=args.dtype,
        model=args.model,
        device=args.device,
        threads=args.threads,
        seed=args.seed,
    )
    run_speed(options, print)
    return _finish(args.out, [])


def _run_fusion(args: argparse.Namespace) -> int:
    from ..bench.fusion import FusionOptions, run_fusion

    options = FusionOptions(
        out=args.out,
        pairs=args.pairs,
        protocols=args.protocol,
        all_pairs=args.all_pairs,
        window=args.window,
        guide_seeds=args.guide_seeds,
        guide_window=args.guide_window,
        limit=args.limit,
        scale=args.scale,
        model=args.model,
        device=args.device,
        dtype=args.dtype,
        seed=args.seed,
    )
    result = run_fusion(options, print)
    parts = [*result["fusion"].values(), *([result["guide"]] if result["guide"] else [])]
    return _finish(args.out, parts)


def _finish(out: Path, parts: Sequence[dict[str, object]]) -> int:
    failed = sum(len(part["failures"]) for part in parts)  # type: ignore[arg-type]
    print(f"Written to {out}.")
    if failed:
        print(f"{failed} pictures failed and were left out; see the messages above.")
    return 2 if failed else 0
