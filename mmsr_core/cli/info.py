"""`mmsr info`: versions, devices and weights."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import MMSRError
from .arguments import add_common

_PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "numpy", "pillow")


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser("info", help="show versions, devices and weights")
    parser.set_defaults(run=run)
    add_common(parser, quiet=False)


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    del args
    print(f"mmsr {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for name in _PACKAGES:
        print(f"  {name} {_version(name)}")
    print("devices")
    for line in _devices():
        print(f"  {line}")
    print("weights")
    for line in _weights():
        print(f"  {line}")
    return 0


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _devices() -> list[str]:
    import torch

    lines = [f"cpu: {torch.get_num_threads()} threads of {os.cpu_count()} cores"]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        lines.append(f"cuda:{index}: {properties.name}, {properties.total_memory / 2**30:.1f} GiB")
    if torch.backends.mps.is_available():
        lines.append("mps: Apple GPU")
    return lines


def _weights() -> list[str]:
    """What ships, with the result of the check of its sums and the figures of its card."""
    from ..weights import missing_parts, verify_folder, weights_roots

    lines: list[str] = []
    seen: set[str] = set()
    for root in (root for root in weights_roots() if root.is_dir()):
        for folder in sorted(path for path in root.iterdir() if path.is_dir()):
            if folder.name in seen:
                continue
            if missing := missing_parts(folder):
                lines.append(f"{folder.name}: {folder}, incomplete, lacks {', '.join(missing)}")
                continue
            seen.add(folder.name)
            megabytes = sum(p.stat().st_size for p in folder.rglob("*.safetensors")) / 1e6
            try:
                state = "SHA-256 checked" if verify_folder(folder) else "no list of SHA-256 sums"
            except MMSRError as error:
                state = f"NOT USABLE: {error}"
            lines.append(f"{folder.name}: {folder}, {megabytes:.1f} MB, {state}")
            lines += [f"  {line}" for line in _card_figures(folder)]
    return lines or ["none found"]


def _card_figures(folder: Path) -> list[str]:
    """The entries of `figures` in the folder's `card.json`, if it has one."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    figures = card.get("figures") if isinstance(card, dict) else None
    if not isinstance(figures, dict):
        return []
    return [f"{name}: {value}" for name, value in figures.items()]
