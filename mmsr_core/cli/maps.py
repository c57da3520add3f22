"""Pictures of what `mmsr upscale` measured: their names, and the files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..types import MODALITIES
from .arguments import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipeline import RestorationOutput


def check_map_names(maps: Path, steps: int, stems: Sequence[str], others: Sequence[Path]) -> None:
    """No map may replace another file of this run, or the map of another picture.

    Args:
        maps: The folder of the maps.
        steps: Sampling steps of the run.
        stems: How the names of each picture's maps begin, with their place below the folder.
        others: Every other file that the run reads or writes.

    Raises:
        UsageError: one would.
    """
    taken = {os.path.realpath(path): "another file of this run" for path in others}
    earlier = [f"_step{n}" for n in range(1, steps)]
    kinds = ["kernel_map", "depth", "prompt"]
    kinds += [f"weight_{name}{step}" for name in MODALITIES for step in ("", *earlier)]
    for stem in stems:
        for name in (maps / f"{stem}_{kind}.png" for kind in kinds):
            if what := taken.get(os.path.realpath(name)):
                raise UsageError(f"The map {name} would replace {what}; choose another --maps.")
            taken[os.path.realpath(name)] = f"a map of {stem}"


def write_maps(folder: Path, stem: str, lr: Tensor, output: RestorationOutput) -> None:
    """Write the kernels, the depth and the weights of one picture as pictures.

    Args:
        folder: Where.
        stem: How their names begin, with their place below the folder.
        lr: The picture, `(1,3,h,w)` in 0..1.
        output: What was found about it.
    """
    from ..image import make_folder, save_image
    from ..visualize import depth_map, heat, kernel_map

    make_folder((folder / stem).parent)
    field = output.estimate.kernel_field
    save_image(folder / f"{stem}_kernel_map.png", kernel_map(field, lr)[None])
    if output.estimate.inverse_depth is not None:
        depth = depth_map(output.estimate.inverse_depth)[None]
        save_image(folder / f"{stem}_depth.png", depth, bit_depth=16)
    for name, weights in output.weight_maps.items():
        picture = heat(weights[0, 0].float(), 0.0, 1.0)[None]
        save_image(folder / f"{stem}_weight_{name}.png", picture)
    for step, maps in enumerate(output.weight_steps[:-1], 1):
        for name, weights in maps.items():
            picture = heat(weights[0, 0].float(), 0.0, 1.0)[None]
            save_image(folder / f"{stem}_weight_{name}_step{step}.png", picture)
    if output.prompt_mask is not None:
        mask = heat(output.prompt_mask[0, 0].float(), 0.0, 1.0)[None]
        save_image(folder / f"{stem}_prompt.png", mask)
