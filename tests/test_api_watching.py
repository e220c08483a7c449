"""Looking on over HTTP: lists whose pages fit together, one process, its tasks, its history."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processes import queries
from processes.models import Event, Process, new_id
from tasks.actors import abort, block, pause, pause_everything
from tasks.queries import note_poll
from tests.acting import client
from tests.by_hand import finished, registered, task_of
from tests.flows import actors
from tests.recovery_rows import process

pytestmark = pytest.mark.usefixtures("rows")


def listed(reader: Client, path: str = "/processes", **query: str | int) -> list[Any]:
    """All items of a list, from pages of two."""
    items: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = reader.get(f"/api/v1{path}", {**query, "limit": 2, **cursor})
        assert answer.status_code == 200, answer.content
        page = answer.json()
        assert len(page["items"]) <= 2
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


def ids(items: list[Any]) -> list[UUID]:
    return [UUID(each["id"]) for each in items]


def made(count: int, **columns: Any) -> list[UUID]:
    return [process(**columns).id for _ in range(count)]


def test_a_list_is_newest_first_and_its_pages_hold_each_process_once() -> None:
    known = made(5)
    assert ids(listed(client("read"))) == known[::-1]


def test_what_is_started_between_two_pages_shifts_nothing() -> None:
    reader = client("read")
    known = made(4)
    first = reader.get("/api/v1/processes", {"limit": 2}).json()
    made(3)
    second = reader.get("/api/v1/processes", {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert ids(first["items"] + second["items"]) == known[::-1]
    assert second["next_cursor"] is None


def test_each_filter_names_its_processes_alone_and_with_others() -> None:
    reader = client("read")
    [plain] = made(1)
    [other] = made(1, actor="t.other#1.0")
    [named] = made(1, custom_id="order-7", attributes={"region": "eu", "n": 1})
    [similar] = made(1, custom_id="order_7", attributes={"region": "eu", "n": 2})
    [paused] = made(1, actor="t.other#1.0", attributes={"region": "eu"})
    pause(paused)
    eu = json.dumps({"region": "eu"})
    assert ids(listed(reader, state="PAUSED")) == [paused]
    assert ids(listed(reader, actor="t.other#1.0")) == [paused, other]
    assert ids(listed(reader, actor="t.other#1.0", state="RUNNING")) == [other]
    assert ids(listed(reader, custom_id_prefix="order_")) == [similar]
    assert ids(listed(reader, custom_id_prefix="order")) == [similar, named]
    assert ids(listed(reader, attributes=eu)) == [paused, similar, named]
    assert ids(listed(reader, attributes=eu, state="RUNNING")) == [similar, named]
    assert ids(listed(reader, attributes=json.dumps({"region": "eu", "n": 1}))) == [named]
    assert ids(listed(reader, attributes=eu, actor="t.other#1.0", custom_id_prefix="o")) == []
    assert plain in ids(listed(reader))


def test_times_of_creation_meet_without_gap_or_overlap() -> None:
    reader = client("read")
    [first, second, third] = made(3)
    Process.objects.update(created_at=F("created_at") - timedelta(minutes=1))
    Process.objects.filter(id=first).update(created_at=F("created_at") - timedelta(hours=2))
    Process.objects.filter(id=third).update(created_at=F("created_at") + timedelta(hours=2))
    middle = Process.objects.get(id=second).created_at.isoformat().replace("+00:00", "Z")
    assert ids(listed(reader, created_after=middle)) == [third, second]
    assert ids(listed(reader, created_before=middle)) == [first]
    assert ids(listed(reader, created_after=middle, created_before="2999-12-31T23:59:59Z")) == [third, second]
    assert ids(listed(reader, created_after="0001-01-01T00:00:00Z")) == [third, second, first]


def test_a_page_looks_at_a_bounded_number_of_rows_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "WALKED", 4)
    reader = client("read")
    [sought] = made(1, actor="t.rare#1.0")
    made(9)
    page = reader.get("/api/v1/processes", {"actor": "t.rare#1.0"}).json()
    assert (page["items"], page["next_cursor"]) == ([], ANY)
    assert isinstance(page["next_cursor"], str)
    assert ids(listed(reader, actor="t.rare#1.0")) == [sought]


def test_a_list_takes_a_bounded_number_of_statements_and_leaves_large_columns_out() -> None:
    reader = client("read")
    made(3)
    reader.get("/api/v1/processes")
    with CaptureQueriesContext(connection) as statements:
        assert len(reader.get("/api/v1/processes").json()["items"]) == 3
    told = [each["sql"] for each in statements if "processes_process" in each["sql"]]
    assert len(told) == 1
    assert [sql for sql in told if '"result"' in sql or '"arguments"' in sql] == []


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "é"},
        {"cursor": "MDE5"},
        {"cursor": ""},
    ],
)
def test_a_wrong_cursor_is_a_problem_of_its_own(query: dict[str, str]) -> None:
    answer = client("read").get("/api/v1/processes", query)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:orchestrator:problem:invalid_cursor")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "x"),
        ("state", "running"),
        ("actor", "a\0b"),
        ("custom_id_prefix", "\0"),
        ("attributes", "{"),
        ("attributes", "[]"),
        ("attributes", '{"a": [1]}'),
        ("attributes", '{"a": "\\u0000"}'),
        ("attributes", '{"a": 1, "a": 2}'),
        ("created_after", "2026-01-01T00:00:00"),
        ("created_after", "9999-12-31T23:59:59-14:00"),
        ("created_before", "yesterday"),
        ("colour", "blue"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_by_its_name(name: str, value: str) -> None:
    answer = client("read").get("/api/v1/processes", {name: value})
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json"), answer.content
    assert [each["where"] for each in answer.json()["errors"]] == [["query", name]]


def test_a_look_that_may_wait_names_what_it_waits_for_and_only_then() -> None:
    reader = client("read")
    [moving, paused, ended] = [registered(actors.echo, n, custom_id=f"w-{n}") for n in range(3)]
    pause(paused)
    abort(ended)

    def told(path: str, **query: str | int) -> str | None:
        answer = reader.get(f"/api/v1/processes/{path}", query)
        assert answer.status_code == 200, answer.content
        return answer.headers.get("X-Orchestrator-Wait")

    assert told(str(moving.id), wait_seconds=55) == f"55 process {moving.id}"
    assert told("by-custom-id/w-0", wait_seconds="0.5") == f"0.5 process {moving.id}"
    assert [told(str(moving.id)), told(str(moving.id), wait_seconds=0)] == [None, None]
    assert [told(str(each.id), wait_seconds=5) for each in (paused, ended)] == [None, None]
    assert reader.get(f"/api/v1/processes/{moving.id}", {"wait_seconds": 56}).status_code == 422


def test_a_custom_id_with_nul_belongs_to_nobody() -> None:
    answer = client("read").get("/api/v1/processes/by-custom-id/%00")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:orchestrator:problem:no_such_process")


def test_a_history_is_told_in_order_with_who_and_why() -> None:
    reader = client("read")
    done = finished(actors.echo, 1)
    Event.objects.bulk_create(Event(process_id=done.id, kind=f"k{n}", detail={"n": n}) for n in range(5))
    other = registered(actors.echo, 2)
    abort(other, by="ada", reason="no use", request_id="r-1")
    told = listed(reader, f"/processes/{done.id}/history")
    assert [(each["kind"], each["detail"]) for each in told] == [(f"k{n}", {"n": n}) for n in range(5)]
    [last] = listed(reader, f"/processes/{other.id}/history")
    assert last == {
        "id": ANY,
        "kind": "aborted",
        "at": ANY,
        "process_id": str(other.id),
        "task_id": None,
        "by": "ada",
        "reason": "no use",
        "request_id": "r-1",
        "detail": {"state_before": "RUNNING"},
    }
    assert datetime.fromisoformat(last["at"]).tzinfo == UTC
    missing = reader.get(f"/api/v1/processes/{new_id()}/history")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:orchestrator:problem:no_such_process")


def test_the_tasks_of_a_process_are_a_graph() -> None:
    reader = client("read")
    done = finished(actors.diamond, 1)
    tasks = {each["id"]: each for each in listed(reader, f"/processes/{done.id}/tasks", with_values="true")}
    assert len(tasks) == 5
    root = tasks[str(done.id)]
    assert (root["parent_id"], root["kind"], root["state"], root["process_id"]) == (
        None,
        "decider",
        "COMPLETED",
        str(done.id),
    )
    last = tasks[root["value_from"]]
    assert (last["actor"], last["value"], last["parent_id"]) == ("flows.total#1.0", 7, root["id"])
    arms = [tasks[each] for each in last["awaits"]]
    assert sorted(each["value"] for each in arms) == [3, 4]
    [top] = {tuple(each["awaits"]) for each in arms}
    assert [(tasks[each]["value"], tasks[each]["awaits"]) for each in top] == [(2, [])]
    assert {(each["attempt"], each["tries"], each["priority"], each["failure"]) for each in tasks.values()} == {
        (1, 0, 5, None)
    }


def test_the_failure_of_a_task_is_told_and_values_only_where_they_are_wanted() -> None:
    reader = client("read")
    stopped = finished(actors.unaccepted, "no luck")

    def failures(**query: str) -> list[Any]:
        return [each["failure"] for each in listed(reader, f"/processes/{stopped.id}/tasks", **query)]

    assert failures() == [None, None, None]
    [failure] = [each for each in failures(with_values="true") if each is not None]
    assert (failure["type"], failure["message"]) == ("ValueError", "no luck")
    path = f"/api/v1/processes/{stopped.id}/tasks"
    assert reader.get(path, {"with_values": "true", "limit": "51"}).status_code == 422
    assert reader.get(path, {"limit": 500}).status_code == 200
    assert reader.get(f"/api/v1/processes/{new_id()}/tasks").json()["type"].endswith(":no_such_process")


def test_actors_tell_what_they_have_to_hand_out_and_whether_they_are_blocked() -> None:
    reader = client("read")
    registered(actors.add, 1)
    registered(actors.add, 2)
    registered(actors.echo, 1)
    note_poll("flows.echo#1.0")
    block("flows.fail#1.0")
    told = {each["name"]: each for each in listed(reader, "/actors")}
    assert {name: (each["depth"], each["blocked_at"] is None) for name, each in told.items()} == {
        "flows.add#1.0": (2, True),
        "flows.echo#1.0": (1, True),
        "flows.fail#1.0": (0, False),
    }
    assert [each["last_polled_at"] is None for _, each in sorted(told.items())] == [True, False, True]
    assert 0 <= told["flows.add#1.0"]["oldest_age_seconds"] < 60
    assert told["flows.fail#1.0"]["oldest_age_seconds"] is None
    assert reader.get("/api/v1/actors").json()["everything_paused_at"] is None
    pause_everything()
    assert reader.get("/api/v1/actors").json()["everything_paused_at"] is not None
    assert reader.get("/api/v1/actors", {"cursor": "YSBi"}).json()["type"].endswith(":invalid_cursor")


def test_why_a_process_or_a_task_does_not_move_has_a_code_and_the_ids_it_names() -> None:
    reader = client("read")
    stopped = finished(actors.unaccepted, "no luck")
    told = reader.get(f"/api/v1/processes/{stopped.id}/why").json()
    failed = task_of(stopped, actors.fail)
    assert (told["code"], told["ids"]["process"]) == ("failed", str(stopped.id))
    assert str(failed.id) in told["sentence"]
    waiting = reader.get(f"/api/v1/tasks/{task_of(stopped, actors.echo).id}/why").json()
    assert (waiting["code"], waiting["ids"]["blocking"]) == ("waits_for_task", str(failed.id))
    for path, code in (("processes", "no_such_process"), ("tasks", "no_such_task")):
        missing = reader.get(f"/api/v1/{path}/{new_id()}/why")
        assert (missing.status_code, missing.json()["type"]) == (404, f"urn:orchestrator:problem:{code}")
    assert reader.get(f"/api/v1/processes/{failed.id}/why").status_code == 404
