"""Captions of the photographs: `photos.json`, a list of objects with `name` and `captions`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmsr_core.errors import InputError


def read_captions(path: Path) -> dict[str, list[str]]:
    """File name -> captions, of the pictures that have any."""
    try:
        listed: Any = json.loads(path.read_text(encoding="utf-8"))
        found = {str(row["name"]): [str(c) for c in row["captions"]] for row in listed}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be used ({error}). Expected a list of objects with name and captions."
        ) from error
    return {name: captions for name, captions in found.items() if captions}
