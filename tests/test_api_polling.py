"""Polls over HTTP: what is handed out, to whom, and what a repeated poll gets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from processes.models import Process
from tasks.blocking import block
from tasks.models import ActorStatus, Task, TaskState
from tests.acting import ECHO, actor_client, client, post, ready, statements
from tests.by_hand import done, registered, run_to_standstill, task_of
from tests.every_row import every_row, let_pass
from tests.flows.actors import accepted, add, diamond, fail, handing_on, judge, waiting_later

pytestmark = pytest.mark.usefixtures("rows")


def polled(client: Any, **body: Any) -> Any:
    answer = post(client, "/poll", {"actors": [ECHO], "max": 100, **body})
    assert answer.status_code == 200, answer.content
    return answer.json()["leases"]


def test_a_poll_takes_the_oldest_under_leases_of_the_caller() -> None:
    first, second, third = ready(3)
    acting = actor_client("flows.echo")
    leases = polled(acting, actors=["flows.echo"], max=2)
    assert [lease["task_id"] for lease in leases] == [str(first.id), str(second.id)]
    assert leases[1] | {"lease_expires_in_ms": 0} == {
        "task_id": str(second.id),
        "attempt": 1,
        "tries": 0,
        "process_id": str(second.process_id),
        "actor": ECHO,
        "kind": "worker",
        "arguments": {"value": 1},
        "details": None,
        "lease_expires_in_ms": 0,
    }
    assert leases[1]["lease_expires_in_ms"] == 30_000
    tasks = Task.objects.filter(id__in=[first.id, second.id, third.id])
    rows = {task.id: (task.state, task.attempt, task.batch_size) for task in tasks}
    assert rows == {first.id: ("POLLED", 1, 2), second.id: ("POLLED", 1, 2), third.id: ("ENQUEUED", 0, None)}
    assert (Task.objects.get(id=first.id).worker or "").startswith("rest:tests (")
    assert ActorStatus.objects.get(name=ECHO).last_polled_at is not None


def test_a_poll_whose_answer_was_lost_gives_the_same_leases_as_long_as_they_are_held() -> None:
    tasks = ready(3)
    acting, other = actor_client(), actor_client()
    poll_id = str(uuid4())
    first = polled(acting, poll_id=poll_id, max=2)
    let_pass(timedelta(seconds=10))
    again = polled(acting, poll_id=poll_id, max=2)
    assert [each["task_id"] for each in again] == [each["task_id"] for each in first]
    assert [each["attempt"] for each in again] == [1, 1]
    assert all(19_000 < each["lease_expires_in_ms"] <= 20_000 for each in again)
    assert polled(acting, poll_id=poll_id, actors=["flows.add"]) == []
    assert [each["task_id"] for each in polled(other, poll_id=poll_id, max=2)] == [str(tasks[2].id)]
    Task.objects.filter(id=tasks[0].id).update(
        state=TaskState.ENQUEUED, poll_ends_at=None, lease_ends_at=None, batch_size=None
    )
    assert [each["task_id"] for each in polled(acting, poll_id=poll_id)] == [str(tasks[1].id)]
    assert [each["task_id"] for each in polled(acting, poll_id=str(uuid4()))] == [str(tasks[0].id)]


def test_a_poll_for_several_actors_takes_tasks_of_one_of_them_each_time() -> None:
    ready(2)
    registered(add, 1)
    acting = actor_client("flows.echo", "flows.add", "flows.nobody")
    names = ["flows.add#1.0", "flows.echo#1.0", "flows.nobody#2.0@eu"]
    taken = [polled(acting, actors=names) for _ in range(3)]
    assert sorted(sorted(each["actor"] for each in leases) for leases in taken) == [
        [],
        ["flows.add#1.0"],
        ["flows.echo#1.0", "flows.echo#1.0"],
    ]
    assert {status.name for status in ActorStatus.objects.all()} == set(names)


def test_values_of_promises_stand_in_the_arguments_that_were_handed_out() -> None:
    process = registered(diamond, 1)
    acting = actor_client()
    for actor in (diamond, add, add):
        done(actor)
    [lease] = polled(acting, actors=["flows.total"])
    assert lease["arguments"] == {"numbers": [3, 4]}
    assert lease["task_id"] != str(process.id)


def test_a_decider_gets_failures_as_values_and_what_no_wait_handed_over_as_references() -> None:
    registered(accepted, "no")
    done(accepted)
    done(fail)
    acting = actor_client()
    [lease] = polled(acting, actors=[str(judge.actor_name)])
    failure = lease["arguments"]["outcome"]
    assert (lease["kind"], failure["$"], failure["v"]["type"], failure["v"]["message"]) == (
        "decider", "failure", "ValueError", "no",
    )  # fmt: skip

    from_above = registered(handing_on, 1)
    done(handing_on)
    added = str(task_of(from_above, add).id)
    [lease] = polled(acting, actors=[str(waiting_later.actor_name)])
    assert lease["arguments"] == {"promise": {"$": "ref", "v": {"task": added, "wait": False}}}
    Task.objects.filter(id=lease["task_id"]).update(
        state=TaskState.ENQUEUED, poll_ends_at=None, lease_ends_at=None, batch_size=None
    )
    done(add)
    [lease] = polled(acting, actors=[str(waiting_later.actor_name)])
    assert lease["arguments"] == {"promise": {"$": "ref", "v": {"task": added, "wait": False, "value": 2}}}


def test_a_worker_that_would_get_a_failure_or_too_much_fails_instead_of_being_handed_out(settings: Any) -> None:
    doomed, heavy = ready(2)
    Task.objects.filter(id=doomed.id).update(arguments='{"value":{"$":"failure","v":{"type":"E","message":"no"}}}')
    settings.ORCHESTRATOR_ARGUMENTS_LIMIT_BYTES = 100
    Task.objects.filter(id=heavy.id).update(arguments='{"value":"' + "x" * 200 + '"}')
    assert polled(actor_client()) == []
    told = {task.id: (task.state, task.tries, (task.failure or "")[:30]) for task in Task.objects.all()}
    assert told == {
        doomed.id: ("FAILED", 1, '{"type":"dependency_failed","m'),
        heavy.id: ("FAILED", 1, '{"type":"tasks.arguments.Argum'),
    }
    assert {process.state for process in Process.objects.all()} == {"FAILED"}


def test_what_would_make_the_answer_too_large_is_handed_back(settings: Any) -> None:
    ready(3)
    Task.objects.update(arguments='{"value":"' + "x" * 60 + '"}')
    settings.ORCHESTRATOR_ARGUMENTS_LIMIT_BYTES = 100
    assert len(polled(actor_client())) == 2
    assert sorted(Task.objects.values_list("state", "tries")) == [("ENQUEUED", 0), ("POLLED", 0), ("POLLED", 0)]


def test_where_there_is_nothing_the_answer_says_for_whom_to_wait_if_it_may() -> None:
    acting = actor_client()
    waits = post(acting, "/poll", {"actors": ["b.two@eu", "a.one"], "wait_seconds": 20})
    assert (waits.status_code, waits.json()) == (200, {"leases": []})
    assert waits["X-Orchestrator-Wait"] == "20 actors a.one#1.0,b.two#1.0@eu"
    assert "X-Orchestrator-Wait" not in post(acting, "/poll", {"actors": ["a.one"]})
    ready(1)
    assert "X-Orchestrator-Wait" not in post(acting, "/poll", {"actors": [ECHO], "wait_seconds": 20})


def test_nothing_is_handed_out_of_a_blocked_actor() -> None:
    ready(1)
    block(ECHO, by="tests")
    assert polled(actor_client()) == []
    assert polled(actor_client(), poll_id=str(uuid4())) == []
    assert Task.objects.get().state == TaskState.ENQUEUED


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"actors": ["flows.echo", "flows.add"]}, 403, "forbidden"),
        ({"actors": ["no name"]}, 422, "invalid"),
        ({"actors": []}, 422, "invalid"),
        ({"actors": ["flows.echo"] * 101}, 422, "invalid"),
        ({"max": 0}, 422, "invalid"),
        ({"max": 101}, 422, "invalid"),
        ({"max": "1"}, 422, "invalid"),
        ({"poll_id": "mine"}, 422, "invalid"),
        ({"wait_seconds": 56}, 422, "invalid"),
        ({"colour": 1}, 422, "invalid"),
    ],
)
def test_a_poll_that_is_refused_takes_nothing(change: dict[str, object], status: int, kind: str) -> None:
    ready(1)
    acting, reading = actor_client("flows.echo"), client("read", "start", "operate")
    before = every_row()
    answer = post(acting, "/poll", {"actors": [ECHO], "max": 10} | change)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:orchestrator:problem:{kind}"), answer.content
    assert post(reading, "/poll", {"actors": [ECHO]}).status_code == 403
    assert every_row() == before


@pytest.mark.parametrize("count", [1, 20])
def test_a_poll_takes_as_many_statements_for_twenty_tasks_as_for_one(count: int) -> None:
    acting = actor_client()
    polled(acting)
    ready(count)
    assert len(statements(acting, "/poll", {"actors": [ECHO, "flows.add"], "max": count})) == 3
    run_to_standstill()
    ready(count)
    identified = {"actors": [ECHO, "flows.add"], "max": count, "poll_id": str(uuid4())}
    assert len(statements(acting, "/poll", identified)) == 5 + 2
    assert len(statements(acting, "/poll", identified)) == 3 + 2
    assert Task.objects.filter(state=TaskState.POLLED).count() == 2 * count
