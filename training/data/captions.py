"""Captions of the photographs: `photos.json`, a list of objects with `name` and `captions`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from mmsr_core.errors import InputError
from mmsr_core.models.network import load_network
from mmsr_core.models.text_encoder import PromptTextEncoder, encode_texts


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


def caption_embeddings(data: str | Path, encoder: str | Path) -> dict[str, Tensor]:
    """Photo name to the embeddings `(k,512)` of its captions.

    Args:
        data: folder with `photos.json`.
        encoder: folder of a prompt encoder.
    """
    net = load_network(Path(encoder), PromptTextEncoder)
    captions = read_captions(Path(data) / "photos.json")
    return {name: encode_texts(net, texts) for name, texts in captions.items()}
