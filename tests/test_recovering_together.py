"""Any number of scanners at once act exactly once; batches are bounded; each run leaves a note of itself."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

import psycopg
import pytest
from django.db import Error, connection
from pytest_django.fixtures import Settings

from processes.models import Process, ProcessState
from recovery import finding
from recovery.models import ScanRun
from recovery.scans import ROUNDS, run_scan
from tasks.models import Task, TaskState
from tasks.policies import CallOptions
from tests.held_up import beside, in_own_connection, somebody_else, wait_until_held_up_by
from tests.recovery_rows import NOW, changed, columns, events, process, task

pytestmark = pytest.mark.usefixtures("rows")

OPTIONS = CallOptions(poll_to_end=timedelta(minutes=5), heartbeat=timedelta(seconds=30)).to_json()
LOCK_TASK = "SELECT FROM tasks_task WHERE id = %(id)s FOR NO KEY UPDATE"
INSERT_TASK = """
    INSERT INTO tasks_task (id, process_id, actor, kind, arguments, state, created_at, poll_to_end, heartbeat)
    VALUES (%(id)s, %(id)s, 'other', 'worker', '{}', 'WAITING', now(), '1 minute', '1 minute')
"""


@dataclass(frozen=True)
class Case:
    """One scan: rows that it acts on, what holds it up in the middle of its transaction, and what it tells."""

    scan: Callable[[datetime], int]
    make: Callable[[], Task | Process]
    hold_up: str
    event: str | None


CASES = {
    "heartbeat": Case(
        finding.scan_task_heartbeat,
        lambda: task(state=TaskState.POLLED, lease_ends_at=NOW),
        LOCK_TASK,
        "TASK_HEARTBEAT_TIMEOUT",
    ),
    "poll-to-end": Case(
        finding.scan_task_poll_to_end,
        lambda: task(state=TaskState.POLLED, lease_ends_at=NOW, poll_ends_at=NOW),
        LOCK_TASK,
        "TASK_POLL_TO_END_TIMEOUT",
    ),
    "enqueue-to-end": Case(
        finding.scan_task_enqueue_to_end,
        lambda: task(deadline_at=NOW, accept_failure=True),
        LOCK_TASK,
        "TASK_ENQUEUE_TO_END_TIMEOUT",
    ),
    "start-to-end": Case(
        finding.scan_process_start_to_end,
        lambda: task(process(deadline_at=NOW)).process,
        LOCK_TASK,
        "PROCESS_START_TO_END_TIMEOUT",
    ),
    "due": Case(finding.scan_due, lambda: task(state=TaskState.DELAYED, due_at=NOW), LOCK_TASK, None),
    "registering": Case(
        finding.scan_stuck_registrations,
        lambda: process(ProcessState.REGISTERING, options=OPTIONS),
        INSERT_TASK,
        "REGISTRATION_STUCK",
    ),
}
each_scan = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@pytest.fixture
def other() -> Iterator[psycopg.Connection]:
    """A connection of somebody else, in a transaction."""
    with somebody_else() as made:
        yield made
        made.rollback()


@each_scan
def test_second_scanner_leaves_what_the_first_is_acting_on_and_nothing_is_done_twice(
    case: Case, other: psycopg.Connection
) -> None:
    """The first is held up with its process locked: the second finds the same row, and goes on without waiting."""
    row = case.make()
    other.execute(case.hold_up, {"id": row.pk})
    with beside(other, lambda: case.scan(NOW)) as first:
        wait_until_held_up_by(other)

        assert case.scan(NOW) == 0
        assert not first.done()

        other.rollback()
        assert first.result(30) == 1
    assert case.scan(NOW) == 0
    assert [kind for kind, *_ in events()] == ([case.event] if case.event else [])
    assert Task.objects.count() == Process.objects.count() == 1


@each_scan
def test_scanner_does_not_wait_for_a_process_that_somebody_works_on(case: Case, other: psycopg.Connection) -> None:
    """A locked process is left for the next run, its neighbour is served in this one."""
    busy, free = case.make(), case.make()
    busy_process = busy.process_id if isinstance(busy, Task) else busy.id
    before = columns(busy)
    other.execute("SELECT FROM processes_process WHERE id = %s FOR NO KEY UPDATE", [busy_process])

    assert case.scan(NOW) == 1

    assert changed(busy, before) == {}
    other.rollback()
    assert case.scan(NOW) == 1
    assert changed(busy, before) != {}
    assert Process.objects.filter(id=getattr(free, "process_id", free.id)).count() == 1


@each_scan
def test_six_scanners_in_threads_act_on_each_of_forty_rows_exactly_once(case: Case, settings: Settings) -> None:
    """Small batches, real connections, all at once: what they say they did adds up, and so does the history."""
    settings.ORCHESTRATOR_SCAN_LIMIT = settings.ORCHESTRATOR_REGISTRATION_LIMIT = 7
    for _ in range(40):
        case.make()
    began = threading.Barrier(6)
    acted: list[int] = []

    def scan_until_all_is_done() -> int:
        began.wait(30)
        mine = 0
        until = monotonic() + 60
        while sum(acted) < 40 and monotonic() < until:
            count = case.scan(NOW)
            mine += count
            acted.append(count)
        return mine

    with ThreadPoolExecutor(6) as pool:
        scanners = [pool.submit(in_own_connection, scan_until_all_is_done) for _ in range(6)]
        counts = [each.result(90) for each in scanners]

    assert sum(counts) == 40
    assert [kind for kind, *_ in events()] == ([case.event] * 40 if case.event else [])
    assert case.scan(NOW) == 0
    assert set(Task.objects.values_list("tries", flat=True)) <= {0, 1}


def test_heartbeat_that_commits_while_a_scan_waits_for_its_row_keeps_the_lease(other: psycopg.Connection) -> None:
    """The guard is looked at again behind the lock: the scan that found the lease dead lets it live."""
    alive = task(state=TaskState.POLLED, lease_ends_at=NOW)
    other.execute("UPDATE tasks_task SET lease_ends_at = %s WHERE id = %s", [NOW + timedelta(seconds=30), alive.id])
    with beside(other, lambda: finding.scan_task_heartbeat(NOW)) as scan:
        wait_until_held_up_by(other)
        other.commit()
        assert scan.result(30) == 0

    alive.refresh_from_db()
    assert (alive.state, alive.tries, alive.lease_ends_at) == (TaskState.POLLED, 0, NOW + timedelta(seconds=30))
    assert events() == []


@each_scan
def test_batch_is_bounded_and_takes_the_oldest_first(case: Case, settings: Settings) -> None:
    """Of five rows a batch of two takes two, two and one; whichever came first goes first."""
    settings.ORCHESTRATOR_SCAN_LIMIT = settings.ORCHESTRATOR_REGISTRATION_LIMIT = 2
    rows = [case.make() for _ in range(5)]
    for age, row in enumerate(rows):
        clocks = {
            name: getattr(row, name) - timedelta(minutes=age)
            for name in ("lease_ends_at", "deadline_at", "due_at")
            if getattr(row, name, None) is not None
        }
        if clocks:
            type(row)._default_manager.filter(pk=row.pk).update(**clocks)
    before = {row.pk: columns(row) for row in rows}
    oldest_first = rows if isinstance(rows[0], Process) and rows[0].state == "REGISTERING" else rows[::-1]

    assert case.scan(NOW) == 2
    assert [row for row in oldest_first if changed(row, before[row.pk])] == oldest_first[:2]
    assert [case.scan(NOW), case.scan(NOW), case.scan(NOW)] == [2, 1, 0]


def test_run_gives_way_after_a_bounded_number_of_full_batches_and_the_next_one_goes_on(settings: Settings) -> None:
    """With batches of one, a run takes as many rows as it may have rounds, and leaves the rest."""
    settings.ORCHESTRATOR_SCAN_LIMIT = 1
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    for _ in range(ROUNDS + 3):
        task(state=TaskState.DELAYED, due_at=long_ago)

    assert [run_scan("due"), run_scan("due"), run_scan("due")] == [ROUNDS, 3, 0]
    assert Task.objects.filter(state=TaskState.ENQUEUED).count() == ROUNDS + 3


def test_run_notes_when_and_where_it_ran_and_what_it_found_in_one_row_a_scan() -> None:
    """Six runs at once and one after them: one row, of the last; another scan has its own."""
    task(state=TaskState.DELAYED, due_at=datetime(2020, 1, 1, tzinfo=UTC))
    here = f"{socket.gethostname()}:{os.getpid()}"
    assert run_scan("due") == 1
    first = ScanRun.objects.get()
    assert (first.name, first.found, first.ran_by) == ("due", 1, here)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: in_own_connection(lambda: run_scan("due")), range(6))) == [0] * 6
    run_scan("task_heartbeat")

    assert list(ScanRun.objects.order_by("name").values_list("name", "found")) == [("due", 0), ("task_heartbeat", 0)]
    assert ScanRun.objects.get(name="due").ran_at > first.ran_at


def test_run_that_breaks_off_leaves_its_last_run_as_it_was(other: psycopg.Connection) -> None:
    """A scan that cannot do its work has not run: whoever looks at the row sees that it is late."""
    run_scan("task_enqueue_to_end")
    before = ScanRun.objects.get().ran_at
    other.execute("LOCK TABLE tasks_task IN ACCESS EXCLUSIVE MODE")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
        try:
            with pytest.raises(Error):
                run_scan("task_enqueue_to_end")
        finally:
            cursor.execute("RESET lock_timeout")

    assert ScanRun.objects.get().ran_at == before
    assert events() == []
