"""The launcher of embedded servers: what it starts works, is shared, and never outlives its owners."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import psutil
import psycopg
import pytest

from orchestrator.local.django_programs import ROOT
from orchestrator.local.postgres import Postgres
from orchestrator.local.privileges import Privileges, all_outside, private_folder
from orchestrator.local.programs import LaunchError, Ownership, Program, guarded, guarded_names, is_guarded
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
    wait_until(lambda: not guarded_names(folder))


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    until = monotonic() + seconds
    while not holds():
        assert monotonic() < until
        sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


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


def test_launchers_that_start_at_once_share_what_one_of_them_makes(folder: Path) -> None:
    script = "import sys\nfrom pathlib import Path\nfrom orchestrator.local.servers import Servers\n"
    script += "with Servers(Path(sys.argv[1]), {}) as servers:\n    print(servers.postgres.program.pid, flush=True)\n"
    script += "    sys.stdin.read()\n"
    launchers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    pids = {launcher.stdout.readline() for launcher in launchers if launcher.stdout}
    assert pids == {f"{guarded(folder, 'postgres')['program']}\n"}
    assert [(launcher.communicate(), launcher.returncode)[1] for launcher in launchers] == [0] * 4
    assert guarded_names(folder) == []


def test_frozen_servers_stop_after_the_launching_program_was_killed(folder: Path, owner: subprocess.Popen[str]) -> None:
    with Servers(folder, {}) as servers:
        assert servers.postgres is not None
        assert servers.broker is not None
        servers.postgres.freeze()
        servers.broker.freeze()
        pids = [server.program.pid for server in (servers.postgres, servers.broker)]
        frozen = [*pids, *(child.pid for pid in pids for child in psutil.Process(pid).children())]
        assert len(frozen) > 4
        os.killpg(owner.pid, signal.SIGKILL)
    wait_until_nothing_is_guarded(folder)
    wait_until(lambda: not any(map(is_alive, frozen)))


def test_a_program_ends_although_its_guardian_was_killed(folder: Path) -> None:
    ownership = Ownership(folder)
    program = Program("sleeper", ownership, ["sleep", "600"])
    program.start()
    pid = program.pid
    os.kill(guarded(folder, "sleeper")["guardian"], signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    program.stop()
    with pytest.raises(LaunchError, match="sleeper does not run"):
        program.kill()
    ownership.close()


def test_data_that_was_not_made_to_its_end_is_made_anew(folder: Path) -> None:
    ownership = Ownership(folder)
    unfinished = folder / "postgres-18.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    postgres = Postgres(folder, ownership)
    postgres.start()
    assert answer(postgres.url) == 1
    assert not unfinished.exists()
    postgres.stop()
    ownership.close()


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
        for elsewhere in all_outside(folder):
            shutil.rmtree(elsewhere)


def test_long_folder_names_are_no_obstacle() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "a-folder-with-a-long-name" * 5)
        with Servers(folder, {}) as servers:
            assert servers.postgres is not None
            assert servers.broker is not None
            for path in (servers.postgres.socket_path, servers.broker.socket_path):
                assert len(str(path)) < 104
                assert path.parent.stat().st_mode & 0o777 == 0o700
            assert answer(servers.urls["DATABASE_URL"]) == 1
        for elsewhere in all_outside(folder):
            shutil.rmtree(elsewhere)


def test_a_folder_that_somebody_else_put_there_is_not_taken_for_ours(folder: Path) -> None:
    (folder / "target").mkdir(mode=0o755)
    (folder / "link").symlink_to(folder / "target")
    with pytest.raises(LaunchError, match="is not ours"):
        private_folder(folder / "link", os.geteuid(), os.getegid())
    assert (folder / "target").stat().st_mode & 0o777 == 0o755
