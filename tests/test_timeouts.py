"""Each timeout under each policy, in one scan; and what a standstill leaves of the time of tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.failures import Failure
from processes.models import Event, Process, ProcessState, new_id
from recovery.scans import SCANS, run_scan
from tasks.actors import pause, resume
from tasks.models import Task
from tasks.outcomes import Answer, Outcome, completed, handed_back, snoozed, to_be_retried
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, done, executed, registered, task_of
from tests.every_row import disagreements, let_pass
from tests.flows.actors import add
from tests.recovery_rows import columns, process, task
from tests.steered import bounded, bounded_later

pytestmark = pytest.mark.usefixtures("rows")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def timed_process(at: Any, policy: str) -> Process:
    of = process(deadline_at=at, on_start_to_end=policy)
    task(of)
    task(of, TaskState.POLLED, id=new_id())
    return of


def leased(**fields: Any) -> Task:
    return task(state=TaskState.POLLED, max_attempts=3, tries=0, **fields)


@dataclass(frozen=True)
class Timeout:
    """One clock under one policy: a row whose time ends at a moment, and the states after the scan."""

    scan: str
    make: Callable[[Any], Process | Task]
    process: str
    tasks: set[str]


TIMEOUTS = {
    "start to end, time out": Timeout(
        "process_start_to_end", lambda at: timed_process(at, "time_out"), "TIMED_OUT", {"CANCELLED"}
    ),
    "start to end, alert": Timeout(
        "process_start_to_end", lambda at: timed_process(at, "alert"), "RUNNING", {"ENQUEUED", "POLLED"}
    ),
    "enqueue to end, fail": Timeout("task_enqueue_to_end", lambda at: task(deadline_at=at), "FAILED", {"FAILED"}),
    "enqueue to end, alert": Timeout(
        "task_enqueue_to_end", lambda at: task(deadline_at=at, on_enqueue_to_end="alert"), "RUNNING", {"ENQUEUED"}
    ),
    "poll to end, retry": Timeout(
        "task_poll_to_end", lambda at: leased(lease_ends_at=at, poll_ends_at=at), "RUNNING", {"ENQUEUED"}
    ),
    "poll to end, fail": Timeout(
        "task_poll_to_end",
        lambda at: leased(lease_ends_at=at, poll_ends_at=at, on_lease_lost="fail"),
        "FAILED",
        {"FAILED"},
    ),
    "heartbeat, retry": Timeout("task_heartbeat", lambda at: leased(lease_ends_at=at), "RUNNING", {"ENQUEUED"}),
    "heartbeat, fail": Timeout(
        "task_heartbeat", lambda at: leased(lease_ends_at=at, on_lease_lost="fail"), "FAILED", {"FAILED"}
    ),
}


@pytest.mark.parametrize("timeout", TIMEOUTS.values(), ids=TIMEOUTS)
def test_what_is_due_is_acted_on_by_one_scan_and_what_is_due_in_a_moment_is_not(timeout: Timeout) -> None:
    now = timezone.now()
    due, nearly = timeout.make(now), timeout.make(now + MINUTE)
    before = columns(nearly)
    assert run_scan(timeout.scan) == 1
    of = Process.objects.get(id=due.id)
    assert (of.state, set(of.tasks.values_list("state", flat=True))) == (timeout.process, timeout.tasks)
    assert columns(nearly) == before
    assert Event.objects.filter(kind=f"{timeout.scan.upper()}_TIMEOUT").get().process_id == due.id
    assert run_scan(timeout.scan) == 0
    assert SCANS[timeout.scan].period <= timedelta(seconds=5)
    let_pass(2 * MINUTE)
    assert run_scan(timeout.scan) == 1
    assert disagreements() == {}


@pytest.mark.parametrize("name", ["start to end, alert", "enqueue to end, alert"])
def test_an_alert_is_given_once_and_not_again_after_a_pause(name: str) -> None:
    timeout = TIMEOUTS[name]
    due = timeout.make(timezone.now())
    assert run_scan(timeout.scan) == 1
    pause(due.id)
    resume(due.id)
    let_pass(9 * HOUR)
    assert run_scan(timeout.scan) == 0
    assert Event.objects.filter(kind=f"{timeout.scan.upper()}_TIMEOUT").count() == 1


def time_left(task: Task) -> timedelta:
    task.refresh_from_db()
    assert task.budget_left is None
    assert task.deadline_at is not None
    return task.deadline_at - timezone.now()


def about(duration: timedelta, expected: timedelta) -> bool:
    return expected - timedelta(seconds=20) < duration <= expected


OUTCOMES: dict[str, tuple[Callable[[Any], Outcome], str]] = {
    "retried": (lambda lease: to_be_retried(lease, Failure("E", "no"), 2 * HOUR), "DELAYED"),
    "snoozed": (lambda lease: snoozed(lease, 2 * HOUR), "DELAYED"),
    "handed back": (handed_back, "HELD"),
}


@pytest.mark.parametrize("how", OUTCOMES)
def test_a_task_that_ran_into_a_standstill_keeps_what_was_left_of_its_time(how: str) -> None:
    make, state = OUTCOMES[how]
    of = registered(bounded, 1)
    done(bounded)
    [lease] = claimed(add)
    let_pass(20 * MINUTE)
    pause(of)
    let_pass(3 * HOUR)
    assert release([make(lease)]).answers == {lease.task_id: Answer.ACCEPTED}
    waiting = task_of(of, add)
    assert (waiting.state, waiting.deadline_at) == (state, None)
    assert waiting.budget_left is not None
    assert about(waiting.budget_left, 40 * MINUTE)
    let_pass(3 * HOUR)
    assert run_scan("due") == (state == "DELAYED")
    waiting.refresh_from_db()
    assert waiting.state == TaskState.HELD
    assert run_scan("task_enqueue_to_end") == 0
    resume(of)
    assert about(time_left(waiting), 40 * MINUTE)
    assert waiting.state == TaskState.ENQUEUED


def test_a_task_that_is_delayed_beyond_a_standstill_gets_its_time_back_while_it_waits() -> None:
    of = registered(bounded, 1)
    done(bounded)
    [lease] = claimed(add)
    release([to_be_retried(lease, Failure("E", "no"), 9 * HOUR)])
    pause(of)
    let_pass(HOUR)
    resume(of)
    waiting = task_of(of, add)
    assert about(time_left(waiting), HOUR)
    assert waiting.state == TaskState.DELAYED


def test_a_lease_that_is_lost_in_a_standstill_is_taken_back_and_its_task_held_with_what_was_left() -> None:
    of = registered(bounded, 1)
    done(bounded)
    [lease] = claimed(add)
    pause(of)
    let_pass(20 * MINUTE)
    assert run_scan("task_poll_to_end") == 1
    held = task_of(of, add)
    assert (held.state, held.tries, held.deadline_at) == (TaskState.HELD, 1, None)
    assert release([completed(lease, "1")]).answers == {lease.task_id: Answer.LEASE_LOST}
    resume(of)
    assert about(time_left(held), HOUR)
    assert held.state == TaskState.ENQUEUED


def test_a_clock_that_had_not_begun_begins_with_its_whole_time_when_the_process_goes_on() -> None:
    of = registered(bounded, 1)
    [lease] = claimed(bounded)
    pause(of)
    release(executed([lease]))
    held = task_of(of, add)
    assert (held.state, held.enqueued_at, held.deadline_at, held.budget_left) == (TaskState.HELD, None, None, None)
    let_pass(5 * HOUR)
    resume(of)
    assert about(time_left(held), HOUR)


def test_a_clock_of_a_later_start_begins_when_it_is_due_and_not_in_a_standstill() -> None:
    of = registered(bounded_later, 1)
    done(bounded_later)
    later = task_of(of, add)
    pause(of)
    let_pass(30 * MINUTE)
    resume(of)
    later.refresh_from_db()
    assert (later.state, later.deadline_at, later.budget_left) == (TaskState.DELAYED, None, None)
    pause(of)
    let_pass(5 * HOUR)
    assert run_scan("due") == 1
    later.refresh_from_db()
    assert (later.state, later.deadline_at, later.budget_left) == (TaskState.HELD, None, None)
    resume(of)
    assert about(time_left(later), HOUR)


@pytest.mark.parametrize("state", [ProcessState.PAUSED, ProcessState.FAILED])
def test_a_task_that_became_ready_in_a_standstill_waits_for_ever_without_a_clock(state: str) -> None:
    of = process(state)
    row = task(of, TaskState.HELD, enqueued_at=None, enqueue_to_end=MINUTE)
    let_pass(9999 * HOUR)
    before = columns(row)
    assert [run_scan(name) for name in ("task_enqueue_to_end", "process_start_to_end", "due")] == [0, 0, 0]
    assert columns(row) == before
