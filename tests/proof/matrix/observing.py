"""Looks at the database from outside, over a connection of its own: leases, processes, how soon all recovers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from time import monotonic, sleep
from typing import Any

import psycopg

from tests.proof.matrix.cells import Result

LEASES = """
    SELECT id::text, attempt, worker FROM tasks_task WHERE state = 'POLLED' AND lease_ends_at > clock_timestamp()
"""
LEFT = """
    SELECT task.actor, task.state, task.priority, round(extract(epoch FROM clock_timestamp() - task.enqueued_at), 1)
    FROM unnest(%(tasks)s::uuid[], %(attempts)s::int[]) AS leased (id, attempt)
    JOIN tasks_task AS task ON task.id = leased.id AND task.attempt = leased.attempt
    JOIN processes_process AS process ON process.id = task.process_id
    WHERE task.state = 'POLLED'
       OR (task.state = 'ENQUEUED' AND NOT EXISTS (
            SELECT FROM tasks_actorstatus WHERE name IN (task.actor, '*') AND blocked_at IS NOT NULL))
"""
"""Of tasks that were leased, those that have neither an outcome nor another attempt, and that nobody holds back."""
AHEAD = """
    SELECT count(*) FROM tasks_task
    WHERE state = 'ENQUEUED' AND actor = %(actor)s
      AND (priority, enqueued_at) < (%(priority)s, clock_timestamp() - %(age)s * interval '1 second')
"""
"""How many tasks an actor is to take first."""
PROCESSES = "SELECT count(*) FROM processes_process"
TASKS = "SELECT count(*) FROM tasks_task"
LIVE = "SELECT count(*) FROM processes_process WHERE state IN ('REGISTERING', 'RUNNING')"
PATIENCE_SECONDS = 60.0
STATEMENT_SECONDS = 30
SLOW_SECONDS = 30.0
"""A recovery that takes longer is told of."""


class Unreachable(Exception):
    """The database stays away although nothing strikes it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One attempt under way."""

    task: str
    attempt: int
    worker: str


class Observer:
    """Asks the database, again where it was restarted meanwhile."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None

    def ask(self, query: str, parameters: dict[str, object] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query, as soon as the database can be reached. Raises Unreachable."""
        until = monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if self._connection is None:
                    options = f"-c statement_timeout={STATEMENT_SECONDS}s"
                    self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5, options=options)
                return self._connection.execute(query, parameters).fetchall()
            except psycopg.OperationalError as error:
                self.close()
                if monotonic() > until:
                    raise Unreachable from error
                sleep(0.05)

    def number(self, query: str) -> int:
        """The one number that a query answers with."""
        return int(self.ask(query)[0][0])

    def leases(self) -> list[Lease]:
        """All attempts under way."""
        return [Lease(*row) for row in self.ask(LEASES)]

    def left(self, leases: Iterable[Lease]) -> list[tuple[Any, ...]]:
        """Those that are as they were: neither has their attempt ended, nor has the next one begun."""
        tasks, attempts = [lease.task for lease in leases], [lease.attempt for lease in leases]
        return self.ask(LEFT, {"tasks": tasks, "attempts": attempts})

    def told_of(self, actor: str, state: str, priority: int, age: Decimal) -> str:
        """What one of them waits for."""
        if state == "POLLED":
            return f"{actor}: under a lease"
        [[ahead]] = self.ask(AHEAD, {"actor": actor, "priority": priority, "age": age})
        return f"{actor}: handed out {age} s ago with priority {priority}, {ahead} ahead of it"

    def close(self) -> None:
        """Leave the database."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@dataclass(slots=True)
class Recovery:
    """How long it takes until what was leased at a strike goes on; told to the result of the fault."""

    leases: list[Lease]
    moments: list[str]
    result: Result
    began_at: float
    is_slow: bool = False


class Recoveries:
    """What has not gone on yet since a strike of any fault."""

    def __init__(self) -> None:
        self.open: list[Recovery] = []

    def look(self, observer: Observer) -> None:
        """Look once: note what has recovered, and what the slow ones wait for."""
        for each in list(self.open):
            left = observer.left(each.leases)
            seconds = monotonic() - each.began_at
            if not left:
                self.open.remove(each)
                each.result.recovered(each.moments, seconds)
            elif seconds > SLOW_SECONDS and not each.is_slow:
                each.is_slow = True
                each.result.slow += [f"after {seconds:.0f} s {observer.told_of(*row)}" for row in left]
