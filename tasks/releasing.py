"""Releases leased attempts: delivers their outcomes and everything that follows from them, in one transaction.

The walk of a release: lock the processes → write the outcomes behind the fence → judge failures → settle (carry
values, wake waiters) → insert the calls of decisions → account (count, complete processes) → commit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from processes.history import event, record
from tasks.models import Task
from tasks.outcomes import Answer, Outcome
from tasks.states import TaskState
from tasks.transactions import repeated
from tasks.transitions import (
    Changes,
    conclude,
    lock_processes,
    write_outcomes,
)


@dataclass(slots=True)
class Released:
    """What became of a release: an answer per task, and how much new work each actor has by it."""

    answers: dict[UUID, Answer] = field(default_factory=dict)
    fed: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Released) -> None:
        """Add what another transaction of the same release did."""
        self.answers |= other.answers
        self.fed += other.fed


def release(outcomes: Sequence[Outcome]) -> Released:
    """Deliver outcomes, each in a committed transaction, and return the answer to each.

    Processes whose row is free are served first and together; the others one by one, so that one busy process
    does not hold up the rest. A deadlock or a serialisation error repeats the transaction: the fence makes that
    safe. Must not run inside a transaction. Raises what the database raises; then nothing of the failing
    transaction is written, and repeating the call is safe.
    """
    by_process: dict[UUID, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_process[outcome.lease.process_id].append(outcome)
    if not by_process:
        return Released()
    released, served = _release_free(by_process)
    for process_id in sorted(by_process.keys() - served):
        released.merge(_release_one(by_process[process_id]))
    return released


def release_within(outcomes: Sequence[Outcome]) -> Released:
    """Deliver outcomes inside the caller's transaction, which commits or rolls back with them."""
    lock_processes({outcome.lease.process_id for outcome in outcomes})
    return _apply(outcomes)


def _release_free(by_process: Mapping[UUID, Sequence[Outcome]]) -> tuple[Released, set[UUID]]:
    def attempt() -> tuple[Released, set[UUID]]:
        free = set(lock_processes(by_process, only_free=True))
        return _apply([each for process_id in sorted(free) for each in by_process[process_id]]), free

    return repeated(attempt)


def _release_one(outcomes: Sequence[Outcome]) -> Released:
    return repeated(lambda: release_within(outcomes))


def _apply(outcomes: Sequence[Outcome]) -> Released:
    if not outcomes:
        return Released()
    changes = Changes()
    states = write_outcomes(outcomes)
    accepted = [outcome for outcome in outcomes if outcome.lease.task_id in states]
    settled = [task_id for task_id, state in states.items() if state == TaskState.COMPLETED]
    failed = [task_id for task_id, state in states.items() if state == TaskState.FAILED]
    decided = [task_id for task_id, state in states.items() if state == TaskState.DECIDED]
    for outcome in accepted:
        state = states[outcome.lease.task_id]
        changes.open_tasks[outcome.lease.process_id] -= state == TaskState.COMPLETED
        changes.readied(outcome.lease.actor, state)
    conclude(changes, settled=settled, failed=failed, decided=decided, decisions=accepted)
    answers = dict.fromkeys(states, Answer.ACCEPTED)
    refused = [outcome for outcome in outcomes if outcome.lease.task_id not in states]
    return Released(answers | _refuse(refused), changes.fed)


def _refuse(outcomes: Iterable[Outcome]) -> dict[UUID, Answer]:
    refused = {outcome.lease.task_id: outcome for outcome in outcomes}
    if not refused:
        return {}
    tasks = Task.objects.only("id", "attempt", "released_attempt", "state").in_bulk(list(refused))
    answers = dict.fromkeys(refused, Answer.LEASE_LOST)
    events = []
    for task_id, outcome in refused.items():
        task = tasks.get(task_id)
        if task is not None and task.released_attempt == outcome.lease.attempt:
            answers[task_id] = Answer.ALREADY_ACCEPTED
            continue
        events.append(
            event(
                "release_refused",
                outcome.lease.process_id,
                task_id,
                reason=Answer.LEASE_LOST,
                attempt=outcome.lease.attempt,
                outcome=outcome.state,
                current_attempt=task.attempt if task else None,
                current_state=task.state if task else None,
            )
        )
    record(events)
    return answers
