"""Looks at a storm from outside: over a connection of its own, and in the log that the workers append to."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import cast

import psycopg

from orchestrator.local.programs import Program

LEASES = """
    SELECT clock_timestamp(), coalesce(array_agg(id::text), '{}'), coalesce(array_agg(worker), '{}')
    FROM tasks_task
    WHERE state = 'POLLED' AND lease_ends_at > clock_timestamp()
"""
LAST_END = "SELECT max(ended_at) FROM tasks_task WHERE id = ANY('{%s}'::uuid[])"
HALF_DONE = """
    SELECT count(*) FROM processes_process AS process
    WHERE state = 'RUNNING'
      AND EXISTS (SELECT FROM tasks_task AS task WHERE task.process_id = process.id AND task.state = 'COMPLETED')
      AND open_tasks > 0
"""
WRONG_COUNTERS = """
    SELECT process.id, process.state, process.open_tasks, coalesce(counted.open_tasks, 0)
    FROM processes_process AS process
    LEFT JOIN (
        SELECT process_id, count(*) AS open_tasks
        FROM tasks_task
        WHERE state IN ('WAITING', 'DELAYED', 'ENQUEUED', 'HELD', 'POLLED', 'DECIDED')
           OR (state = 'FAILED' AND NOT failure_accepted)
        GROUP BY process_id
    ) AS counted ON counted.process_id = process.id
    WHERE process.open_tasks <> coalesce(counted.open_tasks, 0)
      -- What has failed stays FAILED where a process is ended before its time; nothing of it is open any more.
      AND (process.open_tasks <> 0 OR process.state NOT IN ('ABORTED', 'TIMED_OUT'))
"""
STATES = "SELECT state, count(*) FROM processes_process GROUP BY state ORDER BY state"
CLAIMABLE = """
    SELECT count(*)
    FROM tasks_task AS task
    WHERE state = 'ENQUEUED' AND kind <> 'external' AND NOT EXISTS (
        SELECT FROM tasks_actorstatus WHERE name IN (task.actor, '*') AND blocked_at IS NOT NULL
    )
"""
GOING = "SELECT count(*) FROM processes_process WHERE state NOT IN ('COMPLETED', 'TIMED_OUT', 'ABORTED')"


@dataclass(frozen=True)
class Load:
    """How the system stands at one moment."""

    at: datetime
    leases: tuple[tuple[str, str], ...]
    """Which task is held by which worker process."""
    half_done: int


@dataclass(frozen=True)
class Hit:
    """One fault, and the load at the moment before."""

    fault: str
    load: Load

    @property
    def polled(self) -> int:
        """How many tasks were leased."""
        return len(self.load.leases)


@dataclass
class Execution:
    """One line of the log: a worker ran (perhaps not to its end, perhaps in vain)."""

    task: str
    attempt: int
    nonce: str
    handed: str


@dataclass
class Observer:
    """Asks the database, again where it was restarted meanwhile, and reads the log."""

    url: str
    log: Path
    _connection: psycopg.Connection | None = None
    hits: list[Hit] = field(default_factory=list)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """The rows of a query, as soon as the database can be reached."""
        until = monotonic() + 60
        while True:
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self.url, autocommit=True)
                return self._connection.execute(query).fetchall()
            except psycopg.OperationalError:
                self.close()
                assert monotonic() < until, "the database stays away"
                sleep(0.05)

    def close(self) -> None:
        """Leave the database."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def number(self, query: str) -> int:
        """The one number that a query answers with."""
        [(found,)] = self.ask(query)
        assert isinstance(found, int)
        return found

    def progress(self) -> int:
        """How much the workers have written into their log so far, in bytes."""
        return self.log.stat().st_size if self.log.exists() else 0

    def load(self) -> Load:
        """How the system stands now."""
        [(at, tasks, workers)] = self.ask(LEASES)
        return Load(
            cast(datetime, at),
            tuple(zip(cast(list[str], tasks), cast(list[str], workers), strict=True)),
            self.number(HALF_DONE),
        )

    def settled_after(self, hit: Hit) -> float:
        """How long it took until the last of the tasks that were leased at a hit had its outcome, in seconds."""
        [(ended_at,)] = self.ask(LAST_END % ",".join(task for task, _ in hit.load.leases))
        return (cast(datetime, ended_at) - hit.load.at).total_seconds()

    def executions(self) -> list[Execution]:
        """All lines of the log."""
        lines = (line.split(" ") for line in self.log.read_text().splitlines())
        return [Execution(task, int(attempt), nonce, handed) for task, attempt, nonce, handed in lines]

    def record(self) -> str:
        """What was hit how often, under which load, and how soon what was leased then had its outcome."""
        lines = []
        for fault in sorted({hit.fault for hit in self.hits}):
            hits = [hit for hit in self.hits if hit.fault == fault]
            lines.append(
                f"{fault}: {len(hits)} times; leased {summary([hit.polled for hit in hits])}; "
                f"half done {summary([hit.load.half_done for hit in hits])}; "
                f"settled after {summary([self.settled_after(hit) for hit in hits])} s (least/median/most)"
            )
        return "\n".join(lines)


def summary(numbers: Sequence[float]) -> str:
    """Least, median and most."""
    return f"{min(numbers):.0f}/{median(numbers):.0f}/{max(numbers):.0f}"


def names_of_children(program: Program) -> list[str]:
    """How the children of a worker call themselves."""
    with suppress(FileNotFoundError, ProcessLookupError):
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        return [f"{socket.gethostname()}:{pid}" for pid in children]
    return []
