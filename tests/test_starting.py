"""Starting a process: the three answers, alone, in batches, and inside the caller's transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from processes.models import Event, Process, ProcessState, Tombstone
from tasks.actors import Code, Reason, StartRequest, abort, delete_process, start_process, start_processes
from tasks.errors import InvalidActorName
from tasks.policies import ActorName
from tests.by_hand import finished, started
from tests.flows.actors import add, echo, fail

pytestmark = pytest.mark.usefixtures("rows")


def test_a_start_creates_one_registering_process_with_what_was_asked_for() -> None:
    answer = start_process(
        add.options(priority=2),
        1,
        b=5,
        custom_id="order-1",
        start_to_end=timedelta(hours=1),
        attributes={"region": "eu", "gold": True},
    )
    assert (answer.code, answer.warnings, answer.reason) == (Code.CREATED, (), None)
    process = Process.objects.get()
    assert process == answer.process
    assert (process.custom_id, process.actor, process.state) == ("order-1", "flows.add#1.0", ProcessState.REGISTERING)
    assert (process.arguments, process.attributes) == ('{"a":1,"b":5}', {"region": "eu", "gold": True})
    assert process.deadline_at is not None
    assert process.deadline_at - process.created_at == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=1))


def test_a_repeated_start_answers_with_the_existing_process_and_creates_nothing() -> None:
    first = start_process(add, 1, b=2, custom_id="same")
    for _ in range(3):
        again = start_process(add, a=1, b=2, custom_id="same")
        assert (again.code, again.process_id, again.differences) == (Code.EXISTS, first.process_id, {})
    assert Process.objects.count() == 1


def test_a_custom_id_of_a_different_process_is_refused_and_says_what_differs() -> None:
    first = start_process(add, 1, custom_id="taken")
    for actor, arguments, differs in (
        (add, (2,), {"arguments"}),
        (echo, ("x",), {"actor", "arguments"}),
        (add, (1, 1), {"arguments"}),
    ):
        answer = start_process(actor, *arguments, custom_id="taken")
        assert (answer.code, answer.reason, answer.process_id) == (
            Code.NOT_CREATED,
            Reason.DIFFERENT,
            first.process_id,
        )
        assert set(answer.differences) == differs
        assert str(first.process_id) in answer.message
    assert Process.objects.count() == 1


def test_another_version_or_task_list_is_no_different_process_but_is_told() -> None:
    first = start_process(add, 1, custom_id="deployed")
    again = start_process(add.options(version="2.0", task_list="eu", priority=1), 1, custom_id="deployed")
    assert (again.code, again.process_id) == (Code.EXISTS, first.process_id)
    assert again.differences == {"version": ("flows.add#1.0", "flows.add#2.0@eu")}


def test_a_start_without_custom_id_is_allowed_and_warns() -> None:
    answers = [start_process(echo, 1) for _ in range(2)]
    assert [answer.code for answer in answers] == [Code.CREATED, Code.CREATED]
    assert answers[0].process_id != answers[1].process_id
    assert all(answer.warnings[0].startswith("no_custom_id: ") for answer in answers)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"custom_id": ""}, Reason.INVALID),
        ({"custom_id": "x" * 256}, Reason.INVALID),
        ({"custom_id": "NUL\0"}, Reason.INVALID),
        ({"custom_id": "lone \ud800"}, Reason.INVALID),
        ({"custom_id": 7}, Reason.INVALID),
        ({"args": ()}, Reason.INVALID),
        ({"args": (1, 2)}, Reason.INVALID),
        ({"kwargs": {"unknown": 1}}, Reason.INVALID),
        ({"args": (object(),)}, Reason.INVALID),
        ({"args": (float("nan"),)}, Reason.INVALID),
        ({"args": ("x" * 2**20,)}, Reason.TOO_LARGE),
        ({"start_to_end": timedelta(0)}, Reason.INVALID),
        ({"start_to_end": 30}, Reason.INVALID),
        ({"on_start_to_end": "explode"}, Reason.INVALID),
        ({"if_ended": "maybe"}, Reason.INVALID),
        ({"attributes": {"a": [1]}}, Reason.INVALID),
        ({"attributes": {1: "a"}}, Reason.INVALID),
        ({"attributes": {"a": "\0"}}, Reason.INVALID),
        ({"attributes": {"a": float("inf")}}, Reason.INVALID),
        ({"attributes": {"a": "\udfff"}}, Reason.INVALID),
        ({"attributes": {"a": "x" * 70_000}}, Reason.INVALID),
        ({"attributes": None}, Reason.INVALID),
    ],
)
def test_a_wrong_request_is_certainly_not_created(wrong: dict[str, Any], reason: Reason) -> None:
    request: dict[str, Any] = {"actor": echo, "args": (1,), "custom_id": "right", **wrong}
    [answer] = start_processes([StartRequest(**request)])
    assert (answer.code, answer.reason) == (Code.NOT_CREATED, reason)
    assert answer.message
    assert Process.objects.count() == 0


@pytest.mark.parametrize("end", ["completed", "aborted", "deleted"])
def test_by_default_an_ended_process_is_answered_for_ever(end: str) -> None:
    process = finished(echo, 1, custom_id="once") if end != "aborted" else started(echo, 1, custom_id="once")
    if end == "aborted":
        abort(process)
    if end == "deleted":
        delete_process(process)
    answer = start_process(echo, 1, custom_id="once")
    assert (answer.code, answer.process_id) == (Code.EXISTS, process.id)
    different = start_process(echo, 2, custom_id="once")
    assert (different.code, different.reason) == (Code.NOT_CREATED, Reason.DIFFERENT)
    assert Process.objects.count() == (0 if end == "deleted" else 1)


@pytest.mark.parametrize("deleted", [False, True])
def test_start_again_moves_the_custom_id_of_an_aborted_process_to_a_new_one(deleted: bool) -> None:
    old = started(echo, 1, custom_id="again")
    abort(old)
    if deleted:
        delete_process(old)
    answer = start_process(echo, 1, custom_id="again", if_ended="start_again")
    assert answer.code is Code.CREATED
    assert Process.objects.get(custom_id="again").id == answer.process_id
    assert Tombstone.objects.count() == 0
    if not deleted:
        old.refresh_from_db()
        assert (old.custom_id, old.former_custom_id, old.restarted_as) == (None, "again", answer.process_id)
    repeated = start_process(echo, 1, custom_id="again", if_ended="start_again")
    assert (repeated.code, repeated.process_id) == (Code.EXISTS, answer.process_id)


def test_start_again_leaves_a_completed_and_a_different_process_alone() -> None:
    done = finished(echo, 1, custom_id="done")
    answer = start_process(echo, 1, custom_id="done", if_ended="start_again")
    assert (answer.code, answer.process_id) == (Code.EXISTS, done.id)
    aborted = started(echo, 1, custom_id="aborted")
    abort(aborted)
    answer = start_process(echo, 2, custom_id="aborted", if_ended="start_again")
    assert (answer.code, answer.reason) == (Code.NOT_CREATED, Reason.DIFFERENT)
    aborted.refresh_from_db()
    assert aborted.custom_id == "aborted"


def test_a_batch_answers_each_request_in_order() -> None:
    existing = started(echo, 1, custom_id="there")
    buried = finished(echo, 1, custom_id="buried")
    delete_process(buried)
    answers = start_processes(
        StartRequest(actor=actor, args=args, custom_id=custom_id)
        for actor, args, custom_id in (
            (echo, ("z",), "z"),
            (echo, (1,), "there"),
            (echo, (object(),), "wrong"),
            (echo, (2,), "there"),
            (echo, ("a",), "a"),
            (echo, ("a",), "a"),
            (echo, ("b",), "a"),
            (echo, (1,), "buried"),
            (add, (1,), None),
        )
    )
    assert [int(answer.code) for answer in answers] == [0, 1, 2, 2, 0, 1, 2, 1, 0]
    assert answers[1].process_id == existing.id
    assert answers[5].process_id == answers[4].process_id
    assert answers[7].process_id == buried.id
    assert Process.objects.count() == 4


def test_ten_thousand_processes_start_in_few_statements() -> None:
    requests = [StartRequest(actor=add, args=(number,), custom_id=f"n-{number:05}") for number in range(10_000)]
    with CaptureQueriesContext(connection) as queries:
        answers = start_processes(requests)
    assert {answer.code for answer in answers} == {Code.CREATED}
    assert len(queries) <= 10 * 6
    assert Process.objects.count() == 10_000
    with CaptureQueriesContext(connection) as queries:
        assert {answer.code for answer in start_processes(requests)} == {Code.EXISTS}
    assert len(queries) <= 10 * 8


def test_inside_a_transaction_the_process_commits_and_rolls_back_with_the_caller_s_rows() -> None:
    class Undone(Exception):
        pass

    def undone() -> None:
        with transaction.atomic():
            assert start_process(echo, 1, custom_id="undone").code is Code.CREATED
            raise Undone

    with pytest.raises(Undone):
        undone()
    assert Process.objects.count() == 0
    with transaction.atomic():
        Event.objects.create(kind="caller", process_id=uuid4())
        assert start_process(echo, 1, custom_id="done").code is Code.CREATED
        assert start_process(echo, 2, custom_id="done").code is Code.NOT_CREATED
        assert start_process(echo, object()).code is Code.NOT_CREATED
        Event.objects.create(kind="caller", process_id=uuid4())
    assert (Process.objects.count(), Event.objects.count()) == (1, 2)


def test_the_caller_s_own_lock_timeout_is_put_back() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1234ms'")
        for arguments in ((1,), (1,), (2,)):
            start_process(echo, *arguments, custom_id="same")
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("1234ms",)


def test_the_management_command_prints_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("start_process", "flows.add", "--arguments", '{"a": 1}', "--custom-id", "shell")
    process = Process.objects.get()
    assert capsys.readouterr().out == f"code=0 process={process.id}\n"
    call_command("start_process", "flows.add#1.0", "--arguments", '{"a": 1}', "--custom-id", "shell")
    assert capsys.readouterr().out == f"code=1 process={process.id}\n"
    for wrong in (["flows.add", "--arguments", '{"a": 2}', "--custom-id", "shell"], ["flows.none"], ["a b"]):
        with pytest.raises(CommandError):
            call_command("start_process", *wrong)
    for wrong_arguments in ("[]", "{", '{"c": 1}'):
        with pytest.raises(CommandError):
            call_command("start_process", "flows.add", "--arguments", wrong_arguments)
    assert Process.objects.count() == 1
    call_command("start_process", "flows.fail", "--arguments", '{"message": "x"}')
    assert "no_custom_id" in capsys.readouterr().err
    assert Process.objects.filter(actor=str(fail.actor_name)).count() == 1


def test_an_actor_name_that_is_none_is_a_typed_error() -> None:
    with pytest.raises(InvalidActorName):
        ActorName.parse("not a name")
