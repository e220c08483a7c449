"""How large the tables of the engine are."""

from __future__ import annotations

from dataclasses import dataclass

from tests.proof.matrix.observing import Observer

SIZES = """
    SELECT relname, n_live_tup, pg_total_relation_size(relid)
    FROM pg_stat_user_tables
    WHERE relname ~ '^(processes|tasks|recovery)_'
    ORDER BY relname
"""
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Table:
    """One table with its indexes."""

    name: str
    rows: int
    mib: float
    bytes_a_process: float


def tables(observer: Observer, processes: int) -> list[Table]:
    """All tables of the engine; `processes` is how many there are."""
    return [
        Table(str(name), int(rows), size / MIB, size / max(processes, 1)) for name, rows, size in observer.ask(SIZES)
    ]
