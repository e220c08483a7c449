"""Looks at the database from outside, over a connection of its own: leases, processes, how soon all recovers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

import psycopg

LEASES = """
    SELECT id::text, attempt, worker FROM tasks_task WHERE state = 'POLLED' AND lease_ends_at > clock_timestamp()
"""
LEFT = """
    SELECT count(*)
    FROM unnest(%(tasks)s::uuid[], %(attempts)s::int[]) AS leased (id, attempt)
    JOIN tasks_task AS task ON task.id = leased.id AND task.attempt = leased.attempt
    JOIN processes_process AS process ON process.id = task.process_id
    WHERE task.state = 'POLLED'
       OR (task.state = 'ENQUEUED' AND NOT EXISTS (
            SELECT FROM tasks_actorstatus WHERE name IN (task.actor, '*') AND blocked_at IS NOT NULL))
"""
"""Of tasks that were leased, how many have neither an outcome nor another attempt, and nobody holds them back."""
PROCESSES = "SELECT count(*) FROM processes_process"
TASKS = "SELECT count(*) FROM tasks_task"
LIVE = "SELECT count(*) FROM processes_process WHERE state IN ('REGISTERING', 'RUNNING')"
PATIENCE_SECONDS = 60.0
STATEMENT_SECONDS = 30


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

    def left(self, leases: Iterable[Lease]) -> int:
        """How many of these are as they were: neither has their attempt ended, nor has the next one begun."""
        tasks, attempts = [lease.task for lease in leases], [lease.attempt for lease in leases]
        return int(self.ask(LEFT, {"tasks": tasks, "attempts": attempts})[0][0])

    def close(self) -> None:
        """Leave the database."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@dataclass(slots=True)
class Recovery:
    """How long it takes until what was leased at a strike goes on."""

    leases: list[Lease]
    began_at: float = field(default_factory=monotonic)
    seconds: float | None = None
    """Counted from the begin of the strike; None for as long as something is left."""

    def look(self, observer: Observer) -> bool:
        """Look once; tell whether all has recovered."""
        if self.seconds is None and not observer.left(self.leases):
            self.seconds = monotonic() - self.began_at
        return self.seconds is not None
