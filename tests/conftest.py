"""Fixtures: real servers, private ones for tests that stop or freeze them, real workers, proxies."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from orchestrator.local.django_programs import beat, start_worker, worker
from orchestrator.local.programs import Ownership, Program
from orchestrator.local.servers import Servers
from tasks import bell
from tests.proxies import Proxy
from tests.traces import remove_traces

TABLES = (
    "tasks_dependency",
    "tasks_task",
    "tasks_actorstatus",
    "tasks_workerprocess",
    "processes_event",
    "processes_tombstone",
    "processes_process",
    "recovery_scanrun",
    "recovery_retentionrule",
    "access_token",
    "flows_effect",
    "workload_effect",
    "orders_booking",
    "orders_invoice",
    "orders_product",
    "patterns_booking",
    "patterns_partner",
    "patterns_contact",
    "patterns_report",
    "patterns_letter",
    "patterns_invoice",
)
MANY_BYTES = 2**20
LONGEST_FIRST = (
    "test_chaos",
    "test_draining",
    "test_matrix",
    "test_newcomer",
    "test_flows",
    "test_starting_faults",
    "test_releasing",
)
"""Files that take long: begun first, so that no worker of the run is left alone with one at its end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The test database, also for tests that manage its rows themselves (`rows`)."""
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases={"default": None})
    yield
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            # A worker that a test killed may be gone before the database has noticed.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        teardown_databases(made, verbosity=0)


@pytest.fixture
def rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Committed rows, in tables that are empty before; what the migrations wrote beside them stays.

    Deleting a few rows is much quicker than the truncation of all tables that a transactional test case does; but
    where nothing vacuums, what was deleted would slow the later tests down.
    """
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_relation_size('tasks_task')")
            if cursor.fetchone()[0] > MANY_BYTES:
                cursor.execute(f"TRUNCATE {', '.join(TABLES)}")
            else:
                cursor.execute(";".join(f"DELETE FROM {table}" for table in TABLES))
        yield
        bell.flush(1)
        connection.close()


@pytest.fixture(scope="session", autouse=True)
def traceless() -> Iterator[None]:
    """Remove what this run leaves at the broker: everything there that has its prefix."""
    yield
    remove_traces()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short-named folder of this test's own."""
    path = Path(tempfile.mkdtemp(prefix="o-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def servers(folder: Path) -> Iterator[Servers]:
    """A PostgreSQL and a broker of this test's own, to be stopped, killed and frozen."""
    with Servers(folder, {}) as private:
        yield private


@pytest.fixture
def environ() -> dict[str, str]:
    """The environment of worker processes that serve the tests' database and broker."""
    return environ_of_workers()


def environ_of_workers() -> dict[str, str]:
    """As the fixture `environ`, once the test database is there."""
    database = connections["default"].settings_dict
    host, port = database["HOST"], database["PORT"]
    query = "&".join(
        f"{key}={value}"
        for key, value in (
            ("host", host),
            ("port", port),
            ("user", database["USER"]),
            ("password", database["PASSWORD"]),
        )
        if value
    )
    return {
        **os.environ,
        "DATABASE_URL": f"postgresql:///{database['NAME']}?{query}",
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
    }


Launch = Callable[..., Program]


@pytest.fixture
def launch(folder: Path, environ: dict[str, str]) -> Iterator[Launch]:
    """Starts real Celery workers (or beat, with `kind="beat"`) and stops them after the test.

    `env` adds environment variables; everything else goes to `orchestrator.local.django_programs.worker`.
    """
    with launching(folder, environ) as start:
        yield start


@contextmanager
def launching(folder: Path, environ: dict[str, str]) -> Iterator[Launch]:
    """As the fixture `launch`, for as long as one likes."""
    ownership = Ownership(folder / "programs")
    programs: list[Program] = []

    def start(kind: str = "worker", env: dict[str, str] | None = None, **options: object) -> Program:
        name = str(options.pop("name", f"{kind}-{secrets.token_hex(3)}"))
        with_env = {**environ, **(env or {})}
        if kind == "beat":
            program = beat(ownership, with_env, name=name)
            program.start()
        else:
            program = worker(ownership, with_env, name=name, **options)  # type: ignore[arg-type]  # checked there
            start_worker(program)
        programs.append(program)
        return program

    try:
        yield start
    finally:
        for program in programs:
            if program.is_running():
                program.kill()
        ownership.close()


@pytest.fixture
def proxies() -> Iterator[Callable[[str], Proxy]]:
    """Makes TCP proxies in front of a server, which is given by the address of `Proxy`."""
    made: list[Proxy] = []

    def make(upstream: str) -> Proxy:
        proxy = Proxy(upstream)
        made.append(proxy)
        return proxy

    yield make
    for proxy in made:
        proxy.close()
