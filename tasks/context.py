"""What a running actor can know and say of its own task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from processes.values import decode, encode
from tasks.errors import NotInATask
from tasks.policies import check_duration

DETAILS_LIMIT_BYTES = 65_536


class Snooze(Exception):
    """Raised by an actor to say: not yet, again after `delay`. Counts no try. Raises InvalidOption."""

    def __init__(self, delay: timedelta) -> None:
        check_duration("the delay of a Snooze", delay, shortest=timedelta(0))
        super().__init__(delay)
        self.delay = delay


class Cancelled(Exception):
    """The outcome of this attempt is no longer wanted: let it through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentTask:
    """The task that the calling code is performing."""

    id: UUID
    process_id: UUID
    actor: str
    attempt: int
    tries: int
    details_text: str | None
    report_details: Callable[[str], None]
    reported_details: Callable[[], str | None]
    has_lost_its_lease: Callable[[], bool]

    @property
    def last_details(self) -> object:
        """The details of the last heartbeat of an earlier attempt; None if there are none."""
        return None if self.details_text is None else decode(self.details_text)

    def is_cancelled(self) -> bool:
        """Whether the outcome of this attempt is no longer wanted: the process ended, or the lease is lost."""
        return self.has_lost_its_lease()

    def raise_if_cancelled(self) -> None:
        """Raise Cancelled where the outcome of this attempt is no longer wanted: for loops that take their time."""
        if self.is_cancelled():
            raise Cancelled


_current: ContextVar[CurrentTask | None] = ContextVar("current_task", default=None)


@contextmanager
def running(task: CurrentTask) -> Iterator[None]:
    """Make `task` the current one meanwhile."""
    token = _current.set(task)
    try:
        yield
    finally:
        _current.reset(token)


def current_task() -> CurrentTask:
    """The task that the calling code is performing. Raises NotInATask outside of a running actor."""
    task = _current.get()
    if task is None:
        raise NotInATask
    return task


def heartbeat(details: object = None) -> None:
    """Keep `details` (any storable value) for the next attempt, as `current_task().last_details`.

    The lease itself is kept alive by the worker; nothing needs to call this for that. Raises NotInATask,
    NotStorable and ValueTooLarge (64 KiB).
    """
    current_task().report_details(encode(details, limit=DETAILS_LIMIT_BYTES, path="details"))
