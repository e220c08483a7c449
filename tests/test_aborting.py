"""Aborting a process ends it and all that is open in it, in one transaction."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import transaction

from processes.errors import AlreadyEnded, NoSuchProcess
from processes.models import Event, Process, ProcessState
from tasks.actors import abort
from tasks.models import Task
from tasks.outcomes import Answer, completed
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, done, finished, registered, run_to_standstill, started
from tests.flows.actors import add, chain, echo, unaccepted

pytestmark = pytest.mark.usefixtures("rows")


def test_a_process_is_aborted_in_whatever_state_it_is_not_final() -> None:
    registering, running = started(echo, 1), registered(chain, 1)
    failed = started(unaccepted, "no")
    run_to_standstill()
    for process in (registering, failed):
        process.refresh_from_db()
    paused = registered(echo, 1)
    Process.objects.filter(id=paused.id).update(state=ProcessState.PAUSED, stood_still_at="2026-01-01T00:00Z")
    Process.objects.filter(id=registering.id).update(state=ProcessState.REGISTERING, ended_at=None, result=None)
    assert failed.state == ProcessState.FAILED
    for process in (registering, failed, paused):
        abort(process, by="ann", reason="no longer wanted")
        process.refresh_from_db()
        assert (process.state, process.open_tasks, process.stood_still_at) == (ProcessState.ABORTED, 0, None)
        assert process.ended_at is not None
        event = Event.objects.filter(process_id=process.id, kind="aborted").get()
        assert (event.by, event.detail["reason"]) == ("ann", "no longer wanted")
    running.refresh_from_db()
    assert running.state == ProcessState.COMPLETED


def test_open_tasks_are_cancelled_and_a_failed_one_stays_failed() -> None:
    process = started(unaccepted, "no")
    run_to_standstill()
    abort(process)
    states = set(Task.objects.filter(process=process).values_list("actor", "state"))
    assert states == {
        ("flows.unaccepted#1.0", TaskState.CANCELLED),
        ("flows.fail#1.0", TaskState.FAILED),
        ("flows.echo#1.0", TaskState.CANCELLED),
    }


def test_what_still_runs_is_refused_when_it_comes_back() -> None:
    process = registered(chain, 1)
    done(chain)
    [lease] = claimed(add)
    abort(process)
    assert release([completed(lease, "2")]).answers == {lease.task_id: Answer.LEASE_LOST}
    assert set(Task.objects.filter(process=process).values_list("state", flat=True)) == {TaskState.CANCELLED}


@pytest.mark.parametrize("how", ["completed", "aborted"])
def test_an_ended_process_is_refused_and_stays_as_it_is(how: str) -> None:
    process = finished(echo, 1)
    if how == "aborted":
        process = started(echo, 2)
        abort(process)
    before = Process.objects.filter(id=process.id).values().get()
    with pytest.raises(AlreadyEnded, match=str(process.id)):
        abort(process)
    assert Process.objects.filter(id=process.id).values().get() == before


def test_an_unknown_process_is_refused() -> None:
    with pytest.raises(NoSuchProcess):
        abort(uuid4())


def test_inside_a_transaction_the_abort_commits_with_the_caller_s_rows() -> None:
    class Undone(Exception):
        pass

    process = registered(echo, 1)

    def undone() -> None:
        with transaction.atomic():
            abort(process)
            raise Undone

    with pytest.raises(Undone):
        undone()
    process.refresh_from_db()
    assert process.state == ProcessState.RUNNING
    with transaction.atomic():
        abort(process.id)
    process.refresh_from_db()
    assert process.state == ProcessState.ABORTED
