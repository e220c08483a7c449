"""What the checker judges: the histories that processes wrote, the strikes, and the final rows; plain values.

Moments are seconds since 1970, on the one clock of the machine; durations are seconds. Ids are text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Line = Mapping[str, Any]
Seconds = float
Json = Any

FINAL = frozenset({"COMPLETED", "TIMED_OUT", "ABORTED"})
STANDSTILLS = frozenset({"PAUSED", "FAILED"})
OPEN = frozenset({"WAITING", "DELAYED", "ENQUEUED", "HELD", "POLLED", "DECIDED"})


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """The row of a process."""

    id: str
    actor: str
    arguments: str
    state: str
    open_tasks: int
    created_at: Seconds
    custom_id: str | None = None
    former_custom_id: str | None = None
    start_to_end: Seconds | None = None
    on_start_to_end: str = "time_out"
    deadline_at: Seconds | None = None
    start_to_end_left: Seconds | None = None
    registered_at: Seconds | None = None
    stood_still_at: Seconds | None = None
    ended_at: Seconds | None = None
    result: str | None = None
    failure: str | None = None
    failed_task_id: str | None = None
    restarted_as: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """The row of a task."""

    id: str
    process_id: str
    actor: str
    kind: str
    arguments: str
    state: str
    created_at: Seconds
    parent_id: str | None = None
    priority: int = 5
    pending: int = 0
    failed_input: str | None = None
    accept_failure: bool = False
    accepts_failures: bool = False
    due_at: Seconds | None = None
    delay_reason: str | None = None
    enqueued_at: Seconds | None = None
    enqueue_to_end: Seconds | None = None
    on_enqueue_to_end: str = "fail"
    deadline_at: Seconds | None = None
    budget_left: Seconds | None = None
    attempt: int = 0
    released_attempt: int | None = None
    tries: int = 0
    max_attempts: int = 3
    retry: str | None = None
    alone: bool = False
    polled_at: Seconds | None = None
    poll_to_end: Seconds = 300.0
    heartbeat: Seconds = 2.0
    on_lease_lost: str = "retry"
    poll_ends_at: Seconds | None = None
    lease_ends_at: Seconds | None = None
    batch_size: int | None = None
    value_from: str | None = None
    result: str | None = None
    failure: str | None = None
    failure_accepted: bool = False
    ended_at: Seconds | None = None

    @property
    def is_settled(self) -> bool:
        """Whether waiters no longer wait for it."""
        return self.state in ("COMPLETED", "CANCELLED") or (self.state == "FAILED" and self.failure_accepted)


@dataclass(frozen=True, slots=True)
class DependencyRow:
    """The waiter needs the awaited task to be settled; where it delivers a value, that is an argument."""

    process_id: str
    waiter_id: str
    awaited_id: str
    delivers_value: bool = True


@dataclass(frozen=True, slots=True)
class EventRow:
    """One row of the audit trail. Within a process, and of one actor, ids grow in the order of the commits."""

    id: int
    kind: str
    at: Seconds
    process_id: str | None = None
    task_id: str | None = None
    detail: Json = field(default_factory=dict)
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class TombstoneRow:
    """The identity of a deleted process."""

    custom_id: str
    process_id: str
    state: str


@dataclass(frozen=True, slots=True)
class ActorStatusRow:
    """The clock of an actor, or (`*`) of the installation."""

    name: str
    blocked_at: Seconds | None = None
    clock_stopped_at: Seconds | None = None
    blocked_for: Seconds = 0.0


@dataclass(frozen=True, slots=True)
class EffectRow:
    """What a transactional worker wrote."""

    task: str
    attempt: int
    nonce: str


@dataclass(frozen=True, slots=True)
class Records:
    """Everything that one run left behind.

    `histories` holds the lines of each file; `looked_at` is when the rows were read. `cured` are the processes whose
    `refuses_until_cured` workers succeed since some moment; `asked` are the flows that starts asked for, by seed,
    custom id, variant and profile.
    """

    histories: Mapping[str, Sequence[Line]]
    processes: Sequence[ProcessRow]
    tasks: Sequence[TaskRow]
    dependencies: Sequence[DependencyRow]
    events: Sequence[EventRow]
    effects: Sequence[EffectRow]
    looked_at: Seconds
    tombstones: Sequence[TombstoneRow] = ()
    statuses: Sequence[ActorStatusRow] = ()
    strikes: Sequence[Line] = ()
    cured: frozenset[str] = frozenset()
    asked: Mapping[tuple[Json, ...], Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: the sentence holds all the numbers that a person needs to follow it."""

    sentence: str
    process: str | None = None
    task: str | None = None
    check: str = ""

    def __str__(self) -> str:
        about = "".join(f" {word} {id_}" for word, id_ in (("process", self.process), ("task", self.task)) if id_)
        return f"{self.check}:{about}: {self.sentence}"
