"""Markdown tables of results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..quality.measure import COLUMNS, Figures


def format_figure(value: float | None, digits: int) -> str:
    """A number with fixed digits; a dash for a missing one."""
    if value is None or math.isnan(value):
        return "–"
    return "inf" if math.isinf(value) else f"{value:.{digits}f}"


def quality_table(rows: Mapping[str, Figures]) -> str:
    """Method -> means as a Markdown table. Columns without any figure are left out."""
    columns = [c for c in COLUMNS if any(row.get(c[0]) is not None for row in rows.values())]
    body = [
        [method, *(format_figure(row.get(key), digits) for key, _, digits in columns)]
        for method, row in rows.items()
    ]
    return markdown_table(["method", *(heading for _, heading, _ in columns)], body)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells as an aligned Markdown table, first column left, others right."""
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]
    return "\n".join([line(table[0]), line(rule), *map(line, table[1:])])
