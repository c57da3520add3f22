"""What a run was trained on, written beside its checkpoint: `data.json`, a list.

Each entry is what one start of the run used; a run that is resumed with other pictures has more
than one. `training.tools.export` copies the list into the weights' `training.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmsr_core.image import atomic_write_text

from .photos import Photo, read_list

RECORD_FILE = "data.json"
NOT_STATED = "not stated"
"""Stands for the licence of pictures whose `photos.json` has none."""


def describe(photos: Sequence[Photo], folders: Sequence[str | Path]) -> dict[str, Any]:
    """Number and megapixels of photographs, in all and of each source with its licence.

    Args:
        photos: what is trained on.
        folders: data folders, whose lists say where the photographs come from.
    """
    known = {row["name"]: row for folder in folders for row in read_list(folder)}
    sources: dict[str, dict[str, Any]] = {}
    for photo in photos:
        row = known.get(photo.name, {})
        source = str(row.get("source") or photo.name.split("_")[0])
        terms = str(row.get("licence") or NOT_STATED)
        part = sources.setdefault(source, {"photos": 0, "megapixels": 0.0, "licences": []})
        part["photos"] += 1
        part["megapixels"] += photo.pixels.shape[0] * photo.pixels.shape[1] / 1e6
        part["licences"] = sorted({*part["licences"], terms})
    total = sum(part["megapixels"] for part in sources.values())
    for part in sources.values():
        part["megapixels"] = round(part["megapixels"], 1)
    sources = dict(sorted(sources.items()))
    return {"photos": len(photos), "megapixels": round(total, 1), "sources": sources}


def read_record(run: str | Path) -> list[dict[str, Any]]:
    """The entries of a run folder; none where it keeps no record."""
    path = Path(run) / RECORD_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def write_record(run: str | Path, entry: dict[str, Any]) -> None:
    """Add an entry to a run's record, unless the last one is the same."""
    found = read_record(run)
    if found[-1:] != [entry]:
        Path(run).mkdir(parents=True, exist_ok=True)
        atomic_write_text(Path(run) / RECORD_FILE, json.dumps([*found, entry], indent=2) + "\n")


def origin_of(weights: str | Path) -> dict[str, Any]:
    """What is known of the data behind a network that a run starts from or works with.

    Args:
        weights: folder of a network or of a whole set of weights; or a file, of which only the name
            is known.

    Returns:
        `weights`, the end of the path, and `data`: the record of its run, or of the set of weights
        that it is part of, or "not recorded".
    """
    path = Path(weights)
    name = "/".join(path.resolve().parts[-2:])
    data: Any = read_record(path.parent)
    for folder, keys in ((path.parent, (path.name,)), (path, ())):
        notes = folder / "training.json"
        if not data and notes.is_file():
            listed = json.loads(notes.read_text(encoding="utf-8"))
            parts = {k: v["data"] for k, v in listed.items() if "data" in v}
            data = parts.get(keys[0]) if keys else parts
    return {"weights": name, "data": data or "not recorded"}
