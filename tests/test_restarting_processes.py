"""Restarting a whole process: a new one from the same actor and arguments, which takes over its identity."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction

from processes.errors import AlreadyRestarted, BeingDeleted, NoSuchProcess
from processes.models import Event, Process, ProcessState, Tombstone, new_id
from tasks.actors import Code, abort, delete_process, pause, restart_process, start_process
from tasks.models import Task
from tasks.outcomes import Answer, completed
from tasks.registration import register_all_waiting
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import (
    claimed,
    done,
    elsewhere,
    finished,
    registered,
    run_to_standstill,
    started,
    wait_until,
    waiting_backends,
)
from tests.every_row import disagreements, refused
from tests.flows.actors import add, chain, echo, unaccepted
from tests.messages import take_messages
from tests.recovery_rows import changed, columns

pytestmark = pytest.mark.usefixtures("rows")
KEPT = ("actor", "kind", "arguments", "options", "attributes", "start_to_end", "on_start_to_end")


def test_a_restarted_process_is_aborted_and_names_its_successor_which_takes_all_that_it_was_started_with() -> None:
    old = started(
        chain.options(priority=2, enqueue_to_end=timedelta(minutes=7)),
        3,
        custom_id="c-1",
        attributes={"tenant": "a", "size": 3},
        start_to_end=timedelta(hours=2),
        on_start_to_end="alert",
    )
    run_once(old)
    take_messages("registration")
    event = restart_process(old, by="ann", reason="new code")
    new = Process.objects.exclude(id=old.id).get()
    before = {name: getattr(old, name) for name in KEPT}
    old.refresh_from_db()
    assert (old.state, old.restarted_as, old.open_tasks) == (ProcessState.ABORTED, new.id, 0)
    assert (old.custom_id, old.former_custom_id) == (None, "c-1")
    assert old.ended_at is not None
    assert {name: getattr(old, name) for name in KEPT} == before
    assert {name: getattr(new, name) for name in KEPT} == before
    assert (new.state, new.custom_id, new.former_custom_id, new.open_tasks) == (
        ProcessState.REGISTERING, "c-1", None, 0,
    )  # fmt: skip
    assert new.deadline_at is not None
    assert abs(new.deadline_at - new.created_at - timedelta(hours=2)) < timedelta(seconds=1)
    assert new.created_at > old.created_at
    assert (event.kind, event.process_id, event.by) == ("restarted", old.id, "ann")
    assert event.detail == {"reason": "new code", "state_before": "RUNNING", "restarted_as": str(new.id)}
    assert take_messages("registration") == [("tasks.register_processes", [])]
    assert set(Task.objects.filter(process=old).values_list("state", flat=True)) == {"CANCELLED", "COMPLETED"}
    run_to_standstill()
    new.refresh_from_db()
    root = Task.objects.get(id=new.id)
    assert (new.state, new.value) == (ProcessState.COMPLETED, 8)
    assert (root.priority, root.enqueue_to_end) == (2, timedelta(minutes=7))
    assert disagreements() == {}


def run_once(process: Process) -> None:
    """Bring a chain into the middle of its work."""
    register_all_waiting()
    done(chain)
    done(add)


@pytest.mark.parametrize("state", ["REGISTERING", "RUNNING", "PAUSED", "FAILED", "COMPLETED", "ABORTED"])
def test_a_process_is_restarted_out_of_every_state_and_one_that_has_ended_stays_as_it_ended(state: str) -> None:
    made = {
        "REGISTERING": lambda: started(echo, 1, custom_id="c"),
        "RUNNING": lambda: registered(echo, 1, custom_id="c"),
        "PAUSED": lambda: registered(echo, 1, custom_id="c"),
        "FAILED": lambda: started(unaccepted, "no", custom_id="c"),
        "COMPLETED": lambda: started(echo, 1, custom_id="c"),
        "ABORTED": lambda: registered(echo, 1, custom_id="c"),
    }
    old = made[state]()
    if state in ("FAILED", "COMPLETED"):
        run_to_standstill()
    if state in ("PAUSED", "ABORTED"):
        {"PAUSED": pause, "ABORTED": abort}[state](old)
    old.refresh_from_db()
    assert old.state == state
    before = columns(old)
    event = restart_process(old)
    assert event.detail["state_before"] == state
    moved = {"custom_id", "former_custom_id", "restarted_as"}
    if not old.is_final:
        moved |= {"state", "ended_at"} | ({"open_tasks"} if old.open_tasks else set())
        moved |= {"stood_still_at"} if old.stood_still_at else set()
    assert changed(old, before).keys() == moved
    assert Process.objects.get(custom_id="c").id == UUID(event.detail["restarted_as"])
    assert disagreements() == {}


def test_what_still_runs_in_a_restarted_process_is_refused_when_it_comes_back() -> None:
    old = registered(chain, 1)
    done(chain)
    [lease] = claimed(add)
    restart_process(old)
    assert release([completed(lease, "2")]).answers == {lease.task_id: Answer.LEASE_LOST}
    assert Task.objects.get(id=lease.task_id).state == TaskState.CANCELLED


def test_a_process_is_restarted_once_and_the_second_is_told_its_successor() -> None:
    old = registered(echo, 1, custom_id="c")
    event = restart_process(old)
    with refused(AlreadyRestarted, event.detail["restarted_as"]) as raised:
        restart_process(old)
    assert raised.value.restarted_as == UUID(event.detail["restarted_as"])


def test_of_two_who_restart_a_process_at_once_one_does_and_the_other_is_told_of_it() -> None:
    old = registered(echo, 1, custom_id="c")
    with elsewhere() as submit:
        with transaction.atomic():
            event = restart_process(old)
            second = submit(restart_process, old.id)
            wait_until(lambda: waiting_backends("%FOR NO KEY UPDATE%"))
        with pytest.raises(AlreadyRestarted) as raised:
            second.result(30)
    assert raised.value.restarted_as == UUID(event.detail["restarted_as"])
    assert Process.objects.count() == 2
    assert Event.objects.count() == 1


def test_a_successor_is_restarted_like_any_process_and_the_custom_id_goes_along() -> None:
    first = registered(echo, 1, custom_id="c")
    second = UUID(restart_process(first).detail["restarted_as"])
    third = UUID(restart_process(second).detail["restarted_as"])
    assert dict(Process.objects.values_list("id", "custom_id")) == {first.id: None, second: None, third: "c"}
    assert dict(Process.objects.values_list("id", "former_custom_id")) == {first.id: "c", second: "c", third: None}


def test_a_process_without_a_custom_id_is_restarted_without_one() -> None:
    old = registered(echo, 1)
    new = Process.objects.get(id=restart_process(old).detail["restarted_as"])
    old.refresh_from_db()
    assert (old.custom_id, old.former_custom_id, new.custom_id, new.former_custom_id) == (None,) * 4


def test_a_process_that_is_being_deleted_or_does_not_exist_is_not_restarted() -> None:
    old = finished(echo, 1, custom_id="c")
    Process.objects.filter(id=old.id).update(deletion_began_at="2026-01-01T00:00Z")
    with refused(BeingDeleted, str(old.id)):
        restart_process(old)
    with refused(NoSuchProcess):
        restart_process(new_id())


def test_a_start_of_that_custom_id_at_the_same_time_is_answered_with_the_new_process() -> None:
    old = registered(echo, 1, custom_id="c")
    with elsewhere() as submit:
        with transaction.atomic():
            new = UUID(restart_process(old).detail["restarted_as"])
            starting = submit(start_process, echo, 1, custom_id="c", if_ended="start_again")
            wait_until(lambda: waiting_backends("%INSERT INTO processes_process%"))
        answer = starting.result(30)
    assert (answer.code, answer.process_id) == (Code.EXISTS, new)
    assert Process.objects.count() == 2


def test_a_start_again_that_was_first_leaves_nothing_to_restart() -> None:
    old = registered(echo, 1, custom_id="c")
    abort(old)
    with elsewhere() as submit:
        with transaction.atomic():
            answer = start_process(echo, 1, custom_id="c", if_ended="start_again")
            restarting = submit(restart_process, old.id)
            wait_until(lambda: waiting_backends("%FOR NO KEY UPDATE%"))
        with pytest.raises(AlreadyRestarted) as raised:
            restarting.result(30)
    assert raised.value.restarted_as == answer.process_id
    assert Process.objects.count() == 2


def test_a_restart_that_is_rolled_back_leaves_no_successor() -> None:
    old = registered(echo, 1, custom_id="c")
    take_messages("registration")
    before = columns(old)
    with transaction.atomic():
        restart_process(old)
        transaction.set_rollback(True)
    assert changed(old, before) == {}
    assert Process.objects.get().custom_id == "c"
    assert take_messages("registration") == []


def test_a_restarted_process_that_is_deleted_leaves_the_custom_id_to_its_successor() -> None:
    old = registered(echo, 1, custom_id="c")
    restart_process(old)
    delete_process(old)
    assert Tombstone.objects.count() == 0
    assert start_process(echo, 1, custom_id="c").code is Code.EXISTS
