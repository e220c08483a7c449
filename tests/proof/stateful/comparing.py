"""Reads what the database holds, and says the same of the model, in one shape: what differs is then an inequality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from processes.failures import Failure
from processes.values import decode
from tests.proof.model import steps
from tests.proof.model.world import (
    CANCELLED,
    COMPLETED,
    DECIDED,
    FAILED,
    POLLED,
    STANDSTILLS,
    WAITING,
    Process,
    Ref,
    World,
)
from tests.proof.stateful.actors import GaveUp, Stumbled, value_of

PROCESSES = """
    SELECT id, state, open_tasks, custom_id, restarted_as IS NOT NULL, failed_task_id, result
    FROM processes_process
"""
TASKS = """
    SELECT id, process_id, arguments, state, pending, tries, alone, batch_size, attempt, released_attempt,
        failed_input IS NOT NULL, failure_accepted, value_from, failure, deadline_at IS NOT NULL,
        budget_left IS NOT NULL
    FROM tasks_task
"""
TOMBSTONES = "SELECT custom_id, process_id, state FROM processes_tombstone ORDER BY custom_id"
BLOCKED = "SELECT name FROM tasks_actorstatus WHERE blocked_at IS NOT NULL ORDER BY name"
OWN_FAILURES = tuple(f"{each.__module__}.{each.__qualname__}" for each in (Stumbled, GaveUp))


class Attempts(NamedTuple):
    """Which attempt of a task each holder of the model stands for."""

    numbers: dict[tuple[Ref, int], int]

    def of(self, ref: Ref, holder: int | None) -> int | None:
        """The attempt of a holder; None for nobody."""
        return None if holder is None else self.numbers[ref, holder]


class Seen(NamedTuple):
    """The database, in the words of the model; and where each task stands, by its place."""

    told: dict[str, Any]
    tasks: dict[Ref, UUID]


def seen(places: Sequence[UUID]) -> Seen:
    """What the database holds; `places` are the processes in the order of the model."""
    numbers = {process_id: place for place, process_id in enumerate(places)}
    processes, rows, tombstones, blocked = _read()
    refs = {row[0]: (numbers[row[1]], int(orjson.loads(row[2])["index"])) for row in rows}
    told: dict[str, Any] = {"blocked": [row[0] for row in blocked]}
    told["buried"] = [(name, numbers[process_id], state) for name, process_id, state in tombstones]
    for process_id, state, open_tasks, name, restarted, failed_task, result in processes:
        told[f"process {numbers[process_id]}"] = {
            "state": state,
            "open_tasks": open_tasks,
            "custom_id": name,
            "restarted": restarted,
            "named": _index(refs, failed_task),
            "result": _value(result),
        }
    for row in rows:
        told[f"task {refs[row[0]]}"] = _told_of_row(row[3:], refs)
    return Seen(told, {ref: task_id for task_id, ref in refs.items()})


def expected(world: World, attempts: Attempts, found: Mapping[str, Any]) -> dict[str, Any]:
    """What the database should hold by the model. Which of several failures a process names is not the model's."""
    told: dict[str, Any] = {"blocked": sorted(world.blocked)}
    told["buried"] = sorted((each.name, each.place, each.state) for each in world.tombstones)
    for place, process in enumerate(world.processes):
        if process is None:
            continue
        key = f"process {place}"
        told[key] = {
            "state": process.state,
            "open_tasks": process.open_tasks,
            "custom_id": process.name,
            "restarted": process.restarted,
            "named": _named(process, found.get(key, {}).get("named")),
            "result": _result(process),
        }
        for index, _ in process.called():
            told[f"task {(place, index)}"] = _told_of_task(process, (place, index), attempts)
    return told


def differences(real: Mapping[str, Any], model: Mapping[str, Any]) -> list[str]:
    """What the database and the model say differently, a sentence each."""
    differing = [key for key in sorted(real.keys() | model.keys()) if real.get(key) != model.get(key)]
    pairs = [(key, real.get(key), model.get(key)) for key in differing]
    return [f"{key}: the database has {_only(one, other)}, the model {_only(other, one)}" for key, one, other in pairs]


def _read() -> list[list[tuple[Any, ...]]]:
    """The rows of all four queries, in one round trip."""
    with connection.cursor() as cursor:
        cursor.execute(";".join((PROCESSES, TASKS, TOMBSTONES, BLOCKED)))
        rows = [list(cursor.fetchall())]
        while cursor.nextset():
            rows.append(list(cursor.fetchall()))
    return rows


def _told_of_row(row: tuple[Any, ...], refs: Mapping[UUID, Ref]) -> dict[str, Any]:
    state, pending, tries, alone, batch_size, attempt, released = row[:7]
    hurt, accepted, value_from, failure, has_deadline, has_budget_left = row[7:]
    return {
        "state": state,
        "pending": pending,
        "tries": tries,
        "alone": alone,
        "claimed with others": batch_size is not None and batch_size > 1,
        "leased as": attempt if state == POLLED else None,
        "released as": released,
        "was handed a failure": hurt,
        "failure accepted": accepted,
        "value from": None if state == CANCELLED else _index(refs, value_from),
        "failure": _kind(failure) if state == FAILED and value_from is None else None,
        "clock": _clock(state, has_deadline, has_budget_left),
    }


def _told_of_task(process: Process, ref: Ref, attempts: Attempts) -> dict[str, Any]:
    task, facts = process.task(ref[1]), process.flow.facts[ref[1]]
    stands = process.state in STANDSTILLS
    return {
        "state": task.state,
        "pending": task.pending,
        "tries": task.tries,
        "alone": task.alone,
        "claimed with others": task.mates,
        "leased as": attempts.of(ref, task.lease),
        "released as": attempts.of(ref, task.released),
        "was handed a failure": task.hurt,
        "failure accepted": task.accepted,
        "value from": facts.promise if task.state == DECIDED else task.value_from,
        "failure": task.failure if task.state == FAILED and task.value_from is None else None,
        "clock": _clock(task.state, task.clocked and not stands, task.clocked and stands),
    }


def _clock(state: str, runs: bool, stands: bool) -> str | None:
    if state not in steps.BUDGETED or state == WAITING:
        return None
    return "runs" if runs else "stands" if stands else None


def _index(refs: Mapping[UUID, Ref], task_id: UUID | None) -> int | None:
    return None if task_id is None else refs[task_id][1]


def _named(process: Process, found: int | None) -> int | None:
    is_right = found is not None and process.state == FAILED and process.task(found).has_failed
    return found if is_right else process.failed_task


def _value(result: str | None) -> object:
    value = None if result is None else decode(result)
    return f"failure: {_kind(value.to_text())}" if isinstance(value, Failure) else value


def _result(process: Process) -> str | None:
    if process.state != COMPLETED:
        return None
    root = process.task(0)
    origin = 0 if root.value_from is None else root.value_from
    task = process.task(origin)
    return f"failure: {task.failure}" if task.state == FAILED else value_of(origin)


def _kind(failure: str | None) -> str | None:
    if failure is None:
        return None
    kind = Failure.from_text(failure).type
    return "failure" if kind in OWN_FAILURES else kind


def _only(one: Any, other: Any) -> Any:
    """What is told of one and not of the other in the same way."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return one
    return {name: value for name, value in one.items() if other.get(name) != value}
