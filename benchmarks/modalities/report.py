"""The Markdown page of a modalities run."""

from __future__ import annotations

from typing import Any

from ..inputs.conditions import CONDITIONS
from ..report.environment import provenance
from ..report.table import format_figure, markdown_table


def modalities_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    options = result["options"]
    seeds = ", ".join(str(s) for s in options["seeds"])
    head = (
        "# Modalities\n\n"
        f"{provenance(result['environment'])}; model {options['model']}, {options['steps']} steps, "
        f"scale {options['scale']}, crops of {options['crop']} px, seeds {seeds}.\n\n"
        "A change is against the run with all modalities and the learned router: mean and standard "
        "deviation over the seeds. A modality helps where leaving it out lowers PSNR-Y or raises "
        "LPIPS by more than that deviation. Rank correlation (Spearman): of the router's weight at "
        "the last step with how much the error grows without the modality, over regions of 32 px.\n"
    )
    return "\n".join([head, *(_part(n, item) for n, item in result["conditions"].items())])


def _part(name: str, item: dict[str, Any]) -> str:
    condition = next(c for c in CONDITIONS if c.name == name)
    where = "inside" if condition.inside else "outside"
    rows = []
    for row, changes in item["changes"].items():
        modality = row.removeprefix("without ")
        correlation = item["rank_correlation"].get(modality) if modality != row else None
        weight = item["mean_weights"].get(modality) if modality != row else None
        rows.append(
            [
                row,
                _change(changes["psnr_y"], 3),
                _change(changes["lpips"], 4),
                format_figure(weight, 2),
                format_figure(correlation, 2),
            ]
        )
    header = ["run", "PSNR-Y change", "LPIPS change", "mean weight", "rank correlation"]
    table = markdown_table(header, rows)
    return f"## {name} ({where} the training range): {condition.meaning}\n\n{table}\n"


def _change(value: dict[str, float] | None, digits: int) -> str:
    if value is None:
        return "–"
    return f"{value['mean']:+.{digits}f} ± {value['std']:.{digits}f}"
