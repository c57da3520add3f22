"""Captions of the photographs: `photos.json`, a list of objects with `name` and `captions`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from mmsr_core.models.network import load_network
from mmsr_core.models.text_encoder import PromptTextEncoder, encode_texts

from .photos import LIST_FILE, read_rows


def read_captions(path: Path) -> dict[str, list[str]]:
    """File name -> captions, of the pictures that have any."""
    found = {row["name"]: [str(c) for c in row["captions"]] for row in read_rows(path, "captions")}
    return {name: captions for name, captions in found.items() if captions}


def captions_of(folders: Sequence[str | Path]) -> dict[str, list[str]]:
    """File name -> captions, of the pictures of several data folders that have any."""
    return {k: v for folder in folders for k, v in read_captions(Path(folder) / LIST_FILE).items()}


def caption_embeddings(folders: Sequence[str | Path], encoder: str | Path) -> dict[str, Tensor]:
    """Photo name to the embeddings `(k,512)` of its captions.

    Args:
        folders: data folders with `photos.json`.
        encoder: folder of a prompt encoder.
    """
    net = load_network(Path(encoder), PromptTextEncoder)
    return {name: encode_texts(net, texts) for name, texts in captions_of(folders).items()}
