"""The statements of starting, registering, claiming, releasing and settling read rows, not tables, at any size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from processes import engine_admin, queries
from processes.models import Process
from processes.states import ProcessState
from tasks.requests import StartRequest
from tasks.starting import start_processes
from tasks.statements import FOLDER
from tests.acting import client
from tests.by_hand import finished, run_to_standstill
from tests.flows import actors

pytestmark = pytest.mark.usefixtures("rows")

OLD_PROCESSES = 10_000
NEW_PROCESSES = 100
STATEMENTS_OF_A_CHAIN = {
    "insert_processes",
    "lock_free_processes",
    "create_root_tasks",
    "enqueue_roots",
    "claim",
    "write_outcomes",
    "insert_calls",
    "settle",
    "settled_values",
    "account",
    "climb",
}
HISTORY = """
    WITH old AS (
        INSERT INTO processes_process (
            id, actor, kind, arguments, options, attributes, state, result, created_at, registered_at, ended_at
        )
        SELECT
            gen_random_uuid(), 'flows.chain#1.0', 'decider', repeat('x', 1500), '{}', '{}',
            'COMPLETED', '5', now(), now(), now()
        FROM generate_series(1, %s)
        RETURNING id
    ),
    task AS (
        INSERT INTO tasks_task (
            id, process_id, actor, kind, arguments, state, result, poll_to_end, heartbeat, alone, ended_at
        )
        SELECT
            gen_random_uuid(), old.id, 'flows.add#1.0', 'worker', '{}', 'COMPLETED', '1', '5 min', '30 s', FALSE, now()
        FROM old, generate_series(1, 3)
        RETURNING id, process_id
    )
    INSERT INTO tasks_dependency (process_id, waiter_id, awaited_id, delivers_value)
    SELECT process_id, id, lag(id) OVER (ORDER BY id), TRUE FROM task ORDER BY id OFFSET 1
"""


@pytest.fixture
def admin_client() -> Client:
    user, _ = User.objects.get_or_create(username="root", defaults={"is_staff": True, "is_superuser": True})
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("analysed", [False, True], ids=["never analysed", "analysed"])
def test_a_batch_of_chains_touches_its_own_rows_only(analysed: bool) -> None:
    _make_history(analysed)
    with _explaining() as plans:
        start_processes([StartRequest(actor=actors.chain, args=(0,)) for _ in range(NEW_PROCESSES)])
        start_processes([StartRequest(actor=actors.accepted, args=("no",)) for _ in range(NEW_PROCESSES)])
        run_to_standstill()
    assert Process.objects.filter(state=ProcessState.COMPLETED).count() == OLD_PROCESSES + 2 * NEW_PROCESSES
    assert plans.keys() >= STATEMENTS_OF_A_CHAIN
    assert {
        (name, table) for name, found in plans.items() for plan in found for table in _read_whole(plan["Plan"])
    } == set()
    assert {name for name, found in plans.items() for plan in found if "JIT" in plan} == set()


LISTS: list[tuple[str, dict[str, str]]] = [
    ("processes_process", {}),
    ("processes_process", {"state": "RUNNING"}),
    ("processes_process", {"state": "COMPLETED"}),
    ("processes_process", {"state": "FAILED"}),
    ("processes_process", {"q": "order-7"}),
    ("processes_process", {"q": str(UUID(int=7))}),
    ("tasks_task", {}),
    ("tasks_task", {"failure": "unaccepted"}),
    ("tasks_task", {"q": str(UUID(int=7))}),
    ("tasks_dependency", {"q": str(UUID(int=7))}),
]


def test_pages_of_the_admin_read_the_rows_that_they_show(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of ten thousand rows this is as little as the real number is of millions.
    monkeypatch.setattr(engine_admin, "COUNTED_ROWS", 100)
    _make_history(analysed=True)
    process = finished(actors.diamond, 1)
    read: dict[str, set[str]] = {}
    pages: list[tuple[str, dict[str, str], tuple[UUID, ...]]] = [
        (f"{page}_changelist", query, ()) for page, query in LISTS
    ]
    pages += [(f"{page}_change", {}, (process.id,)) for page in ("processes_process", "tasks_task")]
    for page, query, args in pages:
        with _explaining_selects() as plans:
            assert admin_client.get(reverse(f"admin:{page}", args=args), query).status_code == 200
        assert plans
        read[f"{page} {query}"] = {table for plan in plans for table in _read_whole(plan["Plan"])}
    assert {page: tables for page, tables in read.items() if tables} == {}


ASKED: list[dict[str, str]] = [
    {},
    {"state": "RUNNING"},
    {"state": "COMPLETED"},
    {"actor": "flows.rare#1.0"},
    {"actor": "flows.rare#1.0", "state": "COMPLETED"},
    {"custom_id_prefix": "order-"},
    {"attributes": '{"region": "eu"}'},
    {"attributes": '{"region": "eu"}', "state": "FAILED"},
    {"created_before": "2020-01-01T00:00:00Z"},
    {"created_after": "2020-01-01T00:00:00Z", "actor": "flows.rare#1.0", "custom_id_prefix": "order-"},
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_a_list_over_http_walks_an_index_whatever_is_asked(
    asked: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "WALKED", 100)
    _make_history(analysed=True)
    with _explaining_selects() as plans:
        answer = client("read").get("/api/v1/processes", asked)
    assert (answer.status_code, len(plans)) == (200, 2 if asked.keys() - {"state"} else 1)
    assert [table for plan in plans for table in _read_whole(plan["Plan"])] == []


def _make_history(analysed: bool) -> None:
    with connection.cursor() as cursor:
        # What earlier tests left in the pages would say nothing of a real table.
        cursor.execute("TRUNCATE processes_process, tasks_task, tasks_dependency")
        cursor.execute(HISTORY, [OLD_PROCESSES])
        if analysed:
            cursor.execute("ANALYZE processes_process, tasks_task, tasks_dependency")


@contextmanager
def _explaining() -> Iterator[dict[str, list[Any]]]:
    """Has every hot statement explained right before it runs; the plans by the statement's name."""
    names = {path.read_text(): path.stem for path in FOLDER.glob("*.sql")}
    plans: dict[str, list[Any]] = {}

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql in names:
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
                [(found,)] = cursor.fetchall()
            plans.setdefault(names[sql], []).extend(json.loads(found) if isinstance(found, str) else found)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans


@contextmanager
def _explaining_selects() -> Iterator[list[Any]]:
    """Has every SELECT from a table of the engine explained right before it runs."""
    plans: list[Any] = []

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and re.search(r'FROM "(processes_process|tasks_task|tasks_dependency)', sql):
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
                [(found,)] = cursor.fetchall()
            plans.extend(json.loads(found) if isinstance(found, str) else found)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans


def _read_whole(node: dict[str, Any]) -> list[str]:
    """The tables that a plan reads from beginning to end; those that hold a row per actor may be."""
    table = node.get("Relation Name")
    own = [table] if node["Node Type"] == "Seq Scan" and table not in (None, "tasks_actorstatus") else []
    return own + [table for child in node.get("Plans", ()) for table in _read_whole(child)]
