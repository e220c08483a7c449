"""Starts over HTTP: codes and statuses that say the same, and nothing that changes rows where they say no."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.test import Client

from processes.models import Process
from tests.acting import client, post
from tests.flows.actors import echo

pytestmark = pytest.mark.usefixtures("rows")


def test_the_three_codes_and_their_statuses() -> None:
    starter = client("start", "read")
    start = {"actor": str(echo.actor_name), "args": [{"$": "decimal", "v": "1.50"}], "custom_id": "a-1"}
    first = post(starter, "/processes", start)
    assert (first.status_code, first.json()["code"], first.json()["warnings"]) == (201, 0, [])
    process_id = first.json()["process_id"]
    assert first["Location"] == f"/api/v1/processes/{process_id}"
    again = post(starter, "/processes", start)
    assert (again.status_code, again.json()["code"], again.json()["process_id"]) == (200, 1, process_id)
    other = post(starter, "/processes", start | {"args": ["other"]})
    assert (other.status_code, other["Content-Type"]) == (409, "application/problem+json")
    told = other.json()
    assert (told["code"], told["reason"], told["retryable"]) == (2, "different", False)
    assert told["type"] == "urn:orchestrator:problem:start_different"
    assert Process.objects.count() == 1
    shown = starter.get(first["Location"]).json()
    assert (UUID(shown["id"]), shown["custom_id"], shown["state"]) == (UUID(process_id), "a-1", "REGISTERING")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 400, "malformed"),
        (b'{"actor": "a", "actor": "b"}', 400, "malformed"),
        (b"[]", 422, "invalid"),
        (b'{"actor": "flows.echo", "colour": 1}', 422, "invalid"),
        (b'{"actor": "nobody"}', 422, "start_invalid"),
        (b'{"actor": "flows.echo", "args": [], "start_to_end_seconds": "5"}', 422, "invalid"),
    ],
)
def test_what_is_wrong_is_a_problem_document_and_starts_nothing(body: bytes, status: int, kind: str) -> None:
    answer = client("start").post("/api/v1/processes", body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    assert answer.json()["type"] == f"urn:orchestrator:problem:{kind}"
    assert Process.objects.count() == 0


def test_who_shows_no_token_or_the_wrong_scope_is_refused() -> None:
    body = {"actor": str(echo.actor_name), "args": [1]}
    nobody = post(Client(), "/processes", body)
    assert (nobody.status_code, nobody["WWW-Authenticate"]) == (401, "Bearer")
    refused = post(client("start", start_actors=["other"]), "/processes", body)
    assert (refused.status_code, refused.json()["reason"]) == (403, "forbidden")
    assert client("start").get("/api/v1/processes/by-custom-id/a").status_code == 403
    assert Client().get("/api/v1/docs").status_code == 401
    assert Client().get("/api/v1/openapi.json").status_code == 401
    assert client("read").get("/api/v1/nothing").json()["type"] == "urn:orchestrator:problem:not_found"
    assert client("read").put("/api/v1/processes").json()["type"] == "urn:orchestrator:problem:method_not_allowed"
    assert Process.objects.count() == 0


def test_a_batch_is_answered_item_by_item_in_order() -> None:
    starter = client("start")
    items: list[dict[str, object]] = [
        {"actor": str(echo.actor_name), "args": [n], "custom_id": f"b-{n}"} for n in (1, 2)
    ]
    items.insert(1, {"actor": "nobody"})
    answer = post(starter, "/processes/batch", {"items": items})
    assert answer.status_code == 200, answer.content
    assert [each["code"] for each in answer.json()["items"]] == [0, 2, 0]
    assert Process.objects.count() == 2
