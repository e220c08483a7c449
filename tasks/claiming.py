"""Claims tasks of an actor under a lease, and reads the values that their arguments refer to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from operator import attrgetter
from uuid import UUID

from processes.failures import Failure
from tasks.outcomes import Lease
from tasks.promises import Settled, references
from tasks.statements import fetch

LEVELS = tuple(range(10))
"""Priority levels, most urgent first."""
LOWEST_FIRST_EVERY = 10
"""Every tenth claim begins at another level, so that strict priority starves nobody."""
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""A floor below every task."""


class Claimer:
    """Claims from one actor's queue again and again, from where it last found work.

    An open transaction anywhere keeps dead index entries alive, and a claim would walk over all of them; so it
    keeps, per priority level, a floor: the oldest enqueued time of its last claim. It looks without floors
    before it reports that there is nothing.
    """

    def __init__(self, actor: str, worker: str) -> None:
        self.actor = actor
        self.worker = worker
        self.floors: dict[int, datetime] = {}
        self.claims = 0

    def claim(self, limit: int, worker: str | None = None) -> list[Lease]:
        """Take up to `limit` tasks under a lease, most urgent and oldest first; an empty list if there are none.

        `worker` is who has them, where it is somebody else each time. Never waits for a lock. Raises what the
        database raises.
        """
        self.claims += 1
        leases = self._claim(limit, worker or self.worker)
        if not leases and self.floors:
            self.floors.clear()
            leases = self._claim(limit, worker or self.worker)
        for lease in reversed(leases):
            self.floors[lease.priority] = lease.enqueued_at
        return leases

    def _claim(self, limit: int, worker: str) -> list[Lease]:
        first = 0
        if self.claims % LOWEST_FIRST_EVERY == 0:
            first = len(LEVELS) - 1 - (self.claims // LOWEST_FIRST_EVERY - 1) % len(LEVELS)
        levels = LEVELS[first:] + LEVELS[:first]
        rows = fetch(
            "claim",
            actor=self.actor,
            worker=worker,
            limit=limit,
            levels=list(levels),
            floors=[self.floors.get(level, BEGINNING) for level in levels],
        )
        leases = [Lease(*row) for row in rows]
        leases.sort(key=attrgetter("enqueued_at"))
        leases.sort(key=lambda lease: levels.index(lease.priority))
        return leases


def read_values(leases: Iterable[Lease]) -> dict[UUID, Settled]:
    """The values of all tasks that the arguments of a batch refer to, in one statement; none at all costs none.

    A task that is not settled is left out.
    """
    ids = {reference.task_id for lease in leases for reference in references(lease.arguments)}
    return settled_values(ids) if ids else {}


def settled_values(ids: Iterable[UUID]) -> dict[UUID, Settled]:
    """The values (or failures) of those of the tasks that are settled, by id."""
    values: dict[UUID, Settled] = {}
    for task_id, settled, result, failure in fetch("settled_values", ids=list(ids)):
        if settled:
            values[task_id] = Settled(value=result, failure=Failure.from_text(failure) if failure else None)
    return values
