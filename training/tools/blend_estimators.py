"""Put two estimators into one: the trunk of one, the statistics of another.

`python -m training.tools.blend_estimators --trunk OLD --table runs/kernel/from_table --out DIR`

The logits of the taps are averaged, `(1 - share)` of the trunk's and `share` of the statistics', so
the kernel is the normalised geometric mean of both; two experts that err in different places. Noise
and JPEG come from the statistics alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from mmsr_core.errors import InputError
from mmsr_core.models import KernelEstimator

from ..command import SHARE, Parser, run_main
from .export import save_component
from .extend import extend_estimator


@torch.no_grad()
def blend(trunk: KernelEstimator, table: KernelEstimator, share: float) -> KernelEstimator:
    """One estimator of both.

    Args:
        trunk: gives the trunk, the depth branch and the basis; without statistics of its own.
        table: gives the statistics branch, as `read_cells` uses it.
        share: of the statistics' logits, 0..1.

    Raises:
        InputError: share out of range, a trunk with statistics or a table without.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share must lie in 0..1, but is {share}.")
    if trunk.statistics is not None or table.statistics is None:
        raise InputError("The trunk must come without statistics, the table with them.")
    made = extend_estimator(trunk, table.config.statistics_windows)
    branch, last = made.statistics, made.head[3]
    assert branch is not None
    branch.load_state_dict(table.statistics.state_dict())
    for unused in (branch.features, made.damage[3]):
        for parameter in unused.parameters():
            parameter.zero_()
    for parameter in branch.logits.parameters():
        parameter.mul_(share)
    for own, other in zip(last.parameters(), table.head[3].parameters(), strict=True):
        own.mul_(1 - share)
        if own.ndim == 1:  # the bias
            own.add_(other, alpha=share)
    return made.eval()


def main() -> None:
    """Command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--trunk", type=Path, required=True, help="kernel_estimator folder")
    parser.add_argument("--table", type=Path, required=True, help="from_table of a kernel run")
    parser.add_argument("--share", type=SHARE, default=0.2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    nets = [KernelEstimator.from_pretrained(folder) for folder in (args.trunk, args.table)]
    args.out.mkdir(parents=True, exist_ok=True)
    save_component(blend(nets[0], nets[1], args.share), args.out)


if __name__ == "__main__":
    sys.exit(run_main(main))
