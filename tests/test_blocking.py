"""Blocking an actor, or all of them: nothing is handed out, what runs may finish, and who is rung afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction

from processes.models import Event, Process, ProcessState
from recovery.scans import run_scan
from tasks.actors import block, pause, pause_everything, resume_everything, unblock
from tasks.draining import drain
from tasks.errors import AlreadyBlocked, InvalidActorName, NotBlocked
from tasks.models import ActorStatus, Task
from tasks.outcomes import Answer, completed
from tasks.queries import note_poll
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, done, elsewhere, registered, run_to_standstill, wait_until, waiting_backends
from tests.every_row import disagreements, let_pass, refused
from tests.flows.actors import add, chain, echo
from tests.held_up import somebody_else
from tests.messages import take_messages
from tests.recovery_rows import changed, columns, task
from tests.steered import approval

pytestmark = pytest.mark.usefixtures("rows")
ADD, ECHO = str(add.actor_name), str(echo.actor_name)


def test_a_blocked_actor_hands_nothing_out_others_do_and_what_runs_may_finish() -> None:
    process = registered(chain, 1)
    done(chain)
    [lease] = claimed(add)
    before = columns(process)
    event = block(add, by="ann", reason="the bank is down")
    assert (event.kind, event.process_id, event.by) == ("blocked", None, "ann")
    assert event.detail == {"reason": "the bank is down", "actor": ADD}
    assert changed(process, before) == {}
    assert release([completed(lease, "2")]).answers == {lease.task_id: Answer.ACCEPTED}
    assert Task.objects.filter(actor=ADD, state=TaskState.ENQUEUED).count() == 1
    assert claimed(add) == []
    drain(ADD)
    assert Task.objects.filter(actor=ADD, state=TaskState.ENQUEUED).count() == 1
    registered(echo, 1)
    assert len(claimed(echo)) == 1
    assert disagreements() == {}


def test_an_unblocked_actor_is_rung_once_and_hands_out_again() -> None:
    registered(echo, 1)
    block(echo)
    blocked_at = ActorStatus.objects.get(name=ECHO).blocked_at
    assert blocked_at is not None
    take_messages("actors")
    event = unblock(ECHO, by="ann", reason="it is back")
    assert (event.kind, event.by) == ("unblocked", "ann")
    assert event.detail == {"reason": "it is back", "actor": ECHO, "blocked_at": blocked_at.isoformat()}
    assert take_messages("actors") == [("tasks.drain", [ECHO])]
    assert len(claimed(echo)) == 1
    block(echo)
    unblock(echo)
    assert take_messages("actors") == []


def test_a_block_is_of_one_version_on_one_list() -> None:
    rows = [task(actor=name) for name in ("t.a#1.0", "t.a#2.0", "t.a#1.0@eu", "t.b#1.0")]
    block("t.a")
    assert [bool(claimed(row.actor)) for row in rows] == [False, True, True, True]
    block("t.a#1.0@eu")
    with refused(AlreadyBlocked, "t.a#1.0@eu"):
        block("t.a@eu")
    unblock("t.a#1.0")
    assert len(claimed("t.a#1.0")) == 1


def test_a_block_leaves_what_is_known_of_the_polls() -> None:
    note_poll(ECHO)
    polled_at = ActorStatus.objects.get().last_polled_at
    block(echo)
    unblock(echo)
    status = ActorStatus.objects.get()
    assert (status.last_polled_at, status.blocked_at, status.clock_stopped_at) == (polled_at, None, None)


def test_while_everything_is_paused_nothing_is_handed_out_and_starts_are_accepted_and_registered() -> None:
    event = pause_everything(by="ann", reason="maintenance")
    assert (event.kind, event.process_id) == ("everything_paused", None)
    assert event.detail == {"reason": "maintenance", "actor": "*"}
    process = registered(echo, 1)
    assert process.state == ProcessState.RUNNING
    assert Task.objects.get().state == TaskState.ENQUEUED
    assert claimed(echo) == []
    assert claimed("t.other#1.0") == []
    resume_everything()
    run_to_standstill()
    process.refresh_from_db()
    assert process.value == 1


def test_when_everything_is_resumed_those_that_have_work_are_rung_and_nobody_else() -> None:
    registered(echo, 1)
    blocked, _ = (task(actor=name, enqueued_at="2026-01-01T00:00Z") for name in ("t.blocked#1.0", "t.other#1.0"))
    registered(approval, "x")
    done(approval)
    pause(registered(chain, 1))
    block(blocked.actor)
    pause_everything()
    take_messages("actors")
    event = resume_everything()
    assert event.kind == "everything_resumed"
    assert sorted(take_messages("actors"), key=str) == [("tasks.drain", [name]) for name in (ECHO, "t.other#1.0")]
    assert claimed(blocked.actor) == []
    assert claimed(chain) == []
    assert set(ActorStatus.objects.filter(blocked_at__isnull=False).values_list("name", flat=True)) == {blocked.actor}


def test_an_actor_unblocked_while_everything_is_paused_is_neither_rung_nor_handed_out() -> None:
    registered(echo, 1)
    block(echo)
    pause_everything()
    take_messages("actors")
    unblock(echo)
    assert take_messages("actors") == []
    assert claimed(echo) == []
    let_pass(timedelta(hours=1))
    assert run_scan("lost_wakeups") == 0
    resume_everything()
    assert take_messages("actors") == [("tasks.drain", [ECHO])]


def test_what_is_blocked_is_not_blocked_again_and_what_is_not_is_not_unblocked() -> None:
    with refused(NotBlocked, "flows.echo#1.0"):
        unblock(echo)
    block(echo)
    with refused(AlreadyBlocked, "flows.echo#1.0.*since"):
        block(ECHO)
    pause_everything()
    with refused(AlreadyBlocked, r"\*"):
        pause_everything()
    resume_everything()
    with refused(NotBlocked, r"\*"):
        resume_everything()


@pytest.mark.parametrize("name", ["*", "", "no name", "a#1.0#2", "a\0", "a@"])
def test_a_name_that_is_no_actor_is_refused(name: str) -> None:
    for act in (block, unblock):
        with pytest.raises(InvalidActorName):
            act(name)
    assert not ActorStatus.objects.exists()
    assert not Event.objects.exists()
    assert not Process.objects.exists()


BLOCKS: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "an actor": (lambda: block(echo), lambda: unblock(echo)),
    "everything": (pause_everything, resume_everything),
}
each_block = pytest.mark.parametrize(("stop", "go_on"), BLOCKS.values(), ids=BLOCKS)


@each_block
def test_a_claim_beside_a_block_takes_and_one_after_it_takes_nothing(
    stop: Callable[[], object], go_on: Callable[[], object]
) -> None:
    for number in range(3):
        registered(echo, number)
    with elsewhere() as submit:
        with transaction.atomic():
            stop()
            assert len(submit(claimed, echo, 1).result(10)) == 1
        assert claimed(echo) == []
        with transaction.atomic():
            go_on()
            assert submit(claimed, echo, 1).result(10) == []
        assert len(claimed(echo)) == 2


@each_block
def test_a_block_does_not_wait_for_a_claim_and_what_that_took_may_finish(
    stop: Callable[[], object], go_on: Callable[[], object]
) -> None:
    registered(echo, 1)
    with elsewhere() as submit, transaction.atomic():
        [lease] = claimed(echo)
        submit(stop).result(10)
    assert release([completed(lease, "1")]).answers == {lease.task_id: Answer.ACCEPTED}


@each_block
def test_of_two_who_block_or_unblock_at_once_the_second_is_refused(
    stop: Callable[[], object], go_on: Callable[[], object]
) -> None:
    for first, second, refusal in ((stop, stop, AlreadyBlocked), (go_on, go_on, NotBlocked)):
        with elsewhere() as submit:
            with transaction.atomic():
                first()
                other = submit(second)
                wait_until(waiting_backends)
            with pytest.raises(refusal):
                other.result(30)
    for first, second in ((stop, go_on), (go_on, stop)):
        if first is go_on:
            stop()
        with elsewhere() as submit:
            with transaction.atomic():
                first()
                other = submit(second)
                wait_until(waiting_backends)
            other.result(30)
        if second is stop:
            go_on()
    assert not ActorStatus.objects.filter(blocked_at__isnull=False).exists()


def test_of_two_who_find_an_actor_unblocked_at_once_only_one_blocks_it() -> None:
    note_poll(ECHO)
    with elsewhere(2) as submit, somebody_else() as holder:
        holder.execute("SELECT FROM tasks_actorstatus WHERE name = %s FOR NO KEY UPDATE", [ECHO])
        both = [submit(block, echo) for _ in range(2)]
        wait_until(lambda: waiting_backends() == len(both))
        holder.rollback()
        refusals = [each.exception(30) for each in both]
    assert sorted(type(each).__name__ for each in refusals) == ["AlreadyBlocked", "NoneType"]
    assert Event.objects.get().kind == "blocked"
