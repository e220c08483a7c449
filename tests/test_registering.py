"""Registration: an idempotent chain that may be cut anywhere and run by anybody, any number of times."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from threading import Barrier
from uuid import UUID

import pytest
from django.db import OperationalError, ProgrammingError, connection, transaction

from orchestrator.local.django_programs import in_project
from processes.models import Event, Process, ProcessState
from tasks.actors import abort
from tasks.models import Task
from tasks.registration import (
    create_root_tasks,
    enqueue_and_mark_running,
    register,
    register_all_waiting,
    run_chain,
)
from tasks.states import TaskState
from tasks.transitions import lock_processes
from tests.by_hand import elsewhere, run_to_standstill, started, wait_until, waiting_backends
from tests.flows.actors import add, echo
from tests.messages import take_messages

pytestmark = pytest.mark.usefixtures("rows")

RUN_AND_DIE = """
import os, signal, sys
from uuid import UUID
import django
django.setup()
from django.db import transaction
from tasks import registration
from tasks.transitions import lock_processes

ids = [UUID(each) for each in sys.argv[3:]]
steps = [
    registration.create_root_tasks,
    registration.register_dependencies,
    registration.enqueue_and_mark_running,
][: int(sys.argv[1])]
transaction.set_autocommit(False)
lock_processes(ids)
for step in steps:
    step(ids)
if sys.argv[2] == "committed":
    transaction.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""


def run_and_die(environ: dict[str, str], steps: int, end: str, ids: list[UUID]) -> None:
    """Run the first steps of the chain in another process, which is killed there."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_AND_DIE, str(steps), end, *map(str, ids)],
        env={**in_project(environ), "DJANGO_SETTINGS_MODULE": "tests.settings"},
        check=False,
    )
    assert done.returncode == -9


def assert_registered_once(process: Process) -> None:
    process.refresh_from_db()
    assert (process.state, process.open_tasks) == (ProcessState.RUNNING, 1)
    [root] = Task.objects.filter(process=process)
    assert (root.id, root.state, root.attempt) == (process.id, TaskState.ENQUEUED, 0)


def test_the_chain_brings_a_process_to_its_first_enqueued_task_and_rings() -> None:
    take_messages("actors")
    process = started(add.options(priority=2), 1)
    registered = register([process.id])
    assert registered.created == registered.enqueued == registered.processes == [process.id]
    assert_registered_once(process)
    root = Task.objects.get()
    assert (root.actor, root.kind, root.arguments, root.priority) == ("flows.add#1.0", "worker", '{"a":1}', 2)
    assert take_messages("actors") == [("tasks.drain", ["flows.add#1.0"])]


@pytest.mark.parametrize("end", ["committed", "in the transaction"])
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_run_that_was_killed_after_any_step_is_completed_by_the_next(
    environ: dict[str, str], steps: int, end: str
) -> None:
    processes = [started(echo, number) for number in range(3)]
    run_and_die(environ, steps, end, [process.id for process in processes])
    again = register([process.id for process in processes])
    kept = steps if end == "committed" else 0
    assert len(again.created) == (0 if kept >= 1 else 3)
    assert len(again.enqueued) == (0 if kept >= 3 else 3)
    for process in processes:
        assert_registered_once(process)


def test_a_repeated_run_reports_a_duplicate_and_enqueues_nothing_again() -> None:
    process = started(echo, 1)
    register([process.id])
    before = Task.objects.values().get()
    again = register([process.id])
    assert (again.processes, again.created, again.enqueued, dict(again.fed)) == ([], [], [], {})
    assert Task.objects.values().get() == before


def test_each_step_may_be_run_again_by_itself() -> None:
    process = started(echo, 1)
    ids = [process.id]
    with transaction.atomic():
        lock_processes(ids)
        assert create_root_tasks(ids) == ids
        assert create_root_tasks(ids) == []
        assert enqueue_and_mark_running(ids)[0] == ids
        assert enqueue_and_mark_running(ids)[0] == []
        assert create_root_tasks(ids) == []
    assert_registered_once(process)


def test_two_workers_at_once_register_each_process_exactly_once() -> None:
    processes = [started(echo, number) for number in range(40)]
    barrier = Barrier(4)

    def work() -> int:
        connection.ensure_connection()
        barrier.wait()
        return register_all_waiting()

    with elsewhere(4) as submit:
        done = [each.result() for each in [submit(work) for _ in range(4)]]
    register_all_waiting()
    assert sum(done) <= 40
    for process in processes:
        assert_registered_once(process)


def test_a_run_that_waits_for_an_abort_registers_nothing() -> None:
    process = started(echo, 1)
    with elsewhere() as submit:
        with transaction.atomic():
            abort(process)

            def chain() -> list[UUID]:
                with transaction.atomic():
                    states = lock_processes([process.id])
                    return [each for each in states if states[each] == ProcessState.REGISTERING]

            waiting = submit(chain)
            wait_until(lambda: waiting_backends("%FOR NO KEY UPDATE%") == 1)
        assert waiting.result() == []
    assert register([process.id]).processes == []
    assert not Task.objects.exists()


def test_an_abort_between_the_steps_leaves_nothing_without_an_exit(environ: dict[str, str]) -> None:
    process = started(echo, 1)
    run_and_die(environ, 1, "committed", [process.id])
    abort(process)
    register([process.id])
    process.refresh_from_db()
    assert (process.state, process.open_tasks) == (ProcessState.ABORTED, 0)
    assert Task.objects.get().state == TaskState.CANCELLED


@pytest.mark.parametrize(
    "spoil",
    [
        lambda process: Process.objects.filter(id=process.id).update(options="{}"),
        lambda process: Process.objects.filter(id=process.id).update(options="nonsense"),
        lambda process: Process.objects.filter(id=process.id).update(kind="unheard of"),
    ],
    ids=["no options", "no JSON", "a kind that the rows refuse"],
)
def test_a_process_that_cannot_be_registered_fails_and_does_not_hold_up_its_batch(
    spoil: Callable[[Process], object],
) -> None:
    good = [started(echo, number) for number in range(2)]
    bad = started(echo, 3)
    spoil(bad)
    later = started(echo, 4)
    register_all_waiting()
    for process in (*good, later):
        assert_registered_once(process)
    bad.refresh_from_db()
    assert (bad.state, bad.open_tasks) == (ProcessState.FAILED, 0)
    assert bad.failure is not None
    assert bad.stood_still_at is not None
    assert not Task.objects.filter(process=bad).exists()
    assert Event.objects.get(process_id=bad.id).kind == "registration_failed"
    run_to_standstill()
    assert Process.objects.filter(state=ProcessState.COMPLETED).count() == 3


def test_an_error_of_the_database_never_fails_a_process() -> None:
    process = started(echo, 1)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 200")
    with elsewhere() as submit, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE tasks_task IN ACCESS EXCLUSIVE MODE")

        def attempt() -> str:
            with connection.cursor() as other:
                other.execute("SET statement_timeout = 200")
            try:
                register([process.id])
            except OperationalError as error:
                return str(error)
            return "no error"

        assert "statement timeout" in submit(attempt).result()
    process.refresh_from_db()
    assert process.state == ProcessState.REGISTERING
    register([process.id])
    assert_registered_once(process)


def test_code_that_is_newer_than_the_tables_never_fails_a_process() -> None:
    process = started(echo, 1)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tasks_task RENAME COLUMN heartbeat TO not_migrated")
        try:
            with pytest.raises(ProgrammingError, match="heartbeat"):
                register([process.id])
        finally:
            cursor.execute("ALTER TABLE tasks_task RENAME COLUMN not_migrated TO heartbeat")
    process.refresh_from_db()
    assert (process.state, process.failure, Event.objects.count()) == (ProcessState.REGISTERING, None, 0)
    register([process.id])
    assert_registered_once(process)


def test_a_process_that_somebody_else_registers_right_now_is_left_to_him() -> None:
    processes = [started(echo, number) for number in range(2)]
    with transaction.atomic():
        lock_processes([processes[0].id])
        with elsewhere() as submit:
            registered = submit(register, [process.id for process in processes]).result()
    assert registered.processes == [processes[1].id]


def test_a_process_is_running_exactly_when_its_root_is_enqueued() -> None:
    process = started(echo, 1)
    with transaction.atomic():
        run_chain([process.id])
        with elsewhere() as submit:
            seen = submit(lambda: (Process.objects.get().state, Task.objects.count())).result()
        assert seen == (ProcessState.REGISTERING, 0)
    assert_registered_once(process)
