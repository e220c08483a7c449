"""The result of a fault, cell by cell: one fault at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

LEAST_HITS = 3
"""So many hits a cell must have."""
LEAST_LEASES = 20
"""A strike counts where at least so many leases are held."""
LEAST_PROCESSES = 200
"""So many processes must start while a fault strikes."""


@dataclass(slots=True)
class Cell:
    """One fault at one moment."""

    hits: int = 0
    least_leases: int | None = None
    recovered: list[float] = field(default_factory=list)
    """How long it took, at each hit, until all that was leased went on; in seconds."""

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "hits": self.hits,
            "least_leases": self.least_leases,
            "recovery_median": round(median(self.recovered), 2) if self.recovered else None,
            "recovery_worst": round(max(self.recovered), 2) if self.recovered else None,
        }


class Result:
    """What came out of one storm."""

    def __init__(self, fault: str, seed: str, moments: Sequence[str]) -> None:
        self.fault, self.seed = fault, seed
        self.cells = {moment: Cell() for moment in moments}
        self.wrong: list[str] = []
        """What is wrong, in sentences."""
        self.slow: list[str] = []
        """What recovered slowly, in sentences; that is not wrong."""
        self.strikes = 0
        self.vain: Counter[str] = Counter()
        """Why nothing was struck, and how often."""
        self.processes = 0
        self.tasks = 0
        self.seconds = 0.0
        self.checked: dict[str, Any] = {}
        """What the checker counted."""

    def needed(self) -> list[str]:
        """The moments that were not hit often enough yet."""
        return [moment for moment, cell in self.cells.items() if cell.hits < LEAST_HITS]

    def hit(self, moments: Sequence[str], leases: int) -> None:
        """Note a strike."""
        self.strikes += 1
        for cell in (self.cells[moment] for moment in moments if moment in self.cells):
            cell.hits += 1
            cell.least_leases = min(leases, cell.least_leases or leases)

    def recovered(self, moments: Sequence[str], seconds: float) -> None:
        """Note how long it took until what was leased at a strike went on."""
        for cell in (self.cells[moment] for moment in moments if moment in self.cells):
            cell.recovered.append(seconds)

    def missing(self) -> list[str]:
        """What it lacks to count."""
        few = [f"{moment} was hit {self.cells[moment].hits} times" for moment in self.needed()]
        if self.processes < LEAST_PROCESSES:
            few.append(f"only {self.processes} processes were started")
        return [f"too little: {each}" for each in few]

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "fault": self.fault,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "processes": self.processes,
            "tasks": self.tasks,
            "strikes": self.strikes,
            "strikes_in_vain": dict(self.vain),
            "violations": self.wrong,
            "slow": self.slow,
            "checked": self.checked,
            "cells": {moment: cell.told() for moment, cell in self.cells.items()},
        }

    def __str__(self) -> str:
        recovered = [each for cell in self.cells.values() for each in cell.recovered]
        hits = [cell.hits for cell in self.cells.values()]
        worst = f"{max(recovered):.1f} s" if recovered else "-"
        return (
            f"{self.fault}: {len(self.wrong)} violations; {self.processes} processes, {self.tasks} tasks; "
            f"{self.strikes} strikes ({self.vain.total()} in vain), {sum(hits)} hits on {len(hits)} moments, "
            f"least {min(hits, default=0)}; recovered after {worst} at worst; {self.seconds:.0f} s"
        )
