"""A transactional worker's writes and its completion commit together, or not at all."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection

from orchestrator.local.django_programs import in_project
from processes.models import Event, Process, ProcessState
from recovery.finding import scan_task_poll_to_end
from tasks.claiming import read_values
from tasks.models import Task
from tasks.outcomes import Answer, Lease
from tasks.registry import ACTORS
from tasks.releasing import Released
from tasks.states import TaskState
from tasks.transactional import execute_transactionally
from tests.by_hand import claimed, current, registered, wait_for_all
from tests.conftest import Launch
from tests.flows.actors import book
from tests.flows.models import Effect

pytestmark = pytest.mark.usefixtures("rows")
FAR = datetime(2099, 1, 1, tzinfo=UTC)

RUN_AND_DIE = """
import os, signal, sys
import django
django.setup()
from tasks import execution, transactional
from tests.by_hand import claimed, current
from tests.flows.actors import book

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

point = sys.argv[1]
release_within = transactional.release_within
if point == "before user code":
    transactional.execute = die
if point == "after user code":
    transactional.release_within = die
if point == "after the release, before COMMIT":
    transactional.release_within = lambda outcomes: (release_within(outcomes), die())
[lease] = claimed(book)
transactional.execute_transactionally(lease, book, {}, current(lease))
die()
"""


def executed_transactionally(lease: Lease) -> Released:
    actor = ACTORS.find(book.actor_name)
    assert actor is not None
    return execute_transactionally(lease, actor, read_values([lease]), current(lease))


@pytest.mark.parametrize(
    ("point", "commits"),
    [
        ("before user code", False),
        ("in user code", False),
        ("after user code", False),
        ("after the release, before COMMIT", False),
        ("after COMMIT", True),
    ],
)
def test_a_worker_killed_anywhere_leaves_effect_and_completion_or_neither(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory, point: str, commits: bool
) -> None:
    marker = tmp_path_factory.mktemp("transactional") / "marker"
    process = registered(book, "seat 12", str(marker) if point == "in user code" else "")
    done = subprocess.run(
        [sys.executable, "-c", RUN_AND_DIE, point],
        env={**in_project(environ), "DJANGO_SETTINGS_MODULE": "tests.settings"},
        check=False,
    )
    assert done.returncode == -9
    process.refresh_from_db()
    assert (Effect.objects.count(), process.state == ProcessState.COMPLETED) == (int(commits), commits)
    if not commits:
        assert Task.objects.get().state == TaskState.POLLED
        assert scan_task_poll_to_end(FAR) == 1
        [lease] = claimed(book)
        assert executed_transactionally(lease).answers == {lease.task_id: Answer.ACCEPTED}
        process.refresh_from_db()
    assert (Effect.objects.count(), process.state, process.value) == (1, ProcessState.COMPLETED, "seat 12")


def test_a_lost_lease_rolls_the_writes_back_and_is_recorded() -> None:
    registered(book, "late")
    [lease] = claimed(book)
    assert scan_task_poll_to_end(FAR) == 1
    assert executed_transactionally(lease).answers == {lease.task_id: Answer.LEASE_LOST}
    assert not Effect.objects.exists()
    assert Event.objects.filter(kind="release_refused", task_id=lease.task_id).count() == 1
    [again] = claimed(book)
    executed_transactionally(again)
    assert Effect.objects.count() == 1


def test_a_failed_attempt_leaves_no_writes_and_is_tried_again() -> None:
    registered(book, "unwanted", "", True)
    [lease] = claimed(book)
    assert executed_transactionally(lease).answers == {lease.task_id: Answer.ACCEPTED}
    assert not Effect.objects.exists()
    task = Task.objects.get()
    assert (task.state, task.tries, task.delay_reason) == (TaskState.DELAYED, 1, "retry")


def test_a_constraint_that_fails_at_commit_is_a_failed_attempt() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE flows_effect ADD CONSTRAINT once UNIQUE (what) DEFERRABLE INITIALLY DEFERRED")
    try:
        for _ in range(2):
            registered(book, "twice")
        first, second = claimed(book)
        assert executed_transactionally(first).answers == {first.task_id: Answer.ACCEPTED}
        assert executed_transactionally(second).answers == {second.task_id: Answer.ACCEPTED}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE flows_effect DROP CONSTRAINT once")
    assert Effect.objects.count() == 1
    states = sorted(Task.objects.values_list("state", "tries"))
    assert states == [(TaskState.COMPLETED, 0), (TaskState.DELAYED, 1)]
    assert Process.objects.filter(state=ProcessState.COMPLETED).count() == 1


def test_no_lock_of_the_engine_is_held_while_user_code_runs() -> None:
    seen: list[int] = []
    registered(book, "watched")
    [lease] = claimed(book)

    def look(text: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'RowShareLock' "
                "AND relation = 'processes_process'::regclass"
            )
            seen.append(cursor.fetchone()[0])

    looking = book.function

    def watched(what: str, path: str = "", fails: bool = False) -> str:
        look(what)
        return looking(what, path, fails)

    book.function = watched
    try:
        executed_transactionally(lease)
    finally:
        book.function = looking
    assert seen == [0]


def test_on_real_workers_one_of_which_is_killed_after_its_write_each_effect_is_there_exactly_once(
    launch: Launch, folder: Path
) -> None:
    launch(concurrency=2)
    marker = folder / "marker"
    killing = registered(book, "seat 0", str(marker))
    seats = [f"seat {number}" for number in range(100)]
    processes = [killing, *(registered(book, seat) for seat in seats[1:])]
    wait_for_all(100, scans=("task_heartbeat", "due"))
    assert marker.read_text() == "first attempt\n"
    assert Task.objects.get(id=killing.id).attempt >= 2
    assert sorted(Effect.objects.values_list("what", flat=True)) == sorted(seats)
    assert {process.id for process in processes} == set(
        Task.objects.filter(state=TaskState.COMPLETED).values_list("id", flat=True)
    )
