"""What is leased, and what may become of it: plain values between claim, execution and release."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from processes.failures import Failure
from tasks.decisions import Call, Decision
from tasks.states import TaskState


@dataclass(frozen=True, slots=True)
class Lease:
    """A claimed task, and the right to deliver the outcome of this attempt: `(task_id, attempt)`."""

    task_id: UUID
    process_id: UUID
    actor: str
    kind: str
    attempt: int
    tries: int
    max_attempts: int
    retry: str | None
    arguments: str
    details: str | None
    priority: int
    enqueued_at: datetime
    heartbeat_seconds: float
    accepts_failures: bool
    seconds_left: float = 0.0
    """For how long it is held unless a heartbeat extends it; at the moment when it was claimed, or read."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt ended with. Made by the functions below; written by `tasks.releasing`."""

    lease: Lease
    state: TaskState
    result: str | None = None
    failure: str | None = None
    value_from: UUID | None = None
    delay: timedelta | None = None
    delay_reason: str | None = None
    tries: int = 0
    alone: bool = False
    details: str | None = None
    calls: tuple[Call, ...] = ()


class Answer(StrEnum):
    """What a release is told."""

    ACCEPTED = "accepted"
    ALREADY_ACCEPTED = "already_accepted"
    """This very attempt was released before, and that release was accepted."""
    LEASE_LOST = "lease_lost"
    """The lease ended before this release: nothing was written; the refusal is recorded."""


def completed(lease: Lease, result: str) -> Outcome:
    """The attempt returned a value (encoded)."""
    return Outcome(lease, TaskState.COMPLETED, result=result)


def decided(lease: Lease, decision: Decision) -> Outcome:
    """The decider decided: new tasks, and its value or the promise that will become its value."""
    if decision.promise is None:
        return Outcome(lease, TaskState.COMPLETED, result=decision.value, calls=decision.calls)
    return Outcome(lease, TaskState.DECIDED, value_from=decision.promise, calls=decision.calls)


def failed(lease: Lease, failure: Failure) -> Outcome:
    """The attempt failed, and the task with it: for good."""
    return Outcome(lease, TaskState.FAILED, failure=failure.to_text(), tries=1)


def to_be_retried(lease: Lease, failure: Failure, delay: timedelta) -> Outcome:
    """The attempt failed; the task has another try after `delay`."""
    return Outcome(lease, TaskState.DELAYED, failure=failure.to_text(), delay=delay, delay_reason="retry", tries=1)


def snoozed(lease: Lease, delay: timedelta) -> Outcome:
    """Not yet: the task comes again after `delay`, with no try counted."""
    return Outcome(lease, TaskState.DELAYED, delay=delay, delay_reason="snooze")


def incompatible(lease: Lease, delay: timedelta, failure: Failure) -> Outcome:
    """The arguments do not fit the code at hand: the task waits visibly for another worker, no try counted."""
    return Outcome(lease, TaskState.DELAYED, failure=failure.to_text(), delay=delay, delay_reason="incompatible_code")


def handed_back(lease: Lease) -> Outcome:
    """The lease is given up unused: the task is claimable at once."""
    return Outcome(lease, TaskState.ENQUEUED)
