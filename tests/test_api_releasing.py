"""Releases over HTTP: outcomes that are delivered, repeated, late, or not to be stored."""

from __future__ import annotations

import pytest

from processes.models import Event, Process
from tasks.models import Task
from tests.acting import ECHO, actor_client, client, named, post, ready, statements
from tests.by_hand import claimed
from tests.every_row import every_row

pytestmark = pytest.mark.usefixtures("rows")


def test_each_outcome_is_delivered_for_itself() -> None:
    ready(6)
    value, again, final, later, back, wrong = claimed(ECHO)
    answer = post(
        actor_client("flows.echo"),
        "/tasks/release",
        {
            "outcomes": [
                named(value, outcome="value", value={"$": "decimal", "v": "1.50"}),
                named(again, outcome="failure", type="E", message="no", detail={"n": 1}),
                named(final, outcome="failure", type="E", message="no", retry=False),
                named(later, outcome="snooze", seconds=60),
                named(back, outcome="hand_back"),
                named(wrong, outcome="value", value=[{"$": "nothing", "v": 1}]),
            ]
        },
    )
    assert answer.status_code == 200, answer.content
    told = answer.json()["outcomes"]
    assert [each.get("answer") for each in told] == ["accepted"] * 5 + [None]
    assert (told[5]["status"], told[5]["type"]) == (422, "urn:orchestrator:problem:invalid")
    assert told[5]["detail"].startswith("value[0]: no known tag")
    tasks = {each.id: each for each in Task.objects.all()}
    rows = [
        (tasks[each.task_id].state, tasks[each.task_id].tries, tasks[each.task_id].delay_reason)
        for each in (value, again, final, later, back, wrong)
    ]
    assert rows == [
        ("COMPLETED", 0, None),
        ("DELAYED", 1, "retry"),
        ("FAILED", 1, None),
        ("DELAYED", 0, "snooze"),
        ("ENQUEUED", 0, None),
        ("POLLED", 0, None),
    ]
    assert tasks[value.task_id].result == '{"$":"decimal","v":"1.50"}'
    assert tasks[again.task_id].failure == '{"type":"E","message":"no","detail":{"n":1}}'
    assert Process.objects.get(id=value.process_id).state == "COMPLETED"


def test_a_release_repeated_is_accepted_already_and_another_outcome_is_not() -> None:
    ready(1)
    [lease] = claimed(ECHO)
    acting = actor_client()
    sent = {"outcomes": [named(lease, outcome="value", value={"a": 1, "b": 2})]}
    assert post(acting, "/tasks/release", sent).json()["outcomes"][0]["answer"] == "accepted"
    before = every_row()
    again = {"outcomes": [named(lease, outcome="value", value={"b": 2, "a": 1})]}
    assert post(acting, "/tasks/release", again).json()["outcomes"][0]["answer"] == "already_accepted"
    for other in ({"outcome": "value", "value": 2}, {"outcome": "failure", "type": "E", "message": "no"}):
        refused = post(acting, "/tasks/release", {"outcomes": [named(lease, **other)]})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:orchestrator:problem:lease_lost")
    assert every_row() == before


def test_a_late_release_is_refused_and_recorded_and_changes_no_task() -> None:
    ready(1)
    [lease] = claimed(ECHO)
    Task.objects.update(attempt=2)
    acting = actor_client()
    before = every_row()
    refused = post(acting, "/tasks/release", {"outcomes": [named(lease, outcome="hand_back")]})
    assert (refused.status_code, refused.json()["task_id"]) == (409, str(lease.task_id))
    after = every_row()
    assert after.pop("Event")[-1]["kind"] == "release_refused"
    assert Event.objects.filter(kind="release_refused").count() == 1
    assert after == {name: rows for name, rows in before.items() if name != "Event"}


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"value": "x" * 1_100_000}, 413, "body_too_large"),
        ({"value": 2**64}, 422, "invalid"),
        ({"value": {"$": "ref", "v": {"call": "a"}}}, 422, "invalid"),
        ({"outcome": "failure", "type": "E", "message": "a\0"}, 422, "invalid"),
        ({"outcome": "snooze", "seconds": 1e300}, 422, "invalid"),
        ({"outcome": "snooze", "seconds": -1}, 422, "invalid"),
        ({"outcome": "nothing"}, 422, "invalid"),
        ({"attempt": 0}, 422, "invalid"),
    ],
)
def test_an_outcome_that_is_refused_changes_nothing(change: dict[str, object], status: int, kind: str) -> None:
    ready(1)
    [lease] = claimed(ECHO)
    acting, other, reading = actor_client(), actor_client("flows.add"), client("read", "start", "operate")
    before = every_row()
    sent = {"outcome": "value", "value": 1}
    sent = change if "outcome" in change else sent | change
    answer = post(acting, "/tasks/release", {"outcomes": [named(lease) | sent]})
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:orchestrator:problem:{kind}"), answer.content
    good = {"outcomes": [named(lease, outcome="value", value=1)]}
    unknown = post(other, "/tasks/release", good)
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:orchestrator:problem:no_such_task")
    assert post(reading, "/tasks/release", good).status_code == 403
    assert post(acting, "/tasks/release", {"outcomes": good["outcomes"] * 2}).status_code == 422
    assert every_row() == before


def test_a_release_takes_as_many_statements_for_twenty_tasks_as_for_one() -> None:
    acting = actor_client()
    post(acting, "/tasks/release", {})
    taken = []
    for count in (1, 20):
        ready(count)
        sent = {"outcomes": [named(each, outcome="value", value=1) for each in claimed(ECHO)]}
        taken.append(len(statements(acting, "/tasks/release", sent)))
    assert taken == [7, 7]
