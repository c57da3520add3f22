"""Weights on disk: an ordinary diffusers folder, safetensors only, with its SHA-256 sums."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from .errors import WeightsError
from .optional import require
from .types import CONFIG_FILE, WEIGHTS_FILE

COMPONENTS = ("depth_estimator", "kernel_estimator", "mean_net", "denoiser")
OPTIONAL_COMPONENTS = (
    "damage_estimator",
    "mean_net_low",
    "sharpening_estimator",
    "prompt_encoder",
    "fusion_net",
)
"""Networks that a weights folder may have. Without them noise and JPEG are measured coarsely, low
scales have no mean net of their own, and there are no prompts and no second sensor."""
SUMS_FILE = "checksums.json"
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_HUB_FILES = ("*.safetensors", "*.json", "*.md")


def _files(parts: Iterable[str]) -> list[str]:
    return [f"{part}/{name}" for part in parts for name in (CONFIG_FILE, WEIGHTS_FILE)]


_REQUIRED = _files(COMPONENTS)


def weights_roots() -> list[Path]:
    """Folders that are searched for named weights, in order.

    `MMSR_WEIGHTS` (environment), the copy inside an installed wheel, the `weights` folder of a
    clone.
    """
    package = Path(__file__).resolve().parent
    own = os.environ.get("MMSR_WEIGHTS")
    roots = [Path(own)] if own else []
    return [*roots, package / "_weights", package.parent / "weights"]


def available_weights() -> dict[str, Path]:
    """Complete weights that ship: name to folder."""
    found: dict[str, Path] = {}
    for root in weights_roots():
        if root.is_dir():
            for folder in sorted(root.iterdir()):
                if folder.name not in found and not missing_parts(folder):
                    found[folder.name] = folder
    return found


def missing_parts(folder: Path) -> list[str]:
    """Files that a weights folder lacks."""
    return [name for name in _REQUIRED if not (folder / name).is_file()]


def find_weights(model: str | Path) -> Path:
    """The folder of `model`: a name of shipped weights, a path, or `owner/name` on the hub.

    Raises:
        WeightsError: there is no such folder or repository, or it is incomplete.
        MissingPackageError: the hub is meant, and huggingface_hub is not installed.
    """
    named = available_weights()
    if str(model) in named:
        return named[str(model)]
    folder = Path(model).expanduser()
    if not folder.is_dir():
        for shipped in (root / str(model) for root in weights_roots()):
            if shipped.is_dir():
                lacking = ", ".join(missing_parts(shipped))
                raise WeightsError(f"The weights {shipped} are incomplete: {lacking} missing.")
        if isinstance(model, str) and _HUB_NAME.fullmatch(model):
            folder = _download(model)
        else:
            names = ", ".join(named) or "none"
            raise WeightsError(
                f"There are no weights {str(model)!r}: neither shipped (found: {names}), nor a "
                "folder, nor owner/name on the hub."
            )
    if missing := missing_parts(folder):
        raise WeightsError(f"The weights folder {folder} lacks {', '.join(missing)}.")
    return folder


def _download(repository: str) -> Path:
    """The local copy of a repository on the hub."""
    hub = require("huggingface_hub", "hub", f"Loading {repository!r} from the hub")
    try:
        return Path(hub.snapshot_download(repository, allow_patterns=_HUB_FILES))
    except (OSError, ValueError) as error:  # what huggingface_hub raises, offline included
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"There are no weights {repository!r}: no such folder, and the hub says: {reason}"
        ) from None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_sums(folder: Path) -> None:
    """List the SHA-256 of every safetensors and config file of `folder` in `checksums.json`."""
    files = sorted([*folder.rglob("*.safetensors"), *folder.rglob("config.json")])
    sums = {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
    (folder / SUMS_FILE).write_text(json.dumps(sums, indent=2) + "\n")


def verify_folder(folder: Path) -> bool:
    """Check every file listed in `checksums.json`.

    Returns:
        False when the folder has no such list (a user's own weights).

    Raises:
        WeightsError: a listed file is missing or differs.
    """
    listing = folder / SUMS_FILE
    if not listing.is_file():
        return False
    try:
        sums = json.loads(listing.read_text())
    except ValueError as error:
        raise WeightsError(f"{listing} is not valid JSON: {error}.") from None
    if not isinstance(sums, dict):
        raise WeightsError(
            f"{listing} must map file names to SHA-256 sums, but is a {_kind(sums)}."
        )
    if unlisted := [name for name in _present(folder) if name not in sums]:
        raise WeightsError(f"{listing} does not list {', '.join(unlisted)}. Download it again.")
    for name, expected in sums.items():
        if not isinstance(expected, str):
            raise WeightsError(f"{listing}: the sum of {name} must be text. Download it again.")
        path = folder / name
        if not path.is_file():
            raise WeightsError(f"{path} is listed in {SUMS_FILE}, but missing. Download it again.")
        actual = file_sha256(path)
        if actual != expected:
            raise WeightsError(
                f"{path} has SHA-256 {actual[:12]}..., but {expected[:12]}... is listed: "
                "the file was altered or not downloaded whole. Download it again."
            )
    return True


def _present(folder: Path) -> list[str]:
    """Files of every network that would be loaded from a weights folder."""
    return [*_REQUIRED, *_files(p for p in OPTIONAL_COMPONENTS if (folder / p).is_dir())]


def _kind(value: object) -> str:
    return type(value).__name__
