"""Leases that run out: which are taken back, when, by which scan, and who pays for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.models import ProcessState
from recovery.finding import scan_task_heartbeat, scan_task_poll_to_end
from tasks.aborting import abort
from tasks.claiming import Claimer
from tasks.expiring import HEARTBEAT, POLL_TO_END, end_leases
from tasks.models import Task, TaskState
from tasks.outcomes import Answer, Lease, completed, handed_back
from tasks.releasing import release
from tests.messages import take_messages
from tests.recovery_rows import ACTOR, NOW, TICK, changed, columns, events, process, task

pytestmark = pytest.mark.usefixtures("rows")

LATER = NOW + timedelta(hours=1)


def claim(limit: int) -> list[Lease]:
    """Claim as a worker does."""
    return Claimer(ACTOR, "w:1").claim(limit)


def test_lease_without_a_heartbeat_is_taken_back_at_its_very_end_and_its_actor_is_rung() -> None:
    """Due at the moment itself, not a tick before; the actor gets one bell, the history one event."""
    due = task(state=TaskState.POLLED, lease_ends_at=NOW)
    nearly = task(state=TaskState.POLLED, lease_ends_at=NOW + TICK)
    before_due, before_nearly = columns(due), columns(nearly)
    take_messages("actors")

    assert scan_task_heartbeat(NOW) == 1

    assert changed(due, before_due) == {
        "state": TaskState.ENQUEUED,
        "tries": 1,
        "poll_ends_at": None,
        "lease_ends_at": None,
        "batch_size": None,
    }
    assert changed(nearly, before_nearly) == {}
    told = {"actor": ACTOR, "attempt": 1, "tries": 1, "worker": "w:1", "became": "ENQUEUED"}
    assert events() == [(HEARTBEAT, due.process_id, due.id, told)]
    assert take_messages("actors") == [("tasks.drain", [ACTOR])]


def test_attempt_that_takes_too_long_is_taken_back_by_the_poll_scan_and_one_without_heartbeat_by_the_other() -> None:
    """Each of the two scans acts on its own event and leaves the other's rows alone."""
    too_long = task(state=TaskState.POLLED, lease_ends_at=NOW, poll_ends_at=NOW)
    silent = task(state=TaskState.POLLED, lease_ends_at=NOW, poll_ends_at=NOW + TICK)
    before = columns(silent)

    assert scan_task_poll_to_end(NOW) == 1

    assert changed(silent, before) == {}
    assert [(kind, found) for kind, _, found, _ in events()] == [(POLL_TO_END, too_long.id)]
    assert scan_task_heartbeat(NOW) == 1
    assert [(kind, found) for kind, _, found, _ in events()][1:] == [(HEARTBEAT, silent.id)]
    assert scan_task_poll_to_end(NOW) == scan_task_heartbeat(NOW) == 0


def test_what_was_released_or_ended_or_extended_a_moment_before_is_left_alone() -> None:
    """A candidate found by a scan is looked at again under the lock: only a lease that still stands is ended."""
    for _ in range(3):
        task()
    released, aborted, extended = sorted(claim(3), key=lambda lease: lease.task_id)
    found = [(lease.task_id, lease.process_id) for lease in (released, aborted, extended)]
    release([completed(released, "42")])
    abort(aborted.process_id)
    Task.objects.filter(id=extended.task_id).update(lease_ends_at=LATER + TICK)
    rows = list(Task.objects.order_by("id"))
    before = [columns(row) for row in rows]
    history = events()

    assert end_leases(found, HEARTBEAT, LATER) == 0
    assert scan_task_heartbeat(NOW) == 0

    assert [changed(row, was) for row, was in zip(rows, before, strict=True)] == [{}, {}, {}]
    assert [row.state for row in rows] == [TaskState.COMPLETED, TaskState.CANCELLED, TaskState.POLLED]
    assert events() == history


def test_lease_lost_in_a_batch_counts_no_try_for_anybody_and_all_come_back_to_be_claimed_alone() -> None:
    """Five claimed together lose nothing; afterwards each claim, however much it asks for, takes one."""
    for _ in range(5):
        task(max_attempts=1, on_lease_lost="fail")
    assert len(claim(5)) == 5

    assert scan_task_poll_to_end(LATER) == 5

    kept = list(Task.objects.values_list("state", "tries", "attempt", "alone"))
    assert kept == [(TaskState.ENQUEUED, 0, 1, True)] * 5
    taken = [claim(100) for _ in range(6)]
    assert [len(leases) for leases in taken] == [1, 1, 1, 1, 1, 0]
    assert len({lease.task_id for leases in taken for lease in leases}) == 5
    assert set(Task.objects.values_list("batch_size", flat=True)) == {1}


def test_task_that_kills_its_worker_alone_each_time_fails_after_its_own_tries() -> None:
    """Two lost leases come back, the third ends it: FAILED by a timeout, and its process stands still."""
    poison = task(max_attempts=3)
    for tries in (1, 2):
        [lease] = claim(10)
        assert lease.attempt == tries
        assert scan_task_poll_to_end(LATER) == 1
        poison.refresh_from_db()
        assert (poison.state, poison.tries) == (TaskState.ENQUEUED, tries)
    [last] = claim(10)

    assert scan_task_poll_to_end(LATER) == 1

    poison.refresh_from_db()
    assert (poison.state, poison.tries, poison.failure_accepted) == (TaskState.FAILED, 3, False)
    assert '"type":"timeout"' in (poison.failure or "")
    of = poison.process
    assert (of.state, of.failed_task_id, of.open_tasks, of.failure) == (
        ProcessState.FAILED,
        poison.id,
        1,
        poison.failure,
    )
    assert [kind for kind, *_ in events(of.id)] == [POLL_TO_END] * 3 + ["task_failed"]
    assert release([completed(last, "1")]).answers == {poison.id: Answer.LEASE_LOST}
    assert claim(10) == []


def test_policy_fail_ends_a_task_at_its_first_lost_lease_although_it_has_tries_left() -> None:
    """`on_lease_lost="fail"` fails it, `retry` beside it comes back."""
    fails = task(state=TaskState.POLLED, lease_ends_at=NOW, on_lease_lost="fail", max_attempts=9)
    retries = task(state=TaskState.POLLED, lease_ends_at=NOW, on_lease_lost="retry", max_attempts=9)

    assert scan_task_heartbeat(NOW) == 2

    fails.refresh_from_db()
    retries.refresh_from_db()
    assert (fails.state, fails.tries, fails.process.state) == (TaskState.FAILED, 1, ProcessState.FAILED)
    assert (retries.state, retries.tries, retries.process.state) == (TaskState.ENQUEUED, 1, ProcessState.RUNNING)


def test_failure_by_a_lost_lease_is_accepted_like_any_other() -> None:
    """The root accepts its own failure: it is settled, and its process completes with the failure as its value."""
    root = task(state=TaskState.POLLED, lease_ends_at=NOW, on_lease_lost="fail", accept_failure=True)

    assert scan_task_heartbeat(NOW) == 1

    root.refresh_from_db()
    assert (root.state, root.failure_accepted) == (TaskState.FAILED, True)
    assert (root.process.state, root.process.open_tasks) == (ProcessState.COMPLETED, 0)
    assert '"timeout"' in (root.process.result or "")


@pytest.mark.parametrize("standstill", [ProcessState.PAUSED, ProcessState.FAILED])
def test_lease_lost_in_a_standstill_is_taken_back_but_handed_to_nobody(standstill: str) -> None:
    """Lease clocks go on while a process stands still; what they take back is HELD, and no bell rings."""
    held = task(process(standstill), TaskState.POLLED, lease_ends_at=NOW)
    take_messages("actors")

    assert scan_task_heartbeat(NOW) == 1

    held.refresh_from_db()
    assert (held.state, held.tries, held.process.state) == (TaskState.HELD, 1, standstill)
    assert claim(10) == []
    assert take_messages("actors") == []


def test_task_handed_back_unused_stays_marked_to_be_claimed_alone() -> None:
    """A worker that stops before it begins a suspect task does not clear it of suspicion."""
    for _ in range(2):
        task(alone=True)
    [lease] = claim(10)
    release([handed_back(lease)])

    assert list(Task.objects.values_list("state", "alone")) == [(TaskState.ENQUEUED, True)] * 2


def test_refused_release_of_a_lost_lease_is_recorded_and_a_repeated_accepted_one_says_so() -> None:
    """Late: typed answer, one event, nothing merged. Repeated: `already_accepted`, no event."""
    late = task()
    [lost] = claim(1)
    assert scan_task_poll_to_end(LATER) == 1
    before = columns(late)
    history = len(events())

    assert release([completed(lost, "7")]).answers == {late.id: Answer.LEASE_LOST}

    assert changed(late, before) == {}
    [(kind, _, found, detail)] = events()[history:]
    assert (kind, found, detail["attempt"], detail["current_state"]) == ("release_refused", late.id, 1, "ENQUEUED")
    [again] = claim(1)
    assert release([completed(lost, "7")]).answers == {late.id: Answer.LEASE_LOST}
    assert release([completed(again, "8")]).answers == {late.id: Answer.ACCEPTED}
    assert release([completed(again, "9")]).answers == {late.id: Answer.ALREADY_ACCEPTED}
    late.refresh_from_db()
    assert (late.result, len(events())) == ("8", history + 2)
