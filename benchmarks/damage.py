"""`python -m benchmarks damage`: how well noise, JPEG damage and blur are measured."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch

from mmsr_core.errors import InputError, WeightsError
from training.data.damages import JPEG_KINDS, Damaged, DamageShares, damaged_batches
from training.data.photos import load_photos, split

from .arguments import DamageOptions
from .inputs import sources
from .report.environment import begin_report, provenance, write_report
from .report.table import markdown_table

if TYPE_CHECKING:
    from mmsr_core.models import DamageEstimator, WholeDamage

_LOG = logging.getLogger(__name__)
_NONE = DamageShares(
    drawings=0, grey=0, noise=(1, 0, 0, 0, 0), jpeg=(1, 0, 0, 0, 0), blur=0, halo=0,
    faded=0, harsh=0, bars=0,
)  # fmt: skip
_NOISY = replace(_NONE, noise_std=(4, 20))
_MIXED = replace(_NOISY, noise=(0, 0.4, 0.3, 0.3, 0))
_CODED = replace(
    _NONE, drawings=0.25, grey=0.15, noise=(0.6, 0.1, 0.1, 0.1, 0.1), jpeg_quality=(20, 95)
)
NOISES = {
    "independent": replace(_NOISY, noise=(0, 1, 0, 0, 0)),
    "the same in all channels": replace(_NOISY, noise=(0, 0, 1, 0, 0)),
    "correlated": replace(_NOISY, noise=(0, 0, 0, 1, 0)),
    "grey pictures": replace(_NOISY, grey=1, noise=(0, 0.5, 0.5, 0, 0)),
    "faded pictures": replace(_MIXED, faded=1),
    "much of it black or white": replace(_MIXED, harsh=1),
    "bars or a border": replace(_MIXED, bars=1),
}
CLEAN = {
    "photographs": _NONE,
    "grey photographs": replace(_NONE, grey=1),
    "text, drawings, screens, sprites": replace(_NONE, drawings=1),
}
BLURS = {"none": 0.0, "some": 0.45}
"""Share of noisy pictures: how blur is measured with and without noise."""


def run(options: DamageOptions) -> int:
    """Write `damage.json` and `damage.md` into the output folder.

    Returns:
        0: nothing can be left out.
    """
    folder = options.photos or sources.shared_path("data")
    if folder is None:
        raise InputError("Where are the photographs? Give --photos FOLDER with photos_*.tar.")
    from mmsr_core.pipeline import load_pipeline

    result = begin_report("damage", options.out, asdict(options))
    net = load_pipeline(options.model, device=options.device).damage_estimator
    if net is None:
        raise WeightsError(f"The weights {options.model} have no damage_estimator.")
    _, held_out = split(load_photos(folder))

    def batch(shares: DamageShares) -> Damaged:
        return next(damaged_batches(held_out, options.count, options.size, options.seed, shares))

    result["rows"] = list(_rows(net, batch))
    write_report(options.out, result, damage_markdown(result))
    _LOG.info(damage_markdown(result))
    return 0


def _rows(net: DamageEstimator, batch: Any) -> Iterator[dict[str, Any]]:
    noises = {f"noise 4 to 20 of 255, {name}": shares for name, shares in NOISES.items()}
    noises["noise 20 to 60 of 255"] = replace(_MIXED, noise_std=(20, 60))
    for name, shares in noises.items():
        made = batch(shares)
        found, truth = measure(net, made), made.noise_std.square().mean((1, 2, 3)).sqrt()
        error = (found.noise_std / truth - 1).abs()
        yield _row(name, "%", 100 * error, 100 * found.noise_error_share)
    for index, kind in enumerate(JPEG_KINDS[1:], 1):
        shares = tuple(float(i == index) for i in range(len(JPEG_KINDS)))
        made = batch(replace(_CODED, jpeg=shares))
        found = measure(net, made)
        error = (found.jpeg_quality - made.jpeg_quality).abs()
        yield _row(f"JPEG 20 to 95, {kind}", "points", error, found.jpeg_quality_error)
    for name, share in BLURS.items():
        noise = (1 - share, *(share / 4,) * 4)
        made = batch(replace(_NONE, blur=1, noise=noise, blur_std_px=(0.6, 4.0)))
        found = measure(net, made)
        error = (found.blur_std_px / made.blur_std_px - 1).abs()
        yield _row(f"blur std 0.6 to 4 px, noise: {name}", "%", 100 * error,
                   100 * found.blur_error_share)  # fmt: skip
    for name, shares in CLEAN.items():
        found = measure(net, batch(shares))
        clean = (found.jpeg_quality >= 98) & (found.noise_std < 0.5 / 255)
        yield {"what": f"clean: {name}", "unit": "% read as clean",
               "median": 100 * float(clean.float().mean())}  # fmt: skip


@torch.no_grad()
def measure(net: DamageEstimator, made: Damaged) -> WholeDamage:
    """The numbers of each whole picture, on the CPU."""
    found = net(made.pictures.to(net.device)).to("cpu").whole()
    return found


def _row(what: str, unit: str, error: torch.Tensor, expected: torch.Tensor) -> dict[str, Any]:
    return {
        "what": what,
        "unit": unit,
        "median": float(error.median()),
        "mean": float(error.mean()),
        "expected": float(expected.mean()),
    }


def damage_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    options = result["options"]
    head = (
        "# How well damage is measured\n\n"
        f"{provenance(result['environment'])}; model {options['model']}, {options['count']} "
        f"pictures of {options['size']} px a row from photographs that training has not seen, "
        f"seed {options['seed']}.\n\n"
        "Median and mean absolute error of the whole picture's number, and the mean of the error "
        "that the network itself expects.\n"
    )
    body = [
        [row["what"], row["unit"],
         *(f"{row[key]:.1f}" if key in row else "" for key in ("median", "mean", "expected"))]
        for row in result["rows"]
    ]  # fmt: skip
    return head + "\n" + markdown_table(["", "unit", "median", "mean", "expected"], body)
