"""Pack folders of ordinary pictures into `photos_*.tar` and `photos.json`, which training reads.

`python -m training.tools.pack_photos --photos DIR --out DIR --source NAME --licence TERMS
[--exclude TEST_SET ...]`

Pictures of any depth and format are read once, reduced, and kept without loss (WebP). Those that
are nearly the same as a picture of `--exclude`, of this repository's guard and examples, or one
that was packed before, are left out. Every file that is left out is named with the reason. The same
command again goes on with what is new; another one with the same `--out` adds another source.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from mmsr_core.errors import InputError
from mmsr_core.image import atomic_path, atomic_write_text

from ..command import Parser, run_main, type_of
from ..data.duplicates import PictureIndex, add_folder, add_shipped, fingerprint
from ..data.folders import PictureRules, find_pictures, read_training_picture
from ..data.photos import LIST_FILE, read_list, shard_pictures, shards_of

SHARD_BYTES = 256 * 2**20
"""A shard is closed when it has grown to this."""


class Shards:
    """Writes pictures to a new shard of a data folder, and to its list when the shard is whole."""

    def __init__(self, folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
        """Args: data folder, which is made where it is missing; when a shard is closed."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.shard_bytes = shard_bytes
        self.rows: list[dict[str, Any]] = read_list(folder)
        self.names = {str(row["name"]) for row in self.rows}
        self._waiting: list[tuple[dict[str, Any], bytes]] = []

    def add(self, row: dict[str, Any], picture: Image.Image) -> None:
        """Keep a picture; `row` has its `name`, which must be new."""
        stream = io.BytesIO()
        picture.save(stream, "WEBP", lossless=True, quality=40, method=1)
        size = {"width": picture.width, "height": picture.height}
        self._waiting.append(({**row, **size, "captions": []}, stream.getvalue()))
        self.names.add(row["name"])
        if sum(len(data) for _, data in self._waiting) >= self.shard_bytes:
            self.close()

    def close(self) -> None:
        """Write what waits as one shard, then the list."""
        if not self._waiting:
            return
        taken = [int(m[1]) for p in shards_of(self.folder) if (m := re.search(r"_(\d+)$", p.stem))]
        number = max(taken, default=-1) + 1
        with (
            atomic_path(self.folder / f"photos_{number}.tar") as temporary,
            tarfile.open(temporary, "w") as tar,
        ):
            for row, data in self._waiting:
                entry = tarfile.TarInfo(row["name"])
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        self.rows += [{**row, "shard": number} for row, _ in self._waiting]
        atomic_write_text(self.folder / LIST_FILE, json.dumps(self.rows, indent=1) + "\n")
        self._waiting = []


def free_name(source: str, file: str, taken: set[str]) -> str:
    """A name for a picture in a shard: source and path, of letters that every system takes."""
    stem = re.sub(r"[^A-Za-z0-9.-]+", "_", str(Path(file).with_suffix(""))).strip("_.") or "picture"
    name, number = f"{source}_{stem}.webp", 1
    while name in taken:
        number += 1
        name = f"{source}_{stem}_{number}.webp"
    return name


def pack(
    folder: Path, shards: Shards, index: PictureIndex, rules: PictureRules, source: str, terms: str
) -> Counter[str]:
    """Pack the pictures of one folder; returns how many were packed, known and left out, and why.

    Args:
        folder: with pictures, and in folders below it.
        shards: where they go.
        index: pictures that must not come again; what is packed is added.
        rules: what is taken.
        source: name of the set; names of the pictures begin with it.
        terms: licence of the set, in its owner's words.
    """
    known = {row.get("file") for row in shards.rows if row.get("source") == source}
    counts: Counter[str] = Counter()
    try:
        for path in tqdm(find_pictures(folder), desc=source, mininterval=5, unit="picture"):
            file = path.relative_to(folder).as_posix()
            if file in known:
                counts["packed before"] += 1
                continue
            try:
                picture = read_training_picture(path, rules)
            except InputError as error:
                counts["unfit"] += 1
                tqdm.write(f"left out: {error}")
                continue
            prints = fingerprint(picture)
            if match := index.closest(prints):
                counts["duplicates"] += 1
                tqdm.write(
                    f"left out: {path}: nearly {match.name} ({match.bits} of 256 bits differ)"
                )
                continue
            name = free_name(source, file, shards.names)
            index.add(name, prints)
            shards.add({"name": name, "source": source, "licence": terms, "file": file}, picture)
            counts["packed"] += 1
    finally:  # what is packed stays, also when it is interrupted
        shards.close()
    return counts


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder with pictures")
    parser.add_argument("--out", type=Path, required=True, help="data folder to make or add to")
    parser.add_argument("--source", required=True, help="name of the set: letters, digits, hyphens")
    parser.add_argument("--licence", required=True, help='its terms: "CC0-1.0", "research only"')
    parser.add_argument(
        "--exclude", type=Path, nargs="*", default=[], help="test sets and other data to keep out"
    )
    for rule in fields(PictureRules):
        name = "--" + rule.name.replace("_", "-")
        parser.add_argument(name, type=type_of(rule.name, rule.default), default=rule.default)
    args = parser.parse_args(given)
    if not re.fullmatch(r"[A-Za-z0-9-]+", args.source):
        parser.error(f"--source is {args.source!r}: expected letters, digits and hyphens.")
    return args


def main(given: Sequence[str] | None = None) -> None:
    """Pack, and say what was done."""
    args = arguments(given)
    if not args.photos.is_dir():
        raise InputError(f"{args.photos} is not a folder. Give --photos a folder with pictures.")
    index = PictureIndex()
    print(f"{add_shipped(index)} pictures of this repository are kept out")
    for folder in args.exclude:
        print(f"{add_folder(index, folder)} pictures of {folder} are kept out")
    shards = Shards(args.out)
    for shard in shards_of(args.out):
        for name, picture in shard_pictures(shard):
            index.add(name, fingerprint(picture))
    rules = PictureRules(**{rule.name: getattr(args, rule.name) for rule in fields(PictureRules)})
    counts = pack(args.photos, shards, index, rules, args.source, args.licence)
    memory = 3 * sum(row["width"] * row["height"] for row in shards.rows) / 1e9
    print(", ".join(f"{number} {what}" for what, number in counts.items()) or "no pictures")
    print(f"{args.out}: {len(shards.rows)} pictures, {memory:.2f} GB in memory")


if __name__ == "__main__":
    sys.exit(run_main(main))
