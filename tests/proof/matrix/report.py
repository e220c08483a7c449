"""The tables of the matrix: for people who run it, and for `docs/proof.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from tests.proof.marked import table
from tests.proof.matrix.moments import ALL

PART = "matrix"
Told = Mapping[str, Any]


def report_of(told: Told) -> str:
    """All tables, in Markdown."""
    storms = told["storms"]
    parts = [summary_of(told), table_of(storms)]
    parts += ["Hits, and seconds to recover (median/worst), cell by cell:", cells_of(storms)]
    if slow := [f"- {storm['fault']}: {each}" for storm in storms for each in storm["slow"]]:
        parts += ["What recovered slowly, and what it waited for:", "\n".join(slow)]
    return "\n\n".join(parts)


def summary_of(told: Told) -> str:
    """All in one sentence."""
    storms = told["storms"]
    cells = [cell for storm in storms for cell in storm["cells"].values()]
    wrong = len({sentence for storm in storms for sentence in storm["violations"]})
    return (
        f"Seed {told['seed']}: {len(storms)} faults, {len(cells)} cells, {sum(cell['hits'] for cell in cells)} hits, "
        f"{sum(storm['processes'] for storm in storms)} processes, {sum(storm['tasks'] for storm in storms)} tasks, "
        f"{wrong} violations, in {told['seconds'] / 60:.0f} minutes."
    )


def table_of(storms: Sequence[Told]) -> str:
    """One row for each fault."""
    head = ("fault", "processes", "tasks", "strikes", "cells", "fewest hits", "least leases", "violations")
    return table((*head, "recovered: median", "worst"), (_row(storm) for storm in storms))


def cells_of(storms: Sequence[Told]) -> str:
    """One row for each fault, one column for each moment; empty where a fault cannot strike at a moment."""
    rows = ([storm["fault"], *(_cell(storm["cells"].get(moment)) for moment in ALL)] for storm in storms)
    return table(("fault", *ALL), rows)


def _row(storm: Told) -> list[str]:
    cells = storm["cells"].values()
    least = min((cell["least_leases"] for cell in cells if cell["least_leases"]), default=0)
    medians = [cell["recovery_median"] for cell in cells if cell["recovery_median"] is not None]
    worst = [cell["recovery_worst"] for cell in cells if cell["recovery_worst"] is not None]
    numbers = (storm["processes"], storm["tasks"], storm["strikes"], len(cells))
    return [
        storm["fault"],
        *(str(number) for number in numbers),
        str(min((cell["hits"] for cell in cells), default=0)),
        str(least),
        str(len(storm["violations"])),
        f"{median(medians):.1f} s" if medians else "",
        f"{max(worst):.1f} s" if worst else "",
    ]


def _cell(cell: Told | None) -> str:
    if cell is None:
        return ""
    if cell["recovery_median"] is None:
        return str(cell["hits"])
    return f"{cell['hits']}: {cell['recovery_median']:.1f}/{cell['recovery_worst']:.1f}"
