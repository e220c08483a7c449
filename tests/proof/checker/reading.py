"""Reads the records of a run: the files of its folder, and the final rows by plain SQL."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
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
    """Everything that one run left in its folder and in its database, of which one snapshot is read."""
    histories = _histories(folder)
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        moment = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        return Records(
            histories=histories,
            processes=_rows(connection, ProcessRow),
            tasks=_rows(connection, TaskRow),
            dependencies=_rows(connection, DependencyRow),
            events=_rows(connection, EventRow),
            effects=_rows(connection, EffectRow),
            looked_at=cast(tuple[float], moment)[0],
            tombstones=_rows(connection, TombstoneRow),
            statuses=_rows(connection, ActorStatusRow),
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


def _histories(folder: Path) -> dict[str, list[Line]]:
    files: defaultdict[str, list[Line]] = defaultdict(list)
    for path in sorted((folder / "history").glob("*.jsonl")):
        files[path.stem] = list(history.read_file(path))
    return dict(files)


def _strikes(folder: Path) -> list[Line]:
    path = folder / "strikes.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []


def _asked(histories: Mapping[str, Iterable[Line]]) -> dict[tuple[Json, ...], Json]:
    """The flow behind each start, made again from its seed."""
    calls = gather({file: list(lines) for file, lines in histories.items()})
    wanted = {start.wanted for start in starts_of(calls) if not start.invalid}
    return {each: flow_of(*each) for each in wanted}
