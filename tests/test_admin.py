"""The admin shows every row of the engine, lets nobody change one by hand, and never reads a whole table."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orchestrator.access.models import Token
from processes import engine_admin
from recovery.models import RetentionRule
from recovery.scans import run_scan
from tasks.actors import abort, delete_process
from tasks.presence import Node, Presence
from tasks.queries import note_poll
from tests.by_hand import finished, started
from tests.flows.actors import diamond, unaccepted

pytestmark = pytest.mark.usefixtures("rows")
EDITED: list[type[Model]] = [RetentionRule, Token]
"""Rows that people make; the engine only reads them."""
MODELS = [
    model
    for label in ("processes", "tasks", "recovery", "access")
    for model in apps.get_app_config(label).get_models()
    if model not in EDITED
]


@pytest.fixture
def client(client: Client) -> Client:
    user, _ = User.objects.get_or_create(username="root", defaults={"is_staff": True, "is_superuser": True})
    client.force_login(user)
    return client


def fill() -> None:
    """A row, at least, in every table."""
    for number in range(5):
        finished(diamond, number)
        finished(unaccepted, "no")
    gone = started(diamond, 9, custom_id=f"gone-{uuid4()}")
    abort(gone)
    delete_process(gone)
    note_poll("flows.diamond#1.0")
    Presence("box:1", Node("celery@box", "prefork", ("actors",))).renew(0)
    run_scan("due")


def address(model: type[Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_every_model_of_the_engine_has_a_page() -> None:
    assert [model for model in [*MODELS, *EDITED] if not admin.site.is_registered(model)] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_rows_are_listed_searched_and_shown_but_not_changed(client: Client, model: type[Model]) -> None:
    fill()
    row = model._default_manager.first()
    assert row is not None
    listed = client.get(address(model, "changelist"))
    assert listed.status_code == 200
    assert str(row.pk) in listed.content.decode()
    assert client.get(address(model, "changelist"), {"q": "no such thing"}).status_code == 200
    assert client.get(address(model, "change", row.pk)).status_code == 200
    assert client.get(address(model, "add")).status_code == 403
    assert client.post(address(model, "change", row.pk), {}).status_code == 403
    assert client.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_asks_as_many_queries_for_many_rows_as_for_few_and_counts_no_whole_table(
    client: Client, model: type[Model]
) -> None:
    asked = []
    for _ in range(2):
        fill()
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address(model, "changelist")).status_code == 200
        asked.append(len(queries))
        table = model._meta.db_table
        for query in queries:
            assert not ("COUNT(" in query["sql"] and table in query["sql"] and "LIMIT" not in query["sql"])
    assert asked[0] == asked[1]


def test_a_list_counts_no_more_rows_than_a_person_pages_through(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill()
    monkeypatch.setattr(engine_admin, "COUNTED_ROWS", 3)
    model = next(model for model in MODELS if model.__name__ == "Task")
    response = client.get(address(model, "changelist"))
    assert response.context["cl"].result_count == 3
