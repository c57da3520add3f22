"""What a result depends on besides the code's arguments, and how results are stored."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from mmsr_core.image import atomic_write_text, make_folder

from ..inputs.sources import display_options

_PACKAGES = ("torch", "diffusers", "transformers", "numpy", "pillow", "safetensors")


def describe_environment() -> dict[str, Any]:
    """Commit, hardware and versions, ready for JSON."""
    import torch

    from mmsr_core import __version__

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "time_utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "hardware": {
            "cpu": _cpu_name(),
            "cores": _cores(),
            "torch_threads": torch.get_num_threads(),
            "memory_gb": _memory_gb(),
            "gpu": gpu,
        },
        "versions": {
            "mmsr": __version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            **{name: _version(name) for name in _PACKAGES},
        },
    }


def provenance(environment: dict[str, Any]) -> str:
    """Commit, time and machine in one phrase."""
    hardware = environment["hardware"]
    gpu = hardware["gpu"] or "no GPU"
    return (
        f"Commit {environment['commit'] or 'unknown'}, {environment['time_utc']}, "
        f"{hardware['cpu']} ({hardware['cores']} cores, {gpu}), "
        f"torch {environment['versions']['torch']}"
    )


def begin_report(benchmark: str, out: Path, options: dict[str, Any], *parts: str) -> dict[str, Any]:
    """Make the output folder and begin what the JSON file will hold, its `parts` still empty.

    Raises:
        ImageFileError: nothing can be written there.
    """
    make_folder(out)
    return {
        "benchmark": benchmark,
        "environment": describe_environment(),
        "options": display_options(options),
        **{part: {} for part in parts},
    }


def write_report(out: Path, result: dict[str, Any], page: str) -> None:
    """Write a JSON file and a Markdown page, both named like the benchmark."""
    name = result["benchmark"].replace(" ", "_")
    write_json(out / f"{name}.json", result)
    write_text(out / f"{name}.md", page)


def write_json(path: Path, value: Any) -> None:
    """Write `value` atomically; infinite numbers become the string `inf`, NaN becomes null."""
    text = json.dumps(_jsonable(value), indent=1, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` atomically; the folder is made if it is missing."""
    make_folder(path.parent)
    atomic_write_text(path, text)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def _commit() -> str | None:
    """Commit of the checkout this package lies in, `+changes` if files differ; None outside one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+changes" if _git(root, "status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20, check=True
    )
    return done.stdout.strip()


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None
