"""Fixtures: real servers, private ones for tests that stop or freeze them, real workers, proxies."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections

from orchestrator.local.django_programs import beat, start_worker, worker
from orchestrator.local.programs import Ownership, Program
from orchestrator.local.servers import Servers
from tasks import bell
from tests.proxies import Proxy

TABLES = (
    "processes_process, processes_tombstone, processes_event, tasks_task, tasks_dependency, tasks_actorstatus, "
    "recovery_scanrun"
)


@pytest.fixture
def rows(transactional_db: None) -> Iterator[None]:
    """Committed rows in an engine whose tables are empty before; what beat is told stays as migrated."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLES}")
    yield
    bell.flush(1)


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

    yield start
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
