"""Drives the engine in this process, without Celery: for tests of its single steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, connections

from orchestrator.local.programs import Program
from processes.models import Process, ProcessState
from recovery.scans import run_scan
from tasks.claiming import Claimer, read_values
from tasks.context import CurrentTask
from tasks.declaring import Actor, BoundActor
from tasks.execution import execute
from tasks.models import Task
from tasks.outcomes import Lease, Outcome
from tasks.policies import ActorName
from tasks.registration import register_all_waiting
from tasks.registry import ACTORS
from tasks.releasing import Released, release
from tasks.starting import start_process
from tasks.states import TaskState

T = TypeVar("T")
PATIENCE_SECONDS = 30.0


def started(actor: Actor[..., Any] | BoundActor[..., Any], *args: object, **options: Any) -> Process:
    """A process that was started just now, still REGISTERING."""
    answer = start_process(actor, *args, **options)
    assert answer.process is not None, answer
    return answer.process


def registered(actor: Actor[..., Any] | BoundActor[..., Any], *args: object, **options: Any) -> Process:
    """A process that was started and registered just now."""
    process = started(actor, *args, **options)
    register_all_waiting()
    process.refresh_from_db()
    return process


def claimed(actor: Actor[..., Any] | str, limit: int = 100) -> list[Lease]:
    """Tasks of an actor, claimed together."""
    name = actor if isinstance(actor, str) else str(actor.actor_name)
    return Claimer(name, "by-hand").claim(limit)


def executed(leases: Iterable[Lease]) -> list[Outcome]:
    """What the code of the actors makes of leases."""
    leases = list(leases)
    values = read_values(leases)
    return [execute(lease, ACTORS.get(ActorName.parse(lease.actor)), values, current(lease)) for lease in leases]


def current(lease: Lease) -> CurrentTask:
    """The current task of a lease that nobody keeps; what it reports is released with its outcome."""
    details: list[str] = []
    return CurrentTask(
        id=lease.task_id,
        process_id=lease.process_id,
        actor=lease.actor,
        attempt=lease.attempt,
        tries=lease.tries,
        details_text=lease.details,
        report_details=details.append,
        reported_details=lambda: details[-1] if details else None,
        has_lost_its_lease=lambda: False,
    )


def done(actor: Actor[..., Any], limit: int = 100) -> Released:
    """Claim, execute and release what an actor has to do now."""
    return release(executed(claimed(actor, limit)))


def run_to_standstill() -> None:
    """Do all that is handed out, until nothing is; what is due later stays where it is."""
    register_all_waiting()
    run_scan("due")
    while _work_once():
        run_scan("due")


def _work_once() -> bool:
    names = set(Task.objects.filter(state=TaskState.ENQUEUED).values_list("actor", flat=True))
    known = [name for name in names if ACTORS.find(ActorName.parse(name)) is not None]
    batches = [leases for name in known if (leases := claimed(name))]
    for leases in batches:
        release(executed(leases))
    return bool(batches)


def finished(actor: Actor[..., Any], *args: object, **options: Any) -> Process:
    """A process that was started, and all that is ready in it done."""
    process = started(actor, *args, **options)
    run_to_standstill()
    process.refresh_from_db()
    return process


def task_of(process: Process | UUID, actor: Actor[..., Any]) -> Task:
    """The only task of an actor in a process."""
    process_id = process.id if isinstance(process, Process) else process
    return Task.objects.get(process_id=process_id, actor=str(actor.actor_name))


def wait_until(question: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """Wait until the answer is true, and return it."""
    until = monotonic() + seconds
    while not (answer := question()):
        assert monotonic() < until, "it did not happen"
        sleep(0.02)
    return answer


def waiting_backends(kind: str = "%") -> int:
    """How many backends of this database wait for a lock right now (whose query is like `kind`)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock' AND query LIKE %s",
            [kind],
        )
        [count] = cursor.fetchone()
    return int(count)


@contextmanager
def elsewhere(count: int = 1) -> Any:
    """Threads with database connections of their own: `submit` runs functions there."""
    with ThreadPoolExecutor(count) as pool:

        def submit(function: Callable[..., T], *args: Any, **kwargs: Any) -> Future[T]:
            def run() -> T:
                try:
                    return function(*args, **kwargs)
                finally:
                    connections.close_all()

            return pool.submit(run)

        yield submit


def wait_for_all(count: int, seconds: float = 60.0, *, scans: tuple[str, ...] = ()) -> None:
    """Wait until `count` processes have completed, running scans meanwhile."""

    def all_completed() -> bool:
        for scan in scans:
            run_scan(scan)
        return Process.objects.filter(state=ProcessState.COMPLETED).count() >= count

    wait_until(all_completed, seconds)


def messages_in(*programs: Program) -> int:
    """How many messages of the bell the workers have received, by their logs."""
    received = re.compile(r"Task tasks\.(?:drain|register_processes)\[\S+\] received")
    return sum(len(received.findall(program.log_path.read_text())) for program in programs)
