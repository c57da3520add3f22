"""Fixtures of the training tests."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

WriteShard = Callable[..., None]


@pytest.fixture
def write_shard() -> WriteShard:
    """Writes pictures to `photos_0.tar` of a new data folder, and their rows to `photos.json`."""

    def write(
        folder: Path, pictures: Mapping[str, Image.Image], rows: Mapping[str, dict] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(folder / "photos_0.tar", "w") as tar:
            for name, picture in pictures.items():
                stream = io.BytesIO()
                picture.save(stream, "PNG")
                entry = tarfile.TarInfo(name)
                entry.size = stream.tell()
                stream.seek(0)
                tar.addfile(entry, stream)
        if rows is not None:
            listed = [{"name": name, "captions": [], **row} for name, row in rows.items()]
            (folder / "photos.json").write_text(json.dumps(listed))

    return write
