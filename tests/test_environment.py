"""Settings are read loudly: a wrong one refuses to start, in one line that names it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from orchestrator.environment import Environment
from orchestrator.local.django_programs import ROOT
from orchestrator.settings import database


@pytest.mark.parametrize(
    ("variables", "read", "message"),
    [
        ({}, lambda env: env.text("X"), "X must be set"),
        ({"X": ""}, lambda env: env.text("X"), "X must be set"),
        ({"X": "yes"}, lambda env: env.boolean("X", False), "X='yes': must be true or false"),
        ({"X": "1.5"}, lambda env: env.integer("X", 1), "X='1.5': must be a whole number from 1 to"),
        ({"X": "0"}, lambda env: env.integer("X", 1), "X='0': must be a whole number from 1 to"),
        ({"X": "-3"}, lambda env: env.seconds("X", 1), "X='-3': must be a number of seconds"),
        ({"X": "a b"}, lambda env: env.words("X"), "X='a b': must be words"),
        ({"X": "loud"}, lambda env: env.choice("X", "a", ("a", "b")), "X='loud': must be a or b"),
        ({"X": ""}, lambda env: env.name("X", "a"), "X='': must be a name"),
        ({"X": "tasks,no.such"}, lambda env: env.apps("X"), "X='no.such': must be Django apps"),
        ({"X": "tasks.nothing"}, lambda env: env.apps("X"), "X='tasks.nothing': must be Django apps"),
        ({"X": "no.such.Config"}, lambda env: env.apps("X"), "X='no.such.Config': must be Django apps"),
        (
            {"X": "redis://:secret/1@h/0"},
            lambda env: env.url("X", ("redis",)),
            "X must be a URL whose port is a number",
        ),
        (
            {"X": "mysql://secret@h/db"},
            lambda env: env.url("X", ("redis",)),
            "X must be a URL that begins with redis://",
        ),
        (
            {"ORCHESTRATOR_TYPO": "1"},
            lambda env: env.refuse_unknown("ORCHESTRATOR_"),
            "no such setting: ORCHESTRATOR_TYPO",
        ),
    ],
)
def test_a_wrong_setting_is_refused_by_name(variables: dict[str, str], read: object, message: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read(Environment(variables))  # type: ignore[operator]  # a function
    assert str(refused.value).startswith(message)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_words_are_read_once_each_and_apps_may_be_named_by_their_configuration() -> None:
    assert Environment({"X": " eu, us ,eu,"}).words("X") == ["eu", "us"]
    assert Environment({"X": "tasks,tasks.apps.TasksConfig"}).apps("X") == ["tasks", "tasks.apps.TasksConfig"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40@h:6543/db", ("db", "u", "p@", "h", "6543")),
        ("postgresql:///db?host=/some/folder&user=u", ("db", "u", "", "/some/folder", "")),
        ("postgresql://h/db?sslmode=require", ("db", "", "", "h", "")),
    ],
)
def test_a_database_url_names_hosts_and_sockets(url: str, expected: tuple[str, ...]) -> None:
    settings = database(url)
    assert tuple(settings[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")) == expected
    assert ("sslmode" in settings["OPTIONS"]) == ("sslmode" in url)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ORCHESTRATOR_HEARTBEAT_SECONDS": "soon"}, "ORCHESTRATOR_HEARTBEAT_SECONDS='soon'"),
        ({"ORCHESTRATOR_HARTBEAT_SECONDS": "3"}, "no such setting: ORCHESTRATOR_HARTBEAT_SECONDS"),
        ({"DATABASE_URL": "mysql://h/db"}, "DATABASE_URL must be a URL"),
        ({"DATABASE_URL": "postgresql://h"}, "DATABASE_URL must name a database"),
        ({"DATABASE_URL": "postgresql://h:port/db"}, "DATABASE_URL must be a URL whose port is a number"),
        ({"DATABASE_URL": "postgresql://[h/db"}, "DATABASE_URL must be a URL whose port is a number"),
        ({"CELERY_BROKER_URL": "valkey://h"}, "CELERY_BROKER_URL must be a URL that begins with redis://"),
        ({"ORCHESTRATOR_LOG_LEVEL": "LOUD"}, "ORCHESTRATOR_LOG_LEVEL='LOUD': must be DEBUG or INFO"),
        ({"ORCHESTRATOR_APPS": "no.such.app"}, "ORCHESTRATOR_APPS='no.such.app': must be Django apps"),
        ({"ORCHESTRATOR_TASK_LISTS": "eu*"}, "ORCHESTRATOR_TASK_LISTS='eu*': must be words"),
        ({"SECRET_KEY": ""}, "SECRET_KEY must be set"),
    ],
)
def test_manage_py_refuses_to_start_in_one_line(change: dict[str, str], message: str) -> None:
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "orchestrator.settings", **change}
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "check"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
