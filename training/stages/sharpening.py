"""Train the sharpening estimator, from a trained damage estimator.

`python -m training.stages.sharpening --data DIR --init runs/damage/damage_estimator
--out runs/sharpening --minutes 60`
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from torch import Tensor

from mmsr_core.degradation import Sharpening, log_gains
from mmsr_core.models import DamageEstimator, SharpeningEstimator
from mmsr_core.models.sharpening_estimator import SharpeningMaps

from ..command import Parser, run_main
from ..data.damages import Damaged, DamageShares
from .common import add_loop_arguments
from .damage import train_on_damaged

SHARES = DamageShares(
    drawings=0.12,
    noise=(0.6, 0.13, 0.09, 0.1, 0.08),
    jpeg=(0.4, 0.36, 0.1, 0.1, 0.04),
    blur=0.4,
    halo=0.5,
    halo_amount=(0.2, 2.0),
    halo_radius_px=(0.5, 3.0),
    noisy_halo=0.5,
    faded=0.12,
    harsh=0.06,
    bars=0.04,
    noise_std=(0.8, 14.0),
    jpeg_quality=(40.0, 97.0),
    blur_std_px=(0.25, 2.0),
)
"""Half of the pictures are sharpened, most in the ways of cameras and editors."""
_WHOLE_WEIGHT = 5.0
"""Weight of the whole picture's error beside that of the places."""


def sharpening_loss(maps: SharpeningMaps, truth: Damaged) -> tuple[Tensor, dict[str, Tensor]]:
    """Negative log-likelihood (Laplace) of every place, and the whole picture's absolute error."""
    amount, radius = truth.sharpening.to(maps.log_gains).unbind(1)
    wanted = log_gains(Sharpening(amount, radius))
    off = (maps.log_gains - wanted[:, :, None, None]).abs()
    likelihood = (off / maps.errors + maps.errors.log()).mean()
    whole = SharpeningMaps(maps.log_gains, maps.errors.detach()).whole()[0]
    coarse, fine = (whole - wanted).abs().mean(0)
    loss = 0.3 * likelihood + _WHOLE_WEIGHT * (coarse + fine)
    return loss, {"coarse": coarse, "fine": fine}


def started_from(damage: DamageEstimator) -> SharpeningEstimator:
    """A net that sees what a trained damage estimator does, and says nothing of it yet."""
    net = SharpeningEstimator(damage.config["widths"], damage.config["dilations"])
    known = {k: v for k, v in damage.state_dict().items() if not k.startswith("conv_out")}
    net.load_state_dict(known, strict=False)
    return net


def main() -> None:
    """Command line of the sharpening stage."""
    parser = Parser(description=__doc__)
    add_loop_arguments(parser, batch=16, lr=1e-3, patch_unit=16)
    parser.set_defaults(patch=128)
    parser.add_argument("--init", required=True, help="damage_estimator or own folder")
    args = parser.parse_args()
    start = partial(_start, Path(args.init))
    train_on_damaged(args, start, sharpening_loss, "sharpening_estimator", SHARES)


def _start(folder: Path) -> SharpeningEstimator:
    if folder.name == "damage_estimator":
        return started_from(DamageEstimator.from_pretrained(folder))
    return SharpeningEstimator.from_pretrained(folder)


if __name__ == "__main__":
    sys.exit(run_main(main))
