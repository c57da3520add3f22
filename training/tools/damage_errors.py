"""How far off estimated noise and JPEG quality are, on held-out photographs at x4.

`python -m training.tools.damage_errors --data DIR --kernel-weights weights/small/kernel_estimator`
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmsr_core.degradation import SynthesisConfig, synthesise
from mmsr_core.models import KernelEstimator, whole_picture_damage
from mmsr_core.models.network import load_network

from ..command import Parser, run_main
from ..data.photos import load_photos, split

SCALE, SIDE = 4, 288
NO_NOISE, NO_JPEG = 0.5 / 255, 99.5
"""Less noise, or better JPEG, counts as none."""


@torch.no_grad()
def damage_errors(
    net: KernelEstimator, crops: Sequence[Tensor], seed: int = 3
) -> tuple[Tensor, Tensor]:
    """Errors of the crops `(3,H,W)` that got noise, and of those that got JPEG.

    Returns:
        Absolute log-ratios of the noise (natural logarithm), and absolute differences of the
        quality; a number for each crop that has it.
    """
    generator = torch.Generator().manual_seed(seed)
    config = SynthesisConfig(clean_share=0.0)
    made = synthesise(torch.stack(tuple(crops)), SCALE, generator, config, None)
    estimate = net(made.lr, SCALE, None)
    damage = (estimate.log_noise, estimate.jpeg_damage)
    noise_std, quality = whole_picture_damage(*(v.mean((1, 2, 3)) for v in damage))
    noisy, coded = made.noise_std > NO_NOISE, made.jpeg_quality < NO_JPEG
    ratio = (noise_std[noisy] / made.noise_std[noisy]).log().abs()
    return ratio, (quality[coded] - made.jpeg_quality[coded]).abs()


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--kernel-weights", type=Path, required=True)
    args = parser.parse_args()
    net = load_network(args.kernel_weights, KernelEstimator).eval()
    crops = []
    for photo in split(load_photos(args.data))[1]:
        if min(photo.pixels.shape[:2]) >= SIDE:
            cut = torch.from_numpy(photo.pixels[:SIDE, :SIDE].copy())
            crops.append(cut.permute(2, 0, 1).float() / 255)
    found = [damage_errors(net, crops, seed) for seed in range(4)]
    noise, quality = (torch.cat(parts) for parts in zip(*found, strict=True))
    print(f"noise: off by {100 * noise.median().expm1():.0f} % (median of {len(noise)})")
    print(f"JPEG quality: off by {quality.median():.1f} (median of {len(quality)})")


if __name__ == "__main__":
    sys.exit(run_main(main))
