"""What all acts of people have in common: a record, a request id that makes repeating safe, typed refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from processes.errors import InvalidOrder, NotRunning, RequestIdTaken
from processes.models import Event, Process, ProcessState
from tasks.actors import (
    abort,
    block,
    complete_task,
    fail_task,
    pause,
    pause_everything,
    restart_failed_tasks,
    restart_process,
    restart_task,
    resume,
    resume_everything,
    unblock,
)
from tasks.models import Task
from tests.by_hand import done, elsewhere, finished, registered, task_of, wait_until, waiting_backends
from tests.every_row import every_row, refused
from tests.flows.actors import add, echo, fail, unaccepted
from tests.recovery_rows import columns
from tests.steered import approval, approve

pytestmark = pytest.mark.usefixtures("rows")
Act = Callable[..., Event]


def asked() -> Task:
    """An external task that is ready."""
    process = registered(approval, "x")
    done(approval)
    return task_of(process, approve)


def paused() -> Process:
    process = registered(echo, 1)
    pause(process)
    return process


def blocked() -> str:
    block(add)
    return str(add.actor_name)


def ready(act: Callable[..., Event], make: Callable[[], Any]) -> Act:
    """The act on a target that allows it."""
    target = make()
    return lambda **order: act(target, **order)


def ready_to_resume_everything() -> Act:
    pause_everything()
    return resume_everything


ACTS: dict[str, Callable[[], Act]] = {
    "aborted": lambda: ready(abort, lambda: registered(echo, 1)),
    "paused": lambda: ready(pause, lambda: registered(echo, 1)),
    "resumed": lambda: ready(resume, paused),
    "task_restarted": lambda: ready(restart_task, lambda: task_of(finished(unaccepted, "no"), fail)),
    "failed_tasks_restarted": lambda: ready(restart_failed_tasks, lambda: finished(unaccepted, "no")),
    "restarted": lambda: ready(restart_process, lambda: registered(echo, 1)),
    "external_task_completed": lambda: ready(lambda task, **order: complete_task(task, 5, **order), asked),
    "external_task_failed": lambda: ready(lambda task, **order: fail_task(task, "no", **order), asked),
    "blocked": lambda: ready(block, lambda: add),
    "unblocked": lambda: ready(unblock, blocked),
    "everything_paused": lambda: pause_everything,
    "everything_resumed": ready_to_resume_everything,
}
"""Each act by the kind of its record."""
OF_A_TASK = ("task_restarted", "external_task_completed", "external_task_failed")
OF_AN_ACTOR = ("blocked", "unblocked", "everything_paused", "everything_resumed")
each_act = pytest.mark.parametrize("kind", ACTS)


@each_act
def test_an_act_is_recorded_once_with_who_when_why_and_what_it_concerns(kind: str) -> None:
    act = ACTS[kind]()
    event = act(by="ann@example.org", reason="because", request_id="r-1")
    stored = Event.objects.get(by="ann@example.org")
    assert (stored.id, stored.kind, stored.by, stored.request_id) == (event.id, kind, "ann@example.org", "r-1")
    assert stored.detail["reason"] == "because"
    assert stored.detail == event.detail
    assert (stored.process_id is None) == (kind in OF_AN_ACTOR)
    assert (stored.task_id is not None) == (kind in OF_A_TASK)
    assert stored.process_id in (None, *Process.objects.values_list("id", flat=True))
    if kind in OF_AN_ACTOR:
        assert stored.detail["actor"] == ("*" if kind.startswith("everything") else str(add.actor_name))


@each_act
def test_an_act_repeated_under_its_request_id_returns_the_first_record_and_changes_nothing(kind: str) -> None:
    act = ACTS[kind]()
    first = act(by="ann", reason="because", request_id="r-1")
    before = every_row()
    again = act(by="bob", reason="other words", request_id="r-1")
    assert (again.id, again.by, again.detail) == (first.id, "ann", first.detail)
    with transaction.atomic():
        assert act(request_id="r-1").id == first.id
    assert every_row() == before


@each_act
@pytest.mark.parametrize("within", [False, True], ids=["alone", "inside a transaction"])
def test_a_request_that_comes_twice_at_once_is_done_once_and_both_get_the_same_record(kind: str, within: bool) -> None:
    act = ACTS[kind]()
    before = Event.objects.filter(kind=kind).count()

    def second() -> tuple[int, int]:
        if not within:
            return act(request_id="r-1").id, Process.objects.count()
        with transaction.atomic():
            return act(request_id="r-1").id, Process.objects.count()

    with elsewhere() as submit:
        with transaction.atomic():
            first = act(request_id="r-1")
            other = submit(second)
            wait_until(waiting_backends)
        assert other.result(30) == (first.id, Process.objects.count())
    assert Event.objects.filter(kind=kind).count() == before + 1


@each_act
def test_a_request_id_names_one_act_on_one_target_for_ever(kind: str) -> None:
    act = ACTS[kind]()
    act(request_id="r-1")
    other = registered(echo, 2)
    with refused(RequestIdTaken, "r-1"):
        abort(other, request_id="r-1")
    with refused(RequestIdTaken, "r-1"):
        block("somebody.else", request_id="r-1")
    with refused(RequestIdTaken, "r-1"):
        (pause if kind == "aborted" else restart_process)(other, request_id="r-1")


def test_of_two_acts_that_take_one_request_id_at_once_the_second_is_refused_and_changes_nothing() -> None:
    one, other = registered(echo, 1), registered(echo, 2)
    before = columns(other)
    with elsewhere() as submit:
        with transaction.atomic():
            abort(one, request_id="r-1")
            second = submit(pause, other, request_id="r-1")
            wait_until(waiting_backends)
        with pytest.raises(RequestIdTaken):
            second.result(30)
    assert columns(other) == before
    assert Event.objects.get().process_id == one.id


def test_a_refusal_is_not_remembered_under_its_request_id() -> None:
    process = paused()
    with refused(NotRunning):
        pause(process, request_id="r-1")
    resume(process)
    assert pause(process, request_id="r-1").kind == "paused"
    process.refresh_from_db()
    assert process.state == ProcessState.PAUSED


def test_the_same_act_without_a_request_id_is_judged_anew_each_time() -> None:
    process = registered(echo, 1)
    pause(process, request_id="r-1")
    with refused(NotRunning):
        pause(process)
    with refused(NotRunning):
        pause(process, request_id="r-2")


BAD: list[dict[str, Any]] = [
    {"by": "a\0b"},
    {"by": "x" * 256},
    {"by": None},
    {"by": 5},
    {"by": "\ud800"},
    {"reason": "a\0b"},
    {"reason": "x" * 2001},
    {"reason": None},
    {"reason": b"bytes"},
    {"request_id": "a\0b"},
    {"request_id": "x" * 256},
    {"request_id": ""},
    {"request_id": 7},
    {"request_id": "\udfff"},
]


@each_act
def test_an_order_of_wrong_words_is_refused_and_changes_nothing(kind: str) -> None:
    act = ACTS[kind]()
    for bad in BAD:
        with refused(InvalidOrder):
            act(**bad)
    act(by="b" * 255, reason="é" * 2000, request_id="r" * 255)


@each_act
def test_an_act_inside_a_transaction_that_is_rolled_back_leaves_nothing_and_may_be_repeated(kind: str) -> None:
    act = ACTS[kind]()
    before = every_row()
    with transaction.atomic():
        act(request_id="r-1")
        assert every_row() != before
        transaction.set_rollback(True)
    assert every_row() == before
    assert act(request_id="r-1").kind == kind


def test_a_refusal_inside_a_transaction_leaves_the_transaction_usable() -> None:
    process = registered(echo, 1)
    with transaction.atomic():
        pause(process)
        with pytest.raises(NotRunning):
            pause(process)
        resume(process, by="ann")
    process.refresh_from_db()
    assert process.state == ProcessState.RUNNING
    assert list(Event.objects.order_by("id").values_list("kind", flat=True)) == ["paused", "resumed"]
