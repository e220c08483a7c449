"""How long work stands still after a fault, with the settings as they are shipped.

    make bench-faults

Two workers of two children each, beat beside them, servers of this run's own. Three faults, ROUNDS times each:

- one worker and its children are killed while all hold tasks: until every task that it held is claimed again;
- the broker loses everything, with the bells for tasks that nobody has begun: until the first of them is claimed;
- PostgreSQL is restarted while everybody works: until the next task has its outcome.

Seconds from the fault on, one line per fault: all rounds, and their median.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from statistics import median
from time import monotonic, sleep
from typing import Any

import psycopg

from orchestrator.local.django_programs import ROOT, beat, in_project, start_worker, worker
from orchestrator.local.programs import Program
from orchestrator.local.servers import Servers

ROUNDS = 5
LOOK_EVERY_SECONDS = 0.01
PATIENCE_SECONDS = 120.0


class Scene:
    """Servers, two workers and beat of one run."""

    def __init__(self, servers: Servers) -> None:
        assert servers.postgres is not None
        assert servers.broker is not None
        self.postgres, self.broker = servers.postgres, servers.broker
        self._environ = in_project(
            {
                **{name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")},
                **servers.urls,
                "SECRET_KEY": secrets.token_hex(32),
                "ORCHESTRATOR_APPS": "benchmarks",
                "ORCHESTRATOR_LOG_LEVEL": "WARNING",
            }
        )
        self.workers: list[Program] = [
            worker(servers.ownership, self._environ, name=name, concurrency=2, restart=True) for name in ("one", "two")
        ]
        self.beat = beat(servers.ownership, self._environ)

    def begin(self) -> None:
        """Migrate, then start everything."""
        self.manage("migrate", "-v0")
        self.beat.start()
        for each in self.workers:
            start_worker(each)

    def end(self) -> None:
        """Stop what runs."""
        for program in (self.beat, *self.workers):
            program.stop()

    def manage(self, *arguments: str) -> None:
        """Run `manage.py`."""
        subprocess.run([sys.executable, str(ROOT / "manage.py"), *arguments], env=self._environ, check=True, timeout=60)

    def nap(self, count: int, seconds: float) -> None:
        """Start processes of one task each, which takes so long."""
        self.manage("start_naps", str(count), str(seconds))

    def ask(self, question: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What the database answers; nothing while it cannot be reached."""
        try:
            with psycopg.connect(self.postgres.url, connect_timeout=2) as connection:
                return connection.execute(question.encode(), parameters).fetchall()
        except psycopg.OperationalError:
            return []

    def until(self, question: str, *parameters: object) -> float:
        """Wait until there is an answer; the seconds that it took. Raises TimeoutError."""
        began_at = monotonic()
        while not self.ask(question, *parameters):
            if monotonic() - began_at > PATIENCE_SECONDS:
                raise TimeoutError(question)
            sleep(LOOK_EVERY_SECONDS)
        return monotonic() - began_at

    def clear(self) -> None:
        """Remove what earlier rounds left."""
        with psycopg.connect(self.postgres.url) as connection:
            connection.execute("TRUNCATE processes_process, tasks_task, tasks_dependency, processes_event")

    def until_idle(self) -> None:
        """Wait until every process has ended."""
        self.until("SELECT 1 WHERE NOT EXISTS (SELECT FROM processes_process WHERE ended_at IS NULL)")


def worker_killed(scene: Scene, number: int) -> float:
    """Kill a worker with its children; the time until all that it held is claimed again."""
    scene.nap(8, 4.0)
    scene.until("SELECT 1 FROM tasks_task WHERE state = 'POLLED' HAVING count(*) = 4")
    victim = scene.workers[number % 2]
    children = Path(f"/proc/{victim.pid}/task/{victim.pid}/children").read_text().split()
    held = [
        task_id
        for task_id, name in scene.ask("SELECT id, worker FROM tasks_task WHERE state = 'POLLED'")
        if name.rpartition(":")[2] in children
    ]
    victim.kill()
    return scene.until(
        "SELECT 1 FROM tasks_task WHERE id = ANY(%s) AND attempt > 1 HAVING count(*) = %s", held, len(held)
    )


def broker_emptied(scene: Scene, number: int) -> float:
    """Lose all messages while they wait to be heard; the time until the first task is claimed."""
    for each in scene.workers:
        each.send_to_all(signal.SIGSTOP)
    scene.beat.send(signal.SIGSTOP)
    scene.nap(20, 0.01)
    scene.broker.flush()
    for each in (*scene.workers, scene.beat):
        each.send_to_all(signal.SIGCONT)
    return scene.until("SELECT 1 FROM tasks_task WHERE attempt > 0 LIMIT 1")


def postgres_restarted(scene: Scene, number: int) -> float:
    """Restart PostgreSQL in the middle of the work; the time until the next outcome is written."""
    scene.nap(400, 0.05)
    scene.until("SELECT 1 FROM tasks_task WHERE state = 'POLLED' LIMIT 1")
    began_at = monotonic()
    scene.postgres.restart()
    return (
        monotonic()
        - began_at
        + scene.until("SELECT 1 FROM tasks_task WHERE ended_at > pg_postmaster_start_time() LIMIT 1")
    )


def main() -> None:
    """Cause each fault in turns and print what it cost."""
    faults: dict[str, Callable[[Scene, int], float]] = {
        "worker killed": worker_killed,
        "broker emptied": broker_emptied,
        "PostgreSQL restarted": postgres_restarted,
    }
    folder = Path(tempfile.mkdtemp(prefix="o-"))
    with Servers(folder, {}) as servers:
        scene = Scene(servers)
        try:
            scene.begin()
            for fault, cause in faults.items():
                seconds = []
                for number in range(ROUNDS):
                    scene.until_idle()
                    scene.clear()
                    seconds.append(cause(scene, number))
                told = ", ".join(f"{each:.1f}" for each in seconds)
                print(f"{fault:<22} median {median(seconds):5.1f} s   rounds: {told}", flush=True)
        finally:
            scene.end()
    rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
