"""The launcher of embedded servers: what it starts works, is shared, and never outlives its owners."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest

from orchestrator.local.django_programs import ROOT
from orchestrator.local.postgres import Postgres
from orchestrator.local.privileges import Privileges
from orchestrator.local.programs import LaunchError, Ownership, is_guarded
from orchestrator.local.servers import Servers

OWNER = """
import sys, time
from pathlib import Path
from orchestrator.local.servers import Servers
with Servers(Path(sys.argv[1]), {}):
    print("up", flush=True)
    time.sleep(600)
"""


def wait_until_nothing_is_guarded(folder: Path) -> None:
    until = monotonic() + 30
    while any(is_guarded(folder, name) for name in ("postgres", "broker")):
        assert monotonic() < until, "something is still running"
        sleep(0.05)


def answer(url: str, query: str = "SELECT 1") -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def owner(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the servers of `folder`."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_servers_work_durably_and_stop_with_their_owner(folder: Path) -> None:
    with Servers(folder, {}) as servers:
        assert answer(servers.urls["DATABASE_URL"], "SHOW fsync") == "on"
        assert answer(servers.urls["DATABASE_URL"], "SHOW synchronous_commit") == "on"
        assert servers.broker is not None
        assert servers.broker.client().ping()
        answer_before = answer(servers.urls["DATABASE_URL"], "SELECT system_identifier::text FROM pg_control_system()")
    assert not is_guarded(folder, "postgres")
    assert not is_guarded(folder, "broker")
    with Servers(folder, {}) as again:
        same = answer(again.urls["DATABASE_URL"], "SELECT system_identifier::text FROM pg_control_system()")
        assert same == answer_before


def test_servers_stop_after_the_launching_program_was_killed(folder: Path, owner: subprocess.Popen[str]) -> None:
    assert is_guarded(folder, "postgres")
    os.killpg(owner.pid, signal.SIGKILL)
    wait_until_nothing_is_guarded(folder)


def test_a_second_owner_attaches_and_the_servers_outlive_the_first(folder: Path, owner: subprocess.Popen[str]) -> None:
    with Servers(folder, {}) as servers:
        assert servers.postgres is not None
        pid = servers.postgres.program.pid
        os.killpg(owner.pid, signal.SIGKILL)
        owner.wait()
        sleep_until_a_guardian_would_have_noticed = monotonic() + 0.5
        while monotonic() < sleep_until_a_guardian_would_have_noticed:
            assert answer(servers.urls["DATABASE_URL"]) == 1
        assert servers.postgres.program.pid == pid
    wait_until_nothing_is_guarded(folder)


def test_servers_that_the_environment_names_are_used_and_nothing_is_started(folder: Path) -> None:
    named = {key: os.environ[key] for key in ("DATABASE_URL", "CELERY_BROKER_URL")}
    with Servers(folder, named) as servers:
        assert servers.urls == named
        assert not is_guarded(folder, "postgres")
        assert not is_guarded(folder, "broker")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "DATABASE_URL leads to no database: "),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL leads to no database: "),
        ({"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}, "CELERY_BROKER_URL leads to no broker: "),
        ({"CELERY_BROKER_URL": "amqp://127.0.0.1:1//"}, "CELERY_BROKER_URL leads to no broker: "),
    ],
)
def test_a_url_that_leads_nowhere_is_told_in_one_line(folder: Path, environ: dict[str, str], message: str) -> None:
    with pytest.raises(LaunchError) as told, Servers(folder, environ):
        pass
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


def test_a_server_that_cannot_start_says_why_in_one_line(folder: Path) -> None:
    ownership = Ownership(folder)
    postgres = Postgres(folder, ownership)
    postgres.start()
    postgres.stop()
    [data] = folder.glob("postgres-*/")
    (data / "PG_VERSION").write_text("7\n")
    with pytest.raises(LaunchError, match="PostgreSQL does not start: ") as told:
        postgres.start()
    assert "\n" not in str(told.value)
    ownership.close()


def test_a_folder_that_cannot_be_made_is_told_in_one_line(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(LaunchError, match="cannot be used: Not a directory"):
        Servers(folder / "file" / "below", {})


def test_postgres_runs_where_namespaces_are_refused(folder: Path) -> None:
    privileges = Privileges(namespaces=False)
    mode = folder.stat().st_mode
    ownership = Ownership(folder)
    postgres = Postgres(folder, ownership, privileges=privileges)
    try:
        postgres.start()
        assert answer(postgres.url) == 1
        assert folder.stat().st_mode == mode
        if os.geteuid() == 0:
            assert Path(f"/proc/{postgres.program.pid}").stat().st_uid != 0
    finally:
        postgres.stop()
        ownership.close()
        if privileges.other_user is not None:
            shutil.rmtree(privileges.folder(folder.absolute()))


def test_long_folder_names_are_no_obstacle() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "a-folder-with-a-long-name" * 5)
        with Servers(folder, {}) as servers:
            assert servers.postgres is not None
            assert len(str(servers.postgres.socket_path)) < 108
            assert answer(servers.urls["DATABASE_URL"]) == 1


def test_a_taken_port_is_told_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.local", "up", "--port", "99999"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: port 99999 of 127.0.0.1 cannot be used")
    assert len(done.stderr.splitlines()) == 1
