"""Name training photographs that are nearly the same as a test picture, or as one another.

`python -m training.tools.find_duplicates --data DIR [DIR ...] --exclude TEST_SET [TEST_SET ...]`

Ends with 1 where a test picture was found among them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from mmsr_core.cli.arguments import whole_number

from ..command import Parser, run_main
from ..data.duplicates import LIMIT_BITS, PictureIndex, add_folder, add_shipped, fingerprint
from ..data.photos import shard_pictures, shards_of


def main(given: Sequence[str] | None = None) -> int:
    """Print what is found; returns 1 where a test picture was, else 0."""
    parser = Parser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="with photos_*.tar")
    parser.add_argument("--exclude", type=Path, nargs="*", default=[], help="test sets")
    parser.add_argument(
        "--limit", type=whole_number(0, 256), default=LIMIT_BITS, help="of 256 bits that may differ"
    )
    args = parser.parse_args(given)
    tests, seen = PictureIndex(args.limit), PictureIndex(args.limit)
    add_shipped(tests)
    for folder in args.exclude:
        add_folder(tests, folder)
    of_tests = of_one_another = 0
    for shard in (shard for folder in args.data for shard in shards_of(folder, needed=True)):
        for name, picture in tqdm(shard_pictures(shard), desc=shard.name, mininterval=5):
            prints = fingerprint(picture)
            if match := tests.closest(prints):
                of_tests += 1
                tqdm.write(f"{name} is nearly the test picture {match.name} ({match.bits} bits)")
            if match := seen.closest(prints):
                of_one_another += 1
                tqdm.write(f"{name} is nearly {match.name} ({match.bits} bits)")
            seen.add(f"{shard.parent.name}/{name}", prints)
    print(
        f"{len(seen)} photographs, {len(tests)} test pictures: {of_tests} photographs are nearly a "
        f"test picture, {of_one_another} nearly another photograph"
    )
    return int(of_tests > 0)


if __name__ == "__main__":
    sys.exit(run_main(main))
