"""Arguments of `python -m benchmarks`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmsr_core.cli.arguments import Parser, add_common

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

BENCHMARKS = ("quality", "tradeoff", "ablation", "kernel", "speed", "modalities", "fusion")
PROTOCOLS = ("p1", "p2", "p2n", "p3", "p4")
_SHARED = "default: from MMSR_SHARED, a folder holding the benchmark data"


def make_parser() -> Parser:
    """The parser of `python -m benchmarks`."""
    parser = Parser(prog="python -m benchmarks", description="Measures quality and speed.")
    kinds = parser.add_subparsers(dest="bench", required=True, metavar="|".join(BENCHMARKS))
    _add_quality(kinds)
    _add_tradeoff(kinds)
    _add_ablation(kinds)
    _add_kernel(kinds)
    _add_speed(kinds)
    _add_modalities(kinds)
    _add_fusion(kinds)
    for kind in kinds.choices.values():
        add_common(kind, quiet=False)
    return parser


def _add_quality(kinds: Subparsers) -> None:
    parser = kinds.add_parser("quality", help="restoration quality beside bicubic and peers")
    option = parser.add_argument
    _add_pictures(parser)
    option(
        "--steps",
        type=int,
        nargs="*",
        default=[0, 4],
        help="0 = mean estimate alone; none: bicubic rows only",
    )
    option("--kernel", nargs="+", default=["estimated"], choices=["estimated", "true", "constant"])
    option("--depth", nargs="+", default=["on"], choices=["on", "off", "given"])
    option(
        "--scale", type=int, nargs="+", default=[4], help="several: results in x2, x3, ... of --out"
    )
    _add_common(parser, Path("runs/bench/quality"), scale=False)


def _add_tradeoff(kinds: Subparsers) -> None:
    parser = kinds.add_parser("tradeoff", help="perception-distortion curve, as table and plot")
    option = parser.add_argument
    _add_pictures(parser)
    option("--steps", type=int, nargs="+", default=[0, 1, 2, 4, 8])
    option("--detail", type=float, nargs="+", default=[0.5, 1.0], help="of the detail dial, 0..2")
    _add_common(parser, Path("runs/bench/tradeoff"))


def _add_ablation(kinds: Subparsers) -> None:
    parser = kinds.add_parser("ablation", help="what each part of the method is worth")
    option = parser.add_argument
    _add_pictures(parser, ready=False)
    option("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of inputs and flow noise")
    option("--group", nargs="+", default=[], metavar="NAME", help="beginnings of names; all")
    option("--quick", action="store_true", help="first seed, first three pictures")
    _add_common(parser, Path("runs/bench/ablation"), seed=False)


def _add_pictures(parser: argparse.ArgumentParser, ready: bool = True) -> None:
    """Pictures and how they are damaged; with `ready` also inputs and rows made before."""
    option = parser.add_argument
    option("--protocol", nargs="+", default=["p2"], choices=PROTOCOLS)
    option("--data", type=Path, metavar="FOLDER", help=f"full-size pictures ({_SHARED})")
    option("--metrics", type=Path, metavar="FOLDER", help=f"LPIPS and NIQE parameters ({_SHARED})")
    option(
        "--depth-maps",
        type=Path,
        metavar="FOLDER",
        help="inverse depth (white = near) for p3, same names; default: seeded scene layouts",
    )
    if not ready:
        return
    option("--inputs", type=Path, metavar="FOLDER", help="ready inputs, or a folder per protocol")
    option("--params", type=Path, metavar="FOLDER", help="NAME.npz with s1, s2, theta of p2, p2n")
    option("--peers", type=Path, metavar="FILE.json", help="published rows to show in the table")


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
    parser = kinds.add_parser("speed", help="time, memory, share of the peak, beside two peers")
    option = parser.add_argument
    option("--size", nargs="+", default=["128"], help="inputs: side in pixels or WIDTHxHEIGHT")
    option("--scale", type=int, default=4)
    option("--steps", type=int, default=4)
    option("--repeats", type=int, default=5)
    option("--dtype", nargs="+", default=["float32", "bfloat16"])
    option("--mode", nargs="+", default=[], help="eager compile graphs; default by the device")
    option("--no-peers", action="store_true", help="ours alone")
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
    option(
        "--bodies",
        type=float,
        metavar="MINUTES",
        help="instead: train an EDSR-like and an RCAN-like body with and without PDN's module",
    )
    option("--photos", type=Path, metavar="FOLDER", help=f"photos_*.tar for --bodies ({_SHARED})")
    _add_common(parser, Path("runs/bench/modalities"), seed=False)


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


def _add_common(
    parser: argparse.ArgumentParser, out: Path, scale: bool = True, seed: bool = True
) -> None:
    option = parser.add_argument
    option("--limit", type=int, metavar="N", help="only the first N pictures")
    if scale:
        option("--scale", type=int, default=4)
    option("--model", default="small", help="model name or weights folder")
    option("--device", default="auto")
    option("--dtype", default="auto")
    if seed:
        option("--seed", type=int, default=0, help="seed of synthesised inputs and of the flow")
    option("--out", type=Path, default=out, metavar="DIR", help="JSON and Markdown go here")
