"""Write the pairs of picture and depth for the kernel benchmark: held-out scenes, RGB-D frames.

`python -m benchmarks.inputs.make_depth_pairs --out runs/pairs [--rgbd rgbd_7scenes.tar] [--photos
photos_1.tar]`

Scenes use seeds that training never renders. RGB-D frames are the held-out last ones; unknown
depth is filled from the nearest known pixel. Their pictures are halved, which removes most of the
camera's own blur.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt

from mmsr_core.image import make_folder
from training.command import COUNT_OR_0, Parser, run_main
from training.data.depth_frames import read_photos, read_rgbd
from training.scenes.render import render_scene
from training.scenes.textures import TextureBank

FIRST_SEED = 9_000_000


def fill_unknown(inverse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace NaN by the value of the nearest known pixel."""
    index = distance_transform_edt(np.isnan(inverse), return_distances=False, return_indices=True)
    return inverse[tuple(np.asarray(index))]


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--rgbd", help="rgbd_7scenes.tar; without it, scenes only")
    parser.add_argument("--photos", help="photos_*.tar for textures; without it, generated ones")
    parser.add_argument("--scenes", type=COUNT_OR_0, default=12)
    args = parser.parse_args()
    out = Path(args.out)
    make_folder(out)
    bank = TextureBank(read_photos(Path(args.photos), 60)) if args.photos else None
    for seed in range(FIRST_SEED, FIRST_SEED + args.scenes):
        scene = render_scene(seed, 384, 512, bank)
        pixels = (scene.image.transpose(1, 2, 0) * 255).clip(0, 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(out / f"scene_{seed}.png")
        np.save(out / f"scene_{seed}.depth.npy", scene.inverse_depth)
    if args.rgbd:
        _, held_out = read_rgbd(Path(args.rgbd))
        for i, (image, inverse) in enumerate(zip(held_out.images, held_out.inverse, strict=True)):
            Image.fromarray(image).save(out / f"frame_{i:02}.png")
            np.save(out / f"frame_{i:02}.depth.npy", fill_unknown(inverse))


if __name__ == "__main__":
    sys.exit(run_main(main))
