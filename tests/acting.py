"""Clients of the API that act, and what they have to act on."""

from __future__ import annotations

import json
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from orchestrator.access.making import create_token
from tasks.models import Task
from tests.by_hand import registered
from tests.flows.actors import echo

ECHO = str(echo.actor_name)


def client(*scopes: str, **limits: Any) -> Client:
    """A client with a token of its own."""
    token = create_token(client="tests", scopes=list(scopes), by="tests", **limits)
    return Client(headers={"Authorization": f"Bearer {token.text}"})


def actor_client(*actors: str) -> Client:
    """A client that acts for these actors; for all where none is named."""
    return client("act", act_actors=list(actors) or ["*"])


def post(client: Client, path: str, body: object) -> Any:
    """The answer to a request."""
    return client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json")


def statements(client: Client, path: str, body: object) -> list[str]:
    """The statements of a request that is answered with 200, without those about its token."""
    with CaptureQueriesContext(connection) as captured:
        answer = post(client, path, body)
    assert answer.status_code == 200, answer.content
    return [each["sql"] for each in captured.captured_queries if "access_token" not in each["sql"]]


def ready(count: int) -> list[Task]:
    """ENQUEUED tasks of `flows.echo`, each the root of a process of its own."""
    return [Task.objects.get(id=registered(echo, number).id) for number in range(count)]


def named(task: Any, **more: object) -> dict[str, object]:
    """The lease that a claim gave, as clients name it."""
    return {"task_id": str(task.task_id), "attempt": task.attempt, **more}
