"""Tasks of external actors: completed and failed from outside, once, while they are ready, and never by a claim."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from processes.errors import AlreadyEnded, NotStorable, ValueTooLarge
from processes.failures import Failure
from processes.models import Event, ProcessState, new_id
from recovery.scans import run_scan
from tasks.actors import abort, complete_task, fail_task, pause, restart_task, resume
from tasks.errors import AlreadySettled, NoSuchTask, NotExternal, NotReady
from tasks.models import Task
from tasks.outcomes import failed
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, done, registered, run_to_standstill, task_of
from tests.every_row import disagreements, every_row, let_pass, refused
from tests.flows.actors import echo
from tests.messages import take_messages
from tests.recovery_rows import process as process_row
from tests.recovery_rows import task as task_row
from tests.steered import approval, approve, asked_later, bounded_approval

pytestmark = pytest.mark.usefixtures("rows")


def asked(what: str = "x") -> Task:
    """A ready external task, for whose value an echo waits."""
    process = registered(approval, what)
    done(approval)
    return task_of(process, approve)


def test_an_external_task_is_completed_from_outside_and_its_value_goes_on_like_any_other() -> None:
    task = asked()
    assert task.state == TaskState.ENQUEUED
    assert claimed(approve) == []
    take_messages("actors")
    event = complete_task(task, {"by": "mail"}, by="ann", reason="answered")
    assert (event.kind, event.task_id, event.process_id, event.by) == (
        "external_task_completed", task.id, task.process_id, "ann",
    )  # fmt: skip
    assert event.detail == {"reason": "answered", "actor": str(approve.actor_name), "state_before": "ENQUEUED"}
    task.refresh_from_db()
    assert (task.state, task.result, task.attempt, task.worker) == (TaskState.COMPLETED, '{"by":"mail"}', 0, None)
    assert take_messages("actors") == [("tasks.drain", [str(echo.actor_name)])]
    run_to_standstill()
    task.process.refresh_from_db()
    assert (task.process.state, task.process.value) == (ProcessState.COMPLETED, {"by": "mail"})
    assert disagreements() == {}


def test_a_process_may_be_a_single_question_and_ends_with_its_answer() -> None:
    process = registered(approve, "x")
    complete_task(process.id)
    process.refresh_from_db()
    assert (process.state, process.value, process.result) == (ProcessState.COMPLETED, None, "null")


def test_nobody_is_rung_for_a_process_that_is_a_single_question() -> None:
    take_messages("actors")
    registered(approve, "x")
    assert take_messages("actors") == []


def test_an_external_task_is_failed_from_outside_for_good_and_its_process_names_it() -> None:
    task = asked()
    event = fail_task(task, "nobody knows", type="shop.Unknown", detail={"asked": 3}, by="ann")
    told = Failure("shop.Unknown", "nobody knows", {"asked": 3})
    task.refresh_from_db()
    task.process.refresh_from_db()
    assert (task.state, task.tries, task.failure_accepted) == (TaskState.FAILED, 0, False)
    assert Failure.from_text(task.failure or "") == told
    assert (task.process.state, task.process.failed_task_id) == (ProcessState.FAILED, task.id)
    assert Failure.from_text(task.process.failure or "") == told
    assert event.kind == "external_task_failed"
    assert disagreements() == {}


def test_a_failure_from_outside_is_accepted_by_the_call_like_any_other() -> None:
    process = registered(bounded_approval, "x", True)
    done(bounded_approval)
    fail_task(task_of(process, approve), "nobody knows")
    run_to_standstill()
    process.refresh_from_db()
    assert (process.state, process.value) == (ProcessState.COMPLETED, "failed with nobody knows")
    assert Failure.from_text(task_of(process, approve).failure or "").type == "external"


def test_the_same_answer_given_again_returns_the_first_record_and_another_one_is_refused() -> None:
    task = asked()
    first = complete_task(task, {"a": 1, "b": [2]}, by="ann")
    before = every_row()
    assert complete_task(task, {"b": [2], "a": 1}, by="bob").id == first.id
    assert every_row() == before
    for other in ({"a": 1}, {"a": 1, "b": [2.0]}, None):
        with refused(AlreadySettled, str(task.id)):
            complete_task(task, other)
    with refused(AlreadySettled):
        fail_task(task, "no")
    run_to_standstill()
    assert complete_task(task, {"a": 1, "b": [2]}).id == first.id


def test_the_same_failure_given_again_returns_the_first_record_and_another_one_is_refused() -> None:
    task = asked()
    first = fail_task(task, "no", detail={"a": 1, "b": 2})
    before = every_row()
    assert fail_task(task, "no", detail={"b": 2, "a": 1}).id == first.id
    assert every_row() == before
    for wrong in ({"message": "yes"}, {"message": "no", "type": "other"}, {"message": "no", "detail": {"a": 1}}):
        with refused(AlreadySettled):
            fail_task(task, **wrong)
    with refused(AlreadySettled):
        complete_task(task, 1)


def test_an_external_task_that_waits_for_others_or_for_its_time_is_not_ready() -> None:
    process = registered(asked_later, "x")
    done(asked_later)
    waiting = task_of(process, approve)
    delayed = task_row(process_row(), TaskState.DELAYED, kind="external")
    for task, state in ((waiting, "WAITING"), (delayed, "DELAYED")):
        with refused(NotReady, state):
            complete_task(task, 1)
        with refused(NotReady, state):
            fail_task(task, "no")
    run_to_standstill()
    complete_task(waiting, True)
    process.refresh_from_db()
    assert (process.state, process.value) == (ProcessState.COMPLETED, True)


def test_an_answer_to_a_paused_process_is_kept_and_what_follows_waits_for_the_resume() -> None:
    task = asked()
    pause(task.process)
    assert complete_task(task, 5).detail["state_before"] == "HELD"
    assert task_of(task.process_id, echo).state == TaskState.HELD
    assert claimed(echo) == []
    resume(task.process)
    run_to_standstill()
    task.process.refresh_from_db()
    assert task.process.value == 5


def test_an_answer_to_a_failed_process_is_kept_and_leaves_it_failed() -> None:
    of = process_row()
    failing = task_row(of)
    question = task_row(of, TaskState.ENQUEUED, id=new_id(), kind="external", actor=str(approve.actor_name))
    [lease] = claimed(failing.actor)
    release([failed(lease, Failure("E", "no"))])
    complete_task(question.id, 5)
    of.refresh_from_db()
    question.refresh_from_db()
    assert (of.state, of.failed_task_id, of.open_tasks) == (ProcessState.FAILED, failing.id, 1)
    assert (question.state, question.result) == (TaskState.COMPLETED, "5")
    assert disagreements() == {}


def test_an_answer_to_a_process_that_was_ended_is_refused() -> None:
    task = asked()
    abort(task.process)
    with refused(AlreadyEnded, str(task.process_id)):
        complete_task(task, 1)
    with refused(AlreadyEnded):
        fail_task(task, "no")


def test_only_tasks_of_external_actors_are_answered_from_outside() -> None:
    task = asked()
    for actor in (approval, echo):
        with refused(NotExternal, str(task_of(task.process_id, actor).id)):
            complete_task(task_of(task.process_id, actor), 1)
        with refused(NotExternal):
            fail_task(task_of(task.process_id, actor), "no")
    with refused(NoSuchTask):
        complete_task(new_id(), 1)
    with refused(NoSuchTask):
        fail_task(new_id(), "no")


def test_an_answer_after_the_deadline_is_refused_and_one_before_stops_the_clock() -> None:
    processes = [registered(bounded_approval, "x", True) for _ in range(2)]
    done(bounded_approval)
    late, early = (task_of(process, approve) for process in processes)
    complete_task(early, "yes")
    let_pass(timedelta(minutes=59))
    assert run_scan("task_enqueue_to_end") == 0
    let_pass(timedelta(minutes=1))
    assert run_scan("task_enqueue_to_end") == 1
    late.refresh_from_db()
    assert (late.state, late.failure_accepted) == (TaskState.FAILED, True)
    assert Failure.from_text(late.failure or "").type == "timeout"
    with refused(AlreadySettled):
        complete_task(late, "yes")
    run_to_standstill()
    for process in processes:
        process.refresh_from_db()
    assert [process.value for process in processes] == ["failed with the enqueue-to-end time is used up", "yes"]


def test_a_question_that_failed_is_asked_again_by_a_restart() -> None:
    task = asked()
    # The outside may name its failure as it likes, also like one of ours.
    fail_task(task, "no", type="dependency_failed")
    take_messages("actors")
    restart_task(task)
    task.refresh_from_db()
    assert (task.state, task.failure, task.ended_at) == (TaskState.ENQUEUED, None, None)
    assert take_messages("actors") == []
    first = complete_task(task, 7)
    assert Event.objects.filter(task_id=task.id, kind="external_task_completed").get().id == first.id
    run_to_standstill()
    task.process.refresh_from_db()
    assert task.process.value == 7


@pytest.mark.parametrize(
    ("error", "value"),
    [(NotStorable, object()), (NotStorable, "\ud800"), (ValueTooLarge, "x" * (2**20 + 1))],
    ids=["no value", "half a character", "too large"],
)
def test_an_answer_that_cannot_be_stored_is_refused(error: type[Exception], value: object) -> None:
    task = asked()
    before = every_row()
    with pytest.raises(error):
        complete_task(task, value)
    assert every_row() == before


WRONG: list[dict[str, Any]] = [
    {"message": "a\0b"},
    {"message": None},
    {"message": "\ud800"},
    {"message": "no", "type": 5},
    {"message": "no", "type": "a\0b"},
    {"message": "no", "detail": {"a": object()}},
    {"message": "no", "detail": {"a": "b\0"}},
    {"message": "no", "detail": (1, 2)},
    {"message": "no", "detail": float("inf")},
    {"message": "no", "detail": {1: 2}},
    {"message": "no", "detail": 2**70},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_failure_that_cannot_be_stored_is_refused(wrong: dict[str, Any]) -> None:
    task = asked()
    with refused(NotStorable):
        fail_task(task, **wrong)


def test_a_failure_that_is_too_large_is_refused() -> None:
    task = asked()
    with refused(ValueTooLarge):
        fail_task(task, "x" * (2**20 + 1))
