"""Leases and locks: heartbeats beside releases, lock pairs that must not wait for each other, leases that were lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Signal
from time import monotonic
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import F

from processes.models import Event, Process, ProcessState
from recovery.scans import run_scan
from tasks.aborting import abort
from tasks.batches import Batch
from tasks.keeper import send_heartbeat
from tasks.models import Task
from tasks.outcomes import Answer, completed
from tasks.releasing import release
from tasks.states import TaskState
from tasks.transitions import lock_processes
from tests.by_hand import claimed, elsewhere, registered, started, wait_until
from tests.conftest import Launch
from tests.flows.actors import echo, stubborn
from tests.messages import take_messages

pytestmark = pytest.mark.usefixtures("rows")
SECONDS_OF_LOAD = 3.0


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_heartbeats_beside_releases_under_load_never_deadlock() -> None:
    before = deadlocks()
    until = monotonic() + SECONDS_OF_LOAD

    def load() -> int:
        released = 0
        while monotonic() < until:
            for number in range(30):
                registered(echo, number)
            leases = claimed(echo, 30)
            batch = Batch(leases, lambda: False)
            ready = Signal()

            def beat(batch: Batch = batch, ready: Signal = ready) -> None:
                ready.set()
                for _ in range(10):
                    send_heartbeat(batch)

            with elsewhere() as submit:
                beating = submit(beat)
                ready.wait(30)
                answers = release([completed(lease, "1") for lease in reversed(leases)]).answers
                beating.result()
            assert set(answers.values()) <= {Answer.ACCEPTED}
            released += len(answers)
        return released

    with elsewhere(2) as submit:
        assert all(each.result() > 0 for each in [submit(load) for _ in range(2)])
    assert deadlocks() == before
    assert not Task.objects.filter(state=TaskState.POLLED).exists()


def test_a_heartbeat_leaves_a_row_that_is_being_released_alone_and_does_not_take_it_for_lost() -> None:
    process = registered(echo, 1)
    [lease] = claimed(echo)
    batch = Batch([lease], lambda: False)
    with elsewhere() as submit, transaction.atomic():
        lock_processes([process.id])
        list(Task.objects.filter(id=lease.task_id).select_for_update(no_key=True))
        submit(send_heartbeat, batch).result(timeout=10)
    assert not batch.is_lost(lease.task_id)
    abort(process)
    send_heartbeat(batch)
    assert batch.is_lost(lease.task_id)


@pytest.fixture
def user_table(rows: None) -> Iterator[None]:
    """A table of the user's with a foreign key to processes and to tasks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE users_own (process_id uuid REFERENCES processes_process, task_id uuid REFERENCES tasks_task)"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE users_own")


def insert_of_the_user(process: Process) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO users_own VALUES (%s, %s)", [process.id, process.id])


@pytest.mark.usefixtures("user_table")
def test_foreign_keys_of_the_user_s_tables_do_not_wait_for_the_engine_s_locks() -> None:
    process = registered(echo, 1)
    with elsewhere() as submit, transaction.atomic():
        lock_processes([process.id])
        claimed(echo)
        submit(insert_of_the_user, process).result(timeout=10)


@pytest.mark.usefixtures("user_table")
def test_the_engine_neither_waits_for_nor_skips_rows_that_foreign_keys_of_the_user_point_to() -> None:
    process = registered(echo, 1)
    with elsewhere() as submit, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO users_own VALUES (%s, %s)", [process.id, process.id])
        [lease] = submit(claimed, echo).result(timeout=10)
        assert submit(lambda: list(in_own_transaction(process))).result(timeout=10) == [process.id]
        answers = submit(release, [completed(lease, "1")]).result(timeout=10).answers
        assert answers == {lease.task_id: Answer.ACCEPTED}


def in_own_transaction(process: Process) -> dict[UUID, str]:
    with transaction.atomic():
        return lock_processes([process.id], only_free=True)


def abort_all(processes: list[Process]) -> None:
    for process in processes:
        abort(process)


def test_a_claim_and_an_abort_of_the_same_tasks_do_not_deadlock() -> None:
    for _ in range(10):
        processes = [registered(echo, number) for number in range(10)]
        with elsewhere(2) as submit:
            aborting = submit(abort_all, processes)
            claiming = submit(claimed, echo, 10)
            aborting.result(timeout=20)
            leases = claiming.result(timeout=20)
        release([completed(lease, "1") for lease in leases])
        assert not Task.objects.exclude(state=TaskState.CANCELLED).exists()
        assert not Process.objects.exclude(state=ProcessState.ABORTED).exists()
        Task.objects.all().delete()
        Process.objects.all().delete()


def test_a_child_that_works_on_after_its_lease_was_lost_ends_itself_and_is_replaced(
    launch: Launch, folder: Path
) -> None:
    worker = launch(concurrency=1, env={"ORCHESTRATOR_LOST_LEASE_GRACE_SECONDS": "0.5"})
    path = folder / "attempts"
    process = started(stubborn, str(path), 60.0)
    wait_until(path.exists)
    child = int(path.read_text().split()[-1])
    abort(process)
    wait_until(lambda: not Path(f"/proc/{child}").exists())
    assert "event=lease_overstayed" in worker.log_path.read_text()
    other = started(echo, 1)
    wait_until(lambda: Process.objects.get(id=other.id).state == ProcessState.COMPLETED)
    assert path.read_text().count("end in") == 0


def test_a_threads_worker_goes_on_after_a_lost_lease_says_so_and_is_refused(launch: Launch, folder: Path) -> None:
    env = {"ORCHESTRATOR_LOST_LEASE_GRACE_SECONDS": "0.2"}
    # Where it may not prefetch, a pool of threads takes one message a second: nobody else's may be in its way.
    for queue in ("registration", "actors"):
        take_messages(queue)
    worker = launch(concurrency=1, pool="threads", env=env)
    path = folder / "attempts"
    process = started(stubborn, str(path), 3.0)
    wait_until(path.exists)
    abort(process)
    wait_until(lambda: "event=lease_overstayed" in worker.log_path.read_text())
    wait_until(lambda: Event.objects.filter(kind="release_refused", process_id=process.id).exists())
    assert "end in" in path.read_text()
    assert Process.objects.get(id=process.id).state == ProcessState.ABORTED


def test_a_frozen_worker_s_task_is_done_elsewhere_and_its_late_outcome_refused(launch: Launch, folder: Path) -> None:
    env = {"ORCHESTRATOR_LOST_LEASE_GRACE_SECONDS": "60"}
    frozen = launch(concurrency=1, env=env)
    path = folder / "attempts"
    process = started(stubborn, str(path), 2.0)
    wait_until(path.exists)
    frozen.send_to_all(signal.SIGSTOP)
    launch(concurrency=1)
    wait_until(lambda: run_scan("task_heartbeat") == 1)
    run_scan("lost_wakeups")
    wait_until(lambda: Process.objects.get(id=process.id).state == ProcessState.COMPLETED)
    frozen.send_to_all(signal.SIGCONT)
    wait_until(lambda: Event.objects.filter(kind="release_refused", process_id=process.id).exists())
    task = Task.objects.get()
    assert (task.state, task.attempt, task.tries) == (TaskState.COMPLETED, 2, 1)
    assert path.read_text().count("end in") == 2
    assert Task.objects.filter(attempt=F("released_attempt")).count() == 1
