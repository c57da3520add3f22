"""`python -m benchmarks real`: pairs of a real camera, where nobody knows the damage."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm import tqdm

from mmsr_core.image import load_image
from mmsr_core.metrics import weave
from mmsr_core.pipeline import combine_prior, load_pipeline
from mmsr_core.types import PRESETS

from .arguments import RealOptions
from .inputs import sources
from .quality.bicubic import bicubic_results
from .quality.measure import Figures, Measurer, mean_figures
from .report.environment import begin_report, provenance, write_report
from .report.failures import FAILURES, finish, leave_out
from .report.table import format_figure, markdown_table

if TYPE_CHECKING:
    from mmsr_core.pipeline import MMSREngine

_LOG = logging.getLogger(__name__)
_COLUMNS = (
    ("psnr_y", "PSNR-Y", 2),
    ("ssim_y", "SSIM-Y", 4),
    ("lpips", "LPIPS", 4),
    ("weave", "weave", 2),
)
_OFF = "faithful, consistency off"
_TRUSTS = (0.25, 0.5, 0.75, 1.0)


def run(options: RealOptions) -> int:
    """Write `real.json` and `real.md` into the output folder.

    Returns:
        How many pictures failed.
    """
    default = sources.shared_path("data", "real_dev")
    folder = sources.need_folder(options.pairs or default, "pairs in lr/ and hr/", "--pairs")
    metrics = options.metrics or sources.shared_path("metrics")
    pictures = sources.list_pictures(folder / "lr", options.limit)
    result = begin_report("real", options.out, asdict(options), "sets")
    pipe = load_pipeline(options.model, device=options.device, torch_dtype=options.dtype)
    measurer = Measurer.from_folder(metrics, crop=options.scale)
    peers = sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in ("lr", "hr"))
    rows: dict[str, dict[str, Figures]] = {}
    failures: dict[str, str] = {}
    for path in tqdm(pictures, unit="picture"):
        try:
            answers = _answers(pipe, path, peers, options)
            hr = load_image(folder / "hr" / path.name).rgb
            for name, answer in answers.items():
                added = answer - answers["faithful"]
                own: Figures = {"weave": float(weave(added)) if bool(added.any()) else None}
                rows.setdefault(name, {})[path.stem] = measurer(answer, hr) | own
            missing: Figures = {"weave": float(weave(hr - answers["faithful"]))}
            rows.setdefault("the truth", {})[path.stem] = missing
        except FAILURES as error:
            leave_out(failures, "real", path.name, error)
    methods = {m: {"mean": _means(list(r.values())), "images": r} for m, r in rows.items()}
    result["sets"]["real"] = {
        "pictures": len(pictures) - len(failures), "methods": methods, "failures": failures,
    }  # fmt: skip
    write_report(options.out, result, real_markdown(result))
    _LOG.info(real_markdown(result))
    return finish(options.out, result["sets"].values())


@torch.no_grad()
def _answers(
    pipe: MMSREngine, path: Path, peers: list[Path], options: RealOptions
) -> dict[str, Tensor]:
    """Method -> `(1,3,H,W)` for one input."""
    lr = load_image(path).rgb
    made = {"bicubic": bicubic_results(lr, options.scale)["bicubic"]}
    for name, preset in PRESETS.items():
        made[name] = pipe(
            lr, scale=options.scale, steps=preset.steps, detail=preset.detail, seed=options.seed
        ).images.cpu()
    made[_OFF] = pipe(lr, scale=options.scale, steps=0, consistency="off").images.cpu()
    estimate = pipe.estimate_degradation(lr, options.scale)
    for peer in peers:
        prior = load_image(peer / path.name).rgb
        made[peer.name] = prior
        made[f"half of {peer.name}, half faithful"] = (prior + made["faithful"]) / 2
        for trust in _TRUSTS:
            merged = combine_prior(lr, estimate, made["faithful"], prior, trust)
            made[f"{peer.name} merged, trust {trust:g}"] = merged.images.cpu()
    return made


def _means(rows: list[Figures]) -> Figures:
    """Means, but the median of the weave, which a single striped picture would decide."""
    found = mean_figures(rows)
    values = [row["weave"] for row in rows if row.get("weave") is not None]
    found["weave"] = float(torch.tensor(values).median()) if values else None
    return found


def real_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    options, item = result["options"], result["sets"]["real"]
    head = (
        "# Real camera pairs\n\n"
        f"{provenance(result['environment'])}; model {options['model']}, {item['pictures']} "
        f"pictures, x{options['scale']}, seed {options['seed']}.\n\n"
        "Weave: fine energy along the axes over that along the diagonals, of what a method adds to "
        "the faithful result; median over the pictures. The truth's own row is what it has to be "
        "compared with.\n"
    )
    body = [
        [method, *(format_figure(entry["mean"].get(key), digits) for key, _, digits in _COLUMNS)]
        for method, entry in item["methods"].items()
    ]
    table = markdown_table(["method", *(heading for _, heading, _ in _COLUMNS)], body)
    left_out = [f"Left out: {name}: {reason}\n" for name, reason in item["failures"].items()]
    return "\n".join([head, table, *left_out])
