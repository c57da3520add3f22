"""Make training pictures of our own: text, drawings, screens, pixel art, print, cloth.

`python -m training.tools.draw_pictures --out DIR --count 400`, then
`python -m training.tools.pack_photos --photos DIR --source own --licence "our own" --out DATA`

Nobody else has rights in them. Text is set in the fonts of the machine. The same numbers give the
same pictures; those that are there already are not made again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from mmsr_core.errors import InputError
from mmsr_core.image import save_image

from ..command import COUNT, Parser, run_main
from ..data.drawings import KINDS


def draw(number: int, side: int) -> Tensor:
    """Drawing `number`, `(1,3,side,side)` in 0..1; the kinds take turns."""
    made = KINDS[number % len(KINDS)](side, np.random.default_rng(number)).convert("RGB")
    return torch.from_numpy(np.array(made)).permute(2, 0, 1)[None].float() / 255


def main(given: Sequence[str] | None = None) -> None:
    """Write what is not there yet."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--count", type=COUNT, default=400)
    parser.add_argument("--side", type=COUNT, default=512, help="in px")
    args = parser.parse_args(given)
    if args.count < 1 or args.side < 32:
        raise InputError(
            f"--count is {args.count} and --side {args.side}. Expected at least 1, and 32 px."
        )
    args.out.mkdir(parents=True, exist_ok=True)
    for number in tqdm(range(args.count), desc="drawings", mininterval=5):
        path = args.out / f"{KINDS[number % len(KINDS)].__name__}_{number:05d}.png"
        if not path.is_file():
            save_image(path, draw(number, args.side))


if __name__ == "__main__":
    sys.exit(run_main(main))
