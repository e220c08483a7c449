"""What is said of the API is so: every problem is explained, and every operation asks who is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.test import Client

from orchestrator.api.assembling import api
from orchestrator.settings import BASE_DIR
from processes.errors import Refused
from processes.models import new_id
from processes.problems import KINDS, kind_of
from tasks.errors import ActorRefused, TaskRefused
from tests.acting import client
from tests.every_row import every_row

pytestmark = pytest.mark.usefixtures("rows")

ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| (yes|no) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
NOT_RAISED = (Refused, TaskRefused, ActorRefused)
SCOPES = ("read", "start", "act", "operate")
SCHEMA = api.get_openapi_schema()
SCOPE_OF_TAG = {"watch": "read", "start": "start", "act": "act", "steer": "operate"}
BODIES: dict[str, object] = {
    "startProcess": {"actor": "flows.echo", "args": [1]},
    "startProcesses": {"items": [{"actor": "flows.echo", "args": [1]}]},
    "failTask": {"message": "no"},
    "poll": {"actors": ["flows.echo"]},
    "heartbeat": {"leases": [{"task_id": str(new_id()), "attempt": 1}]},
    "release": {"outcomes": [{"task_id": str(new_id()), "attempt": 1, "outcome": "hand_back"}]},
    "blockActor": {"actor": "flows.echo#1.0"},
    "unblockActor": {"actor": "flows.echo#1.0"},
}
"""What must stand in a body; of all other operations it may be empty."""


def refusals(of: type[Refused] = Refused) -> Iterator[type[Refused]]:
    """Every refusal that the code knows and the API may answer with."""
    for each in of.__subclasses__():
        yield from refusals(each)
        if each not in NOT_RAISED and not each.__module__.startswith(("tests.", "orchestrator.access.")):
            yield each


def test_every_problem_and_every_refusal_is_explained_and_no_other() -> None:
    told = {code: (int(status), retryable) for code, status, retryable in ROW.findall(text())}
    kinds = [*KINDS.values(), *(kind_of(each) for each in refusals())]
    assert told == {each.code: (each.status, "yes" if each.is_retryable else "no") for each in kinds}


def text() -> str:
    """The document of problems."""
    return (BASE_DIR / "docs" / "problems.md").read_text()


def test_the_codes_of_refusals_differ_from_each_other_and_from_those_of_problems() -> None:
    codes = [each.code for each in refusals()] + list(KINDS)
    assert len(codes) == len(set(codes))


OPERATIONS = [
    (path, method, operation)
    for path, operations in SCHEMA["paths"].items()
    for method, operation in operations.items()
]
NAMED = pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=[each[2]["operationId"] for each in OPERATIONS]
)


def asked(who: Client, path: str, method: str, operation: dict[str, Any]) -> Any:
    """The answer to an operation on things that do not exist, with a body that fits."""
    body = orjson.dumps(BODIES.get(operation["operationId"], {})) if method == "post" else b""
    return who.generic(method.upper(), re.sub(r"\{\w+\}", str(new_id()), path), body, content_type="application/json")


@NAMED
def test_every_operation_asks_who_is_there_and_what_they_may(path: str, method: str, operation: dict[str, Any]) -> None:
    [tag] = operation["tags"]
    others = [each for each in SCOPES if each != SCOPE_OF_TAG[tag]]
    unfit = client(*others, **({"act_actors": ["*"]} if "act" in others else {}))
    rows = every_row()
    nobody = asked(Client(), path, method, operation)
    assert (nobody.status_code, nobody["WWW-Authenticate"]) == (401, "Bearer")
    assert asked(Client(headers={"Authorization": "Bearer orc_no"}), path, method, operation).status_code == 401
    wrong = asked(unfit, path, method, operation)
    if operation["operationId"] == "startProcesses":
        # Each item is answered for itself.
        assert [each["reason"] for each in wrong.json()["items"]] == ["forbidden"]
    else:
        assert (wrong.status_code, wrong["Content-Type"]) == (403, "application/problem+json"), wrong.content
    assert every_row() == rows


@NAMED
def test_every_operation_documents_its_problems_as_problem_documents(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    responses = {int(status): answer for status, answer in operation["responses"].items()}
    assert responses.keys() >= {401, 403, 422, 429, 503} | ({400, 413, 415} if method == "post" else set())
    assert {status: list(answer["content"]) for status, answer in responses.items() if status >= 400} == {
        status: ["application/problem+json"] for status in responses if status >= 400
    }
    assert 404 in responses or "{" not in path
