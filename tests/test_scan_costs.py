"""Cost follows the work, not the history: a million finished tasks beside a thousand live ones cost nothing.

Every statement that the engine runs is explained at the moment it runs, with its own parameters and its effects
rolled back, and then run. The rows live in a database of their own, made once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from orchestrator.local.django_programs import ROOT, in_project
from recovery import finding, retention
from recovery.models import RetentionRule
from recovery.retention import rehearse, retain
from recovery.scans import SCANS
from tasks import deleting
from tasks.claiming import Claimer
from tasks.models import Task, TaskState
from tasks.queries import depths, ready_actors, unpolled_actors
from tests.history import FINISHED, LIVE, database_url, fill

BUFFERS = 2_000
TABLES = {"tasks_task", "processes_process", "tasks_dependency", "processes_event"}
BY_INDEX = {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
"""A bitmap is made by an index scan; its heap scan reads only the pages that the index named."""
ACTORS = [f"live.work{n}#1.0" for n in range(5)]


@dataclass(frozen=True)
class Plan:
    """How the database ran one statement."""

    statement: str
    buffers: int
    scans: frozenset[tuple[str, str]]
    """Which table was read how."""

    @property
    def is_costly(self) -> bool:
        """Whether it read a table of the engine otherwise than by an index, or too many pages."""
        return self.buffers >= BUFFERS or any(how not in BY_INDEX and table in TABLES for how, table in self.scans)


@pytest.fixture(scope="module")
def history(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The default connection leads to a database with a long history."""
    tests_name = str(connection.settings_dict["NAME"])
    name = f"{tests_name}_history"
    with psycopg.connect(database_url("postgres"), autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}"')
        environ = in_project({**os.environ, "DATABASE_URL": database_url(name)})
        subprocess.run([sys.executable, str(ROOT / "manage.py"), "migrate", "-v0"], env=environ, check=True)
        with psycopg.connect(database_url(name), autocommit=True) as filling:
            fill(filling)
        with django_db_blocker.unblock():
            connection.close()
            connection.settings_dict["NAME"] = name
            yield
            connection.close()
            connection.settings_dict["NAME"] = tests_name
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def explaining() -> Iterator[list[Plan]]:
    """Explain every statement of the engine before it is run."""
    plans: list[Plan] = []

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if (
            any(f"{word} " in sql or f"{word}\n" in sql for word in ("SELECT", "UPDATE", "INSERT", "DELETE"))
            and not many
        ):
            plans.append(plan_of(sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans


def plan_of(sql: str, params: Any) -> Plan:
    """The plan of a statement, run and rolled back."""
    raw = connection.connection
    was_autocommit = raw.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    with raw.cursor() as cursor:
        cursor.execute("BEGIN" if was_autocommit else "SAVEPOINT explaining")
        try:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            [(told,)] = cursor.fetchall()
        finally:
            cursor.execute("ROLLBACK" if was_autocommit else "ROLLBACK TO explaining")
    top = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    return Plan(sql, top["Shared Hit Blocks"] + top["Shared Read Blocks"], frozenset(scans_in(top)))


def scans_in(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Which tables a plan reads, and how."""
    if "Relation Name" in node and "Scan" in node["Node Type"]:
        yield node["Node Type"], node["Relation Name"]
    for child in node.get("Plans", []):
        yield from scans_in(child)


def told(plans: list[Plan]) -> str:
    """Plans in words, for a failing test."""
    return "\n".join(f"{plan.buffers} buffers, {sorted(plan.scans)}: {plan.statement[:300]}" for plan in plans)


def assert_cheap(plans: list[Plan], *, tables: set[str]) -> None:
    """All plans are cheap, and they read the tables that matter (so that something was explained at all)."""
    assert not [plan for plan in plans if plan.is_costly], told([plan for plan in plans if plan.is_costly])
    assert tables <= {table for plan in plans for _, table in plan.scans}, told(plans)


def test_history_is_as_long_as_it_should_be(history: None) -> None:
    """A million finished tasks, a thousand live ones."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FILTER (WHERE ended_at IS NULL), count(*) FROM tasks_task")
        assert cursor.fetchone() == (LIVE, FINISHED + LIVE)


@pytest.mark.parametrize("limit", [1, 50])
def test_claim_reads_only_what_it_takes(history: None, limit: int) -> None:
    """One statement over the partial index, whether it finds work, or none."""
    with explaining() as plans:
        assert len(Claimer(ACTORS[0], "w:1").claim(limit)) == limit
        assert Claimer("live.nobody#1.0", "w:1").claim(limit) == []
    assert len(plans) == 2
    assert_cheap(plans, tables={"tasks_task"})


@pytest.mark.parametrize("name", [name for name in SCANS if name not in ("lost_wakeups", "retention")])
def test_scan_reads_only_what_is_due(history: None, name: str) -> None:
    """Every statement of the scan: finding, locking, acting, recording; and again with nothing left to do."""
    scan = getattr(finding, f"scan_{name}")
    with explaining() as plans:
        acted = scan()
        assert acted == 10
        assert scan() == 0
    table = "processes_process" if name in ("process_start_to_end", "stuck_registrations") else "tasks_task"
    assert_cheap(plans, tables={table})


def test_search_for_lost_wakeups_and_depths_read_only_what_is_enqueued(history: None) -> None:
    """Which actors nobody polls, how much each has to do, which of some have work."""
    with explaining() as plans:
        assert set(unpolled_actors(timedelta(seconds=5))) >= set(ACTORS)
        assert finding.scan_lost_wakeups() >= len(ACTORS)
        assert {actor for actor, _, _ in depths()} >= set(ACTORS)
        assert ready_actors([*ACTORS, "live.nobody#1.0"]) == set(ACTORS)
    assert len(plans) == 4
    assert_cheap(plans, tables={"tasks_task"})


def test_retention_reads_only_what_is_due_and_deletes_by_index(history: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search, the rehearsal and every statement of a step, where all that ended is due, and where nothing is."""
    monkeypatch.setattr(retention, "BATCH", 10)
    monkeypatch.setattr(retention, "COUNTED", 100)
    monkeypatch.setattr(deleting, "FIRST_ROWS", 50)
    monkeypatch.setattr(deleting, "ROWS", 50)
    about = RetentionRule.objects.create(state="COMPLETED", age=timedelta(hours=1))
    RetentionRule.objects.create(state="FAILED", age=timedelta(hours=1))
    with explaining() as plans:
        assert {each.count for each in rehearse()} == {0, 100}
        deleted = 0
        for done in retain():
            deleted += done["deleted"]
            if deleted >= 20:
                break
        RetentionRule.objects.filter(id=about.id).update(age=timedelta(days=100))
        assert sum(retain(), Counter()).total() == 0
    assert any("DELETE FROM tasks_task" in plan.statement for plan in plans)
    assert any("INSERT INTO" in plan.statement and "tombstone" in plan.statement for plan in plans)
    assert_cheap(plans, tables=TABLES - {"processes_event"})


def test_statement_that_reads_the_history_is_found_out(history: None) -> None:
    """The means of these tests see it: what asks for something that no index knows reads the whole table."""
    with explaining() as plans:
        assert Task.objects.filter(state=TaskState.COMPLETED, details="none").count() == 0
    assert [plan.is_costly for plan in plans] == [True]
