"""`manage.py steer` does from the shell what Python and the admin do, and says how much was done and refused."""

from __future__ import annotations

import getpass
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from processes.models import Event, Process, ProcessState
from tasks.blocking import status_of
from tasks.models import EVERYTHING, ActorStatus, Task
from tasks.states import TaskState
from tests.by_hand import finished, registered, run_to_standstill, started, task_of
from tests.flows.actors import approval, approved, chain, echo, fail, unaccepted

pytestmark = pytest.mark.usefixtures("rows")


def steered(*words: object) -> tuple[int, str, str]:
    """What `manage.py steer` answers: its exit status, its output, its complaints."""
    out, err = StringIO(), StringIO()
    status = 0
    try:
        call_command("steer", *map(str, words), stdout=out, stderr=err)
    except SystemExit as ended:
        status = int(str(ended.code))
    return status, out.getvalue().strip(), err.getvalue().strip()


def usage_error(*words: object) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("steer", *map(str, words))
    assert caught.value.returncode in (1, 2)
    return str(caught.value)


def state_of(process: Process) -> str:
    return Process.objects.get(id=process.id).state


def acts() -> list[tuple[str, str, str]]:
    return [(each.kind, each.by, each.detail["reason"]) for each in Event.objects.exclude(by="").order_by("id")]


def everything() -> list[list[Any]]:
    return [list(model.objects.order_by("pk").values()) for model in (Process, Task, Event, ActorStatus)]


def test_processes_are_steered_by_id_and_by_custom_id() -> None:
    ended, first, second = finished(echo, 1), registered(chain, 1, custom_id="order-1"), registered(chain, 2)
    assert steered("pause", "order-1", second.id, "--by", "ann", "--reason", "flood") == (0, "2 done, 0 refused", "")
    assert (state_of(first), state_of(second)) == (ProcessState.PAUSED, ProcessState.PAUSED)
    assert acts() == [("paused", "ann", "flood")] * 2
    status, out, err = steered("abort", first.id, ended.id, "nobody")
    assert (status, out) == (1, "1 done, 2 refused (1 already_ended, 1 no_such_process)")
    assert err.splitlines() == [
        f"already_ended: The process has ended already. {ended.id}",
        "no_such_process: There is no such process. nobody",
    ]
    assert [state_of(each) for each in (first, second, ended)] == ["ABORTED", "PAUSED", "COMPLETED"]
    assert steered("resume", second.id)[0] == 0
    assert state_of(second) == ProcessState.RUNNING


def test_an_id_wins_over_a_custom_id_that_looks_like_it() -> None:
    named = registered(chain, 1)
    other = registered(chain, 2, custom_id=str(named.id))
    assert steered("pause", named.id)[0] == 0
    assert (state_of(named), state_of(other)) == (ProcessState.PAUSED, ProcessState.RUNNING)


def test_who_does_it_is_the_user_of_the_shell_where_nobody_is_named() -> None:
    steered("abort", registered(chain, 1).id)
    assert acts() == [("aborted", getpass.getuser(), "")]


def test_processes_are_steered_by_what_they_have_in_common() -> None:
    failed = [finished(unaccepted, "no", attributes={"region": region}) for region in ("eu", "eu", "us")]
    ended, running = finished(echo, 1), registered(chain, 1, attributes={"region": "eu"})
    old = started(echo, 2)
    Process.objects.filter(id=old.id).update(created_at=F("created_at") - timedelta(hours=2))
    before = everything()
    where = ["--where", "state=FAILED", "actor=flows.unaccepted", "attribute.region=eu"]
    assert steered("abort", *where, "--rehearse") == (0, "rehearsed: 2 done, 0 refused", "")
    assert everything() == before
    assert steered("abort", *where) == (0, "2 done, 0 refused", "")
    assert [state_of(each) for each in failed] == ["ABORTED", "ABORTED", "FAILED"]
    assert steered("abort", "--where", "older-than=90m")[1] == "1 done, 0 refused"
    assert [state_of(each) for each in (old, ended, running)] == ["ABORTED", "COMPLETED", "RUNNING"]
    status, out, _ = steered("restart-failed", "--where", "state=RUNNING")
    assert (status, out) == (1, "0 done, 1 refused (1 nothing_failed)")


def test_failed_tasks_are_restarted_one_by_one_and_by_process() -> None:
    by_task, by_process = finished(unaccepted, "no"), finished(unaccepted, "no")
    failed = task_of(by_task, fail)
    assert steered("restart-task", failed.id, by_task.id)[:2] == (1, "1 done, 1 refused (1 not_failed)")
    assert steered("restart-failed", by_process.id)[0] == 0
    for process in (by_task, by_process):
        assert (state_of(process), task_of(process, fail).state) == (ProcessState.RUNNING, TaskState.ENQUEUED)


def test_an_external_task_is_completed_or_failed() -> None:
    yes, no = finished(approved, "may I?"), finished(approved, "may she?")
    before = everything()
    assert steered("complete", task_of(yes, approval).id, "--rehearse")[:2] == (0, "rehearsed: 1 done, 0 refused")
    assert everything() == before
    assert steered("complete", task_of(yes, approval).id, "--value", '{"yes": 1}')[0] == 0
    assert steered("fail", task_of(no, approval).id, "--message", "he said no")[0] == 0
    run_to_standstill()
    assert Process.objects.get(id=yes.id).value == {"yes": 1}
    assert state_of(no) == ProcessState.FAILED
    assert '"he said no"' in (task_of(no, approval).failure or "")
    status, out, err = steered("complete", task_of(no, approval).id, uuid4())
    assert (status, out) == (1, "0 done, 2 refused (1 already_settled, 1 no_such_task)")
    assert "already_settled: The task has another outcome already." in err


def test_actors_are_blocked_and_unblocked_and_everything_paused_and_resumed() -> None:
    assert steered("block", "flows.echo", "--rehearse")[1] == "rehearsed: 1 done, 0 refused"
    assert ActorStatus.objects.count() == 0
    assert steered("block", "flows.echo", "--by", "ann")[0] == 0
    assert status_of("flows.echo#1.0").blocked_at is not None
    assert steered("block", "flows.echo#1.0")[:2] == (1, "0 done, 1 refused (1 already_blocked)")
    assert steered("unblock", "flows.echo#1.0", "flows.add")[:2] == (1, "1 done, 1 refused (1 not_blocked)")
    assert status_of("flows.echo#1.0").blocked_at is None
    assert steered("pause-everything", "--reason", "flood", "--by", "ann")[0] == 0
    assert status_of(EVERYTHING).blocked_at is not None
    assert steered("pause-everything", "--rehearse")[0] == 1
    assert steered("resume-everything", "--by", "ann")[0] == 0
    assert status_of(EVERYTHING).blocked_at is None
    assert [act for act in acts() if act[1] == "ann"] == [
        ("blocked", "ann", ""),
        ("everything_paused", "ann", "flood"),
        ("everything_resumed", "ann", ""),
    ]


def test_a_repeated_request_acts_once_also_where_the_custom_id_went_on_to_the_successor() -> None:
    started(chain, 1, custom_id="order-1")
    for _ in range(2):
        assert steered("restart", "order-1", "--request-id", "r1") == (0, "1 done, 0 refused", "")
    assert Process.objects.count() == 2
    assert steered("restart", "order-1", "--request-id", "r2")[0] == 0
    assert Process.objects.count() == 3


def test_a_request_id_counts_for_each_of_several_processes() -> None:
    processes = [registered(chain, number) for number in range(2)]
    for _ in range(2):
        told = steered("pause", *(each.id for each in processes), "--request-id", "r1")
        assert told == (0, "2 done, 0 refused", "")
    assert Event.objects.filter(kind="paused").count() == 2


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["abort"], "name processes, or --where, and not both"),
        (["abort", "order-1", "--where", "state=RUNNING"], "name processes, or --where, and not both"),
        (["abort", "--where", "state=ODD"], "does not understand 'state=ODD'"),
        (["abort", "--where", "older-than=soon"], "does not understand 'older-than=soon'"),
        (["abort", "--where", "RUNNING"], "takes NAME=VALUE"),
        (["abort", "--where", "state=RUNNING", "state=FAILED"], "each name once"),
        (["abort", "order-1", "--reason", "x" * 2001], "text without NUL"),
        (["abort", "order-1", "--request-id", ""], "text without NUL"),
        (["complete", str(uuid4()), "--value", "{"], "--value must be JSON"),
        (["complete", str(uuid4()), "--value", str(2**64)], "integers must fit"),
        (["fail", str(uuid4())], "--message"),
        (["restart-task", "order-1"], "invalid UUID value"),
        (["block", "not a name"], "is no actor name"),
        (["destroy", "order-1"], "invalid choice"),
    ],
)
def test_wrong_input_is_refused_and_changes_nothing(words: list[str], complaint: str) -> None:
    registered(chain, 1, custom_id="order-1")
    before = everything()
    assert complaint in usage_error(*words)
    assert everything() == before


def test_usage_errors_exit_with_two() -> None:
    with pytest.raises(CommandError) as caught:
        call_command("steer", "abort")
    assert caught.value.returncode == 2
