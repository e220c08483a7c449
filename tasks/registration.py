"""Registers processes: brings freshly inserted ones to the state in which their first task is enqueued.

One idempotent chain of named steps over a batch of processes, under the locks of the process rows and guarded
by "still REGISTERING". A step that was done before says so and does nothing again; what a crashed run left
undone is done, whoever began it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import DataError, IntegrityError

from processes.failures import Failure
from processes.history import event, record
from processes.models import Process
from processes.states import ProcessState
from processes.transitions import fail_processes
from tasks import bell
from tasks.errors import TasksError
from tasks.policies import CallOptions
from tasks.statements import fetch, records
from tasks.transactions import repeated
from tasks.transitions import hold_tasks, lock_processes

log = logging.getLogger(__name__)

UNREGISTRABLE = (DataError, IntegrityError, TasksError, ValueError)
"""What bad data raises. A lost connection, a missing column or a full disk raises something else."""


@dataclass(slots=True)
class Registered:
    """What a run of the chain did: for each step, the processes for which it did the work itself.

    A process of the batch that is missing from a step was a duplicate there: the work was found done.
    """

    processes: list[UUID] = field(default_factory=list)
    created: list[UUID] = field(default_factory=list)
    linked: list[UUID] = field(default_factory=list)
    enqueued: list[UUID] = field(default_factory=list)
    failed: list[UUID] = field(default_factory=list)
    fed: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Registered) -> None:
        """Add what another transaction of the same run did."""
        self.processes += other.processes
        self.created += other.created
        self.linked += other.linked
        self.enqueued += other.enqueued
        self.failed += other.failed
        self.fed += other.fed


def register_all_waiting() -> int:
    """Register all processes that wait for it, oldest first in bounded batches; return how many.

    Processes that somebody else is registering right now are left to him, and the scan looks after them. Must not
    run inside a transaction.
    """
    limit = settings.ORCHESTRATOR_REGISTRATION_LIMIT
    waiting = Process.objects.filter(state=ProcessState.REGISTERING).order_by("id").values_list("id", flat=True)
    count = 0
    last = UUID(int=0)
    while ids := list(waiting.filter(id__gt=last)[:limit]):
        count += len(register(ids).processes)
        last = ids[-1]
    return count


def register(ids: Sequence[UUID]) -> Registered:
    """Register these processes in one transaction and ring their actors.

    If that raises, they are tried one by one: one that cannot be registered becomes FAILED, with an event, and
    does not hold up the others. Any other error of the database is no process's fault and is raised.
    """
    if not ids:
        return Registered()
    try:
        registered = repeated(lambda: run_chain(ids))
    except UNREGISTRABLE:
        registered = Registered()
        for process_id in ids:
            registered.merge(_register_alone(process_id))
    bell.ring(registered.fed)
    return registered


def run_chain(ids: Sequence[UUID]) -> Registered:
    """Run all steps over those of the processes that are free and still REGISTERING. Needs a transaction."""
    locked = lock_processes(ids, only_free=True)
    waiting = [process_id for process_id, state in locked.items() if state == ProcessState.REGISTERING]
    registered = Registered(processes=waiting)
    if waiting:
        registered.created = create_root_tasks(waiting)
        registered.linked = register_dependencies(waiting)
        registered.enqueued, registered.fed = enqueue_and_mark_running(waiting)
    return registered


def create_root_tasks(ids: Sequence[UUID]) -> list[UUID]:
    """Step 1: create the root tasks, WAITING. Their ids are those of the processes, so none exists twice."""
    rows = [
        CallOptions.from_json(options).to_record() | {"id": process_id, "actor": actor, "kind": kind, "arguments": text}
        for process_id, actor, kind, text, options in Process.objects.filter(
            id__in=ids, state=ProcessState.REGISTERING
        ).values_list("id", "actor", "kind", "arguments", "options")
    ]
    return [row[0] for row in fetch("create_root_tasks", roots=records(rows))]


def register_dependencies(ids: Sequence[UUID]) -> list[UUID]:
    """Step 2: register what the root tasks wait for. A root waits for nothing, so there is nothing to do."""
    return []


def enqueue_and_mark_running(ids: Sequence[UUID]) -> tuple[list[UUID], Counter[str]]:
    """Steps 3 and 4: enqueue the root tasks and mark the processes RUNNING, in one statement.

    Guarded by the rows themselves (WAITING, nothing pending), not by who created them: a run after a crash goes
    on where the last one stopped.
    """
    rows = fetch("enqueue_roots", ids=list(ids))
    return [row[0] for row in rows], Counter(actor for _, actor, state in rows if state == "ENQUEUED" and actor)


def _register_alone(process_id: UUID) -> Registered:
    try:
        return repeated(lambda: run_chain([process_id]))
    except UNREGISTRABLE as error:
        return repeated(partial(_fail, process_id, error))


def _fail(process_id: UUID, error: Exception) -> Registered:
    failure = Failure.of(error)
    lock_processes([process_id])
    if not fail_processes({process_id: failure.to_text()}):
        return Registered()
    hold_tasks(process_id)
    record([event("registration_failed", process_id, type=failure.type, message=failure.message)])
    log.error("a process cannot be registered", extra={"event": "registration_failed", "process_id": str(process_id)})
    return Registered(failed=[process_id])
