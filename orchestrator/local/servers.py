"""The servers that a run needs: those that the environment names, or embedded ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

import kombu
import psycopg

from orchestrator.local.broker import Broker
from orchestrator.local.postgres import Postgres
from orchestrator.local.programs import TICK_SECONDS, LaunchError, Ownership, guarded_names

STOP_SECONDS = 60.0


class Servers:
    """PostgreSQL and a broker below `folder`, as a context manager. Leaving it stops what nobody else owns.

    Where `environ` has DATABASE_URL or CELERY_BROKER_URL, that server is used, and nothing embedded starts for it.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.ownership = Ownership(folder)
        self.postgres = None if environ.get("DATABASE_URL") else Postgres(folder, self.ownership)
        self.broker = None if environ.get("CELERY_BROKER_URL") else Broker(folder, self.ownership)
        self._environ = environ

    @property
    def urls(self) -> dict[str, str]:
        """The two environment variables that name the servers."""
        return {
            "DATABASE_URL": self.postgres.url if self.postgres else self._environ["DATABASE_URL"],
            "CELERY_BROKER_URL": self.broker.url if self.broker else self._environ["CELERY_BROKER_URL"],
        }

    def __enter__(self) -> Self:
        try:
            if self.postgres is not None:
                self.postgres.start()
            else:
                check_database(self.urls["DATABASE_URL"])
            if self.broker is not None:
                self.broker.start()
            else:
                check_broker(self.urls["CELERY_BROKER_URL"])
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self.ownership.close()
        until = monotonic() + STOP_SECONDS
        while (names := guarded_names(self.folder)) and not self.ownership.is_shared():
            if monotonic() > until:
                raise LaunchError(f"{', '.join(names)} in {self.folder} does not end")
            sleep(TICK_SECONDS)
        for server in (self.postgres, self.broker):
            if server is not None and not server.program.is_running():
                server.program.wait()


def check_database(url: str) -> None:
    """Raise LaunchError, in one line, where DATABASE_URL leads nowhere."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except (psycopg.Error, ValueError) as error:
        raise LaunchError(f"DATABASE_URL leads to no database: {' '.join(str(error).split())}") from error


def check_broker(url: str) -> None:
    """Raise LaunchError, in one line, where CELERY_BROKER_URL leads nowhere."""
    try:
        with kombu.Connection(url, connect_timeout=3, transport_options={"socket_connect_timeout": 3}) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
    # Every transport has errors of its own, and a URL can be wrong in many ways: all mean the same here.
    except Exception as error:
        raise LaunchError(f"CELERY_BROKER_URL leads to no broker: {' '.join(str(error).split())}") from error
