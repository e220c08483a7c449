"""Heartbeats over HTTP: what they extend, what they tell, and what they leave as it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.actors import abort
from tasks.models import Task, TaskState
from tests.acting import ECHO, actor_client, client, named, post, ready, statements
from tests.by_hand import claimed
from tests.every_row import every_row, let_pass

pytestmark = pytest.mark.usefixtures("rows")


def test_a_heartbeat_extends_leases_keeps_details_and_tells_which_are_gone() -> None:
    ready(5)
    held, short, late, ended, other = claimed(ECHO)
    let_pass(timedelta(seconds=10))
    Task.objects.filter(id=short.task_id).update(poll_to_end=timedelta(seconds=1))
    Task.objects.filter(id=late.task_id).update(attempt=2)
    abort(ended.process_id)
    beats = [named(held, details={"$": "decimal", "v": "0.5"}), named(short), named(late), named(ended), named(other)]
    beats[4]["task_id"] = "00000000-0000-0000-0000-000000000001"
    answer = post(actor_client("flows.echo"), "/tasks/heartbeat", {"leases": beats})
    assert answer.status_code == 200, answer.content
    told = answer.json()["leases"]
    assert [each["lease"] for each in told] == ["held", "held", "lost", "cancelled", "unknown"]
    assert [each["task_id"] for each in told] == [each["task_id"] for each in beats]
    assert 29_000 < told[0]["lease_expires_in_ms"] <= 30_000
    assert [each["lease_expires_in_ms"] for each in told[2:]] == [None, None, None]
    task = Task.objects.get(id=held.task_id)
    assert (task.details, task.batch_size, task.attempt) == ('{"$":"decimal","v":"0.5"}', 5, 1)
    assert Task.objects.get(id=other.task_id).details is None


def test_a_heartbeat_without_details_leaves_those_there_are() -> None:
    ready(1)
    [lease] = claimed(ECHO)
    acting = actor_client()
    post(acting, "/tasks/heartbeat", {"leases": [named(lease, details=[1])]})
    assert post(acting, "/tasks/heartbeat", {"leases": [named(lease)]}).json()["leases"][0]["lease"] == "held"
    assert Task.objects.get(id=lease.task_id).details == "[1]"


def test_a_token_of_other_actors_learns_nothing_and_changes_nothing() -> None:
    ready(1)
    [lease] = claimed(ECHO)
    other, reading = actor_client("flows.add"), client("read", "start", "operate")
    before = every_row()
    told = post(other, "/tasks/heartbeat", {"leases": [named(lease, details=1)]}).json()
    assert told["leases"] == [named(lease, lease="unknown", lease_expires_in_ms=None)]
    refused = post(reading, "/tasks/heartbeat", {"leases": [named(lease)]})
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:orchestrator:problem:forbidden")
    assert every_row() == before


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"details": "x" * 70_000}, 413, "body_too_large"),
        ({"details": {"$": "ref", "v": {"task": "0"}}}, 422, "invalid"),
        ({"details": 2**64}, 422, "invalid"),
        ({"attempt": 0}, 422, "invalid"),
        ({"attempt": 2**31}, 422, "invalid"),
        ({"attempt": "1"}, 422, "invalid"),
        ({"task_id": "1"}, 422, "invalid"),
        ({"colour": 1}, 422, "invalid"),
    ],
)
def test_a_heartbeat_with_anything_wrong_extends_nothing(change: dict[str, object], status: int, kind: str) -> None:
    ready(2)
    one, other = claimed(ECHO)
    acting = actor_client()
    before = every_row()
    answer = post(acting, "/tasks/heartbeat", {"leases": [named(one), named(other) | change]})
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:orchestrator:problem:{kind}"), answer.content
    twice = post(acting, "/tasks/heartbeat", {"leases": [named(one), named(one)]})
    assert (twice.status_code, twice.json()["errors"][0]["where"]) == (422, ["body", "leases"])
    assert post(acting, "/tasks/heartbeat", {"leases": []}).status_code == 422
    assert every_row() == before


@pytest.mark.parametrize("count", [1, 20])
def test_a_heartbeat_takes_two_statements_and_a_third_where_a_lease_is_lost(count: int) -> None:
    ready(count)
    leases = claimed(ECHO)
    acting = actor_client()
    beats = {"leases": [named(lease) for lease in leases]}
    post(acting, "/tasks/heartbeat", beats)
    assert len(statements(acting, "/tasks/heartbeat", beats)) == 2
    Task.objects.update(attempt=2)
    assert len(statements(acting, "/tasks/heartbeat", beats)) == 3
    assert Task.objects.filter(state=TaskState.POLLED).count() == count
