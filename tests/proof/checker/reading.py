"""Reads the records of a run: the files of its folder, and the final rows by plain SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

import psycopg

from tests.proof import history
from tests.proof.checker.calls import gather
from tests.proof.checker.records import (
    ActorStatusRow,
    DependencyRow,
    EffectRow,
    EventRow,
    Json,
    Line,
    ProcessRow,
    Records,
    Seconds,
    TaskRow,
    TombstoneRow,
)
from tests.proof.checker.starts import starts_of
from tests.proof.flows import flow_of

TABLES: Mapping[type, str] = {
    ProcessRow: "processes_process",
    TaskRow: "tasks_task",
    DependencyRow: "tasks_dependency",
    EventRow: "processes_event",
    TombstoneRow: "processes_tombstone",
    ActorStatusRow: "tasks_actorstatus",
    EffectRow: "(SELECT task_id AS task, attempt, nonce FROM workload_effect) AS effect",
}
Row = TypeVar("Row")


def read(folder: Path, database_url: str) -> Records:
    """Everything that one run left in its database, of which one snapshot is read, and in its folder until then.

    Histories are read last: what the rows tell of was written down before. What came after the rows is left out.
    """
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        moment = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        [looked_at] = cast(tuple[float], moment)
        rows: dict[type, list[Any]] = {row: _rows(connection, row) for row in TABLES}
    histories = _histories(folder, looked_at)
    return Records(
        histories=histories,
        processes=rows[ProcessRow],
        tasks=rows[TaskRow],
        dependencies=rows[DependencyRow],
        events=rows[EventRow],
        effects=rows[EffectRow],
        looked_at=looked_at,
        tombstones=rows[TombstoneRow],
        statuses=rows[ActorStatusRow],
        strikes=_strikes(folder),
        cured=frozenset(path.name for path in (folder / "cures").glob("*")),
        asked=_asked(histories),
    )


def select(row: type) -> str:
    """The statement that reads the rows of a table: moments and durations as seconds, ids as text."""
    columns = ", ".join(_expression(field.name, cast(str, field.type)) for field in fields(cast(Any, row)))
    return f"SELECT {columns} FROM {TABLES[row]}"


def _expression(name: str, kind: str) -> str:
    if kind.startswith("Seconds"):
        return f"extract(epoch FROM {name})::float8"
    return f"{name}::text" if kind.startswith("str") else name


def _rows(connection: psycopg.Connection, row: type[Row]) -> list[Row]:
    return [row(*values) for values in connection.execute(cast(Any, select(row)))]


def _histories(folder: Path, until: Seconds) -> dict[str, list[Line]]:
    return {
        path.stem: [line for line in history.read_file(path) if line["at"] <= until]
        for path in sorted((folder / "history").glob("*.jsonl"))
    }


def _strikes(folder: Path) -> list[Line]:
    path = folder / "strikes.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []


def _asked(histories: Mapping[str, Sequence[Line]]) -> dict[tuple[Json, ...], Json]:
    """The flow behind each start, made again from its seed."""
    wanted = {start.wanted for start in starts_of(gather(histories)) if not start.invalid}
    return {each: flow_of(*each) for each in wanted}
