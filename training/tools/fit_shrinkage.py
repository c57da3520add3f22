"""Fit the amount by which estimated kernel fields are shrunk, on held-out photographs.

`python -m training.tools.fit_shrinkage --data DIR --depth-file NPZ
--kernel-weights weights/small/kernel_estimator [--write]`

Whole photographs are blurred by constant, smooth and depth-driven fields, half of them with noise
or JPEG; for each candidate the kernel error is compared with that of the estimate as it is.
`--write` puts the chosen one into the estimator's configuration (`shrinkage`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.degradation import SynthesisConfig, shrink_codes, synthesise
from mmsr_core.models import KernelEstimator
from mmsr_core.models.network import load_network
from mmsr_core.types import CONFIG_FILE
from mmsr_core.weights import write_sums

from ..command import COUNT_OR_0, SEED, Parser, run_main
from ..data.batches import imperfect_depth
from ..data.photos import Photo, load_photos, split

SCALE = 4
CANDIDATES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08)
HARM_DB = 0.02
"""The largest candidate is chosen that makes no set worse by more than this."""
GAUSSIAN, RESIZE = (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)
SETS = {
    "constant": SynthesisConfig(families=GAUSSIAN, layouts=(1, 0, 0, 0), clean_share=0.5),
    "resize filter": SynthesisConfig(families=RESIZE, layouts=(1, 0, 0, 0), clean_share=0.5),
    "smooth": SynthesisConfig(families=GAUSSIAN, layouts=(0, 1, 0, 0), clean_share=0.5),
    "depth": SynthesisConfig(families=GAUSSIAN, layouts=(0, 0, 0, 1), clean_share=0.5),
}


def whole(photo: Photo, most: int = 512) -> tuple[Tensor, Tensor | None]:
    """The middle of a photograph `(1,3,H,W)`, and its depth at the LR pixels `(1,1,h,w)`."""
    unit = 4 * SCALE
    height, width = (min(most, n) // unit * unit for n in photo.pixels.shape[:2])
    top, left = (photo.pixels.shape[0] - height) // 2, (photo.pixels.shape[1] - width) // 2
    pixels = photo.pixels[top : top + height, left : left + width].copy()
    hr = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    if photo.depth is None:
        return hr, None
    depth = torch.from_numpy(photo.depth.copy())[None, None].float() / 255
    depth = F.interpolate(depth, size=photo.pixels.shape[:2], mode="bilinear")
    depth = depth[..., top : top + height, left : left + width]
    return hr, F.interpolate(depth, size=(height // SCALE, width // SCALE), mode="area")


@torch.no_grad()
def kernel_errors(
    net: KernelEstimator, photos: list[Photo], config: SynthesisConfig, seed: int
) -> Tensor:
    """Error energy in dB for each of `CANDIDATES`, relative to the first; mean over `photos`."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for photo in photos:
        hr, depth = whole(photo)
        made = synthesise(hr, SCALE, generator, config, None if depth is None else depth[:, 0])
        shown = None if depth is None else imperfect_depth(depth, generator)
        codes = net.basis.encode(net(made.lr, SCALE, shown).kernels)
        fields = (shrink_codes(codes.clone(), net.basis, e, shown) for e in CANDIDATES)
        errors = [(net.basis.decode(f) - made.kernels).square().mean() for f in fields]
        rows.append(10 * torch.log10(torch.stack(errors) / errors[0]))
    return torch.stack(rows).mean(0)


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--depth-file")
    parser.add_argument("--kernel-weights", type=Path, required=True)
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--threads", type=COUNT_OR_0, default=0)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    net = load_network(args.kernel_weights, KernelEstimator).eval()
    photos = split(load_photos(args.data, args.depth_file))[1]
    totals: dict[str, Tensor] = {}
    print("change of the kernel error, dB:", *(f"{e:>7g}" for e in CANDIDATES))
    for name, config in SETS.items():
        totals[name] = kernel_errors(net, photos, config, args.seed)
        print(f"{name:>30s}:", *(f"{v:7.2f}" for v in totals[name].tolist()), flush=True)
    mean = torch.stack(list(totals.values())).mean(0)
    worst = torch.stack(list(totals.values())).amax(0)
    best = max(e for e, change in zip(CANDIDATES, worst.tolist(), strict=True) if change <= HARM_DB)
    print(f"{'mean':>30s}:", *(f"{v:7.2f}" for v in mean.tolist()), f"  chosen: {best:g}")
    if args.write:
        path = args.kernel_weights / CONFIG_FILE
        entry = {**json.loads(path.read_text()), "shrinkage": best}
        path.write_text(json.dumps(entry, indent=2, sort_keys=True) + "\n")
        if (args.kernel_weights.parent / "model_index.json").is_file():
            write_sums(args.kernel_weights.parent)


if __name__ == "__main__":
    sys.exit(run_main(main))
