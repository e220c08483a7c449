"""A claimed batch while it is worked on: shared by the thread that executes and the side thread that keeps it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from uuid import UUID

from tasks.outcomes import Lease, Outcome

LEASE_MARGIN = 0.5
"""The part of the heartbeat interval after which an unrenewed lease is no longer begun to be worked on."""


class Batch:
    """Leases claimed together. Every task is taken once: by the executing thread, or by the one that hands back.

    All methods may be called from any thread.
    """

    def __init__(self, leases: Sequence[Lease], stopping: Callable[[], bool]) -> None:
        self._mutex = threading.Lock()
        self._unstarted = deque(leases)
        self._finished: list[Outcome] = []
        self._running: Lease | None = None
        self._running_since = 0.0
        self._slow: Lease | None = None
        self._lost: dict[UUID, float] = {}
        self._details: dict[UUID, str] = {}
        self._unsent: set[UUID] = set()
        self._stopping = stopping
        self._renewed_at = monotonic()
        self.heartbeat_seconds = min(lease.heartbeat_seconds for lease in leases)

    def take(self) -> Lease | None:
        """The next task to execute; None when there is none, or none that should still be begun."""
        with self._mutex:
            self._running = None
            stale = monotonic() - self._renewed_at > self.heartbeat_seconds * LEASE_MARGIN
            if not self._unstarted or stale or self._stopping():
                return None
            self._running = self._unstarted.popleft()
            self._running_since = monotonic()
            return self._running

    def finish(self, outcome: Outcome | None) -> None:
        """Note what the running task ended with; None if that is released already."""
        with self._mutex:
            if outcome is not None:
                self._finished.append(outcome)
            self._running = None

    def give_up(self) -> tuple[list[Outcome], list[Lease]]:
        """Take over what is finished and what is not started; the caller must release both."""
        with self._mutex:
            finished, self._finished = self._finished, []
            unstarted = list(self._unstarted)
            self._unstarted.clear()
            return finished, unstarted

    def held(self) -> list[Lease]:
        """The leases that need heartbeats: finished but not released yet, running, not started."""
        with self._mutex:
            running = [self._running] if self._running is not None else []
            return [outcome.lease for outcome in self._finished] + running + list(self._unstarted)

    def is_stuck(self, seconds: float) -> bool:
        """Whether others wait behind a task that has been running for longer than `seconds`."""
        with self._mutex:
            waiting = bool(self._unstarted or self._finished)
            return waiting and self._running is not None and monotonic() - self._running_since > seconds

    def turns_slow(self, seconds: float) -> bool:
        """Whether the running task has been running for longer than `seconds`; true once for each task."""
        with self._mutex:
            if self._running is None or self._running is self._slow or monotonic() - self._running_since <= seconds:
                return False
            self._slow = self._running
            return True

    def keep_details(self, task_id: UUID, details: str) -> None:
        """Note heartbeat details; the next heartbeat writes them, or the release where that comes first."""
        with self._mutex:
            self._details[task_id] = details
            self._unsent.add(task_id)

    def details_of(self, task_id: UUID) -> str | None:
        """The details noted last for a task, sent or not: a heartbeat that is under way may come too late."""
        with self._mutex:
            return self._details.get(task_id)

    def take_details(self) -> dict[UUID, str]:
        """The details noted since the last call, by task."""
        with self._mutex:
            details = {task_id: self._details[task_id] for task_id in self._unsent}
            self._unsent.clear()
            return details

    def renewed(self, at: float) -> None:
        """Note that the leases were extended by a heartbeat sent at `at` (monotonic seconds)."""
        with self._mutex:
            self._renewed_at = at

    def needs_heartbeat(self, fraction: float) -> bool:
        """Whether this part of the heartbeat interval has passed since the last one, or details wait."""
        with self._mutex:
            return bool(self._unsent) or monotonic() - self._renewed_at > self.heartbeat_seconds * fraction

    def lose(self, ids: Iterable[UUID]) -> None:
        """Note that the leases on these tasks are lost: those not started are dropped."""
        with self._mutex:
            for task_id in ids:
                self._lost.setdefault(task_id, monotonic())
            self._unstarted = deque(lease for lease in self._unstarted if lease.task_id not in self._lost)

    def is_lost(self, task_id: UUID) -> bool:
        """Whether the lease on this task is known to be lost."""
        with self._mutex:
            return task_id in self._lost

    def overstays(self, grace: float) -> Lease | None:
        """The running task, if its lease was lost longer than `grace` seconds ago."""
        with self._mutex:
            running = self._running
            if running is None or running.task_id not in self._lost:
                return None
            return running if monotonic() - self._lost[running.task_id] > grace else None
