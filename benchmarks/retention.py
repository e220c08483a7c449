"""What retention costs those who start and claim, beside a million old processes.

    make bench-retention

A PostgreSQL of this run's own, as it is shipped (fsync and autovacuum on), is filled with a million processes that
ended long ago, each of two tasks, one of which waited for the other. Then one client starts, claims and releases for
`SECONDS` at a time, in turns, `ROUNDS` times: alone, beside retention as beat has it run, beside `manage.py retain`.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import rmtree
from statistics import median, quantiles
from typing import Any

import psycopg

from orchestrator.local.django_programs import ROOT, in_project
from orchestrator.local.servers import Servers

OLD = int(os.environ.get("OLD_PROCESSES", "1000000"))
ROUNDS = 3
SECONDS = 10
MODES: dict[str, list[str] | None] = {"alone": None, "scan": [], "retain": ["--without-pause"]}

FILL = (
    """
    INSERT INTO processes_process (
        id, custom_id, actor, kind, arguments, options, attributes, state, created_at, registered_at, ended_at, result
    )
    SELECT
        ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, CASE WHEN n %% 2 = 0 THEN 'old-' || n END,
        'old.root' || n %% 5 || '#1.0', 'decider', '{"number":1}', '{}', '{}', 'COMPLETED', moment, moment, moment, '1'
    FROM generate_series(1, %(old)s) AS n
    CROSS JOIN LATERAL (SELECT now() - interval '90 days' + n * interval '1 second') AS at (moment)
    """,
    """
    INSERT INTO tasks_task (
        id, process_id, actor, kind, arguments, state, created_at, enqueued_at, attempt, released_attempt, polled_at,
        poll_to_end, heartbeat, worker, result, ended_at
    )
    SELECT
        CASE WHEN part = 0 THEN process.id ELSE gen_random_uuid() END, process.id, 'old.part#1.0', 'worker',
        '{"number":1}', 'COMPLETED', ended_at, ended_at, 1, 1, ended_at, '5 minutes', '30 seconds', 'w:1', '1', ended_at
    FROM processes_process AS process, generate_series(0, 1) AS part
    """,
    """
    INSERT INTO tasks_dependency (process_id, waiter_id, awaited_id, delivers_value)
    SELECT process_id, process_id, id, TRUE FROM tasks_task WHERE id <> process_id
    """,
    """
    INSERT INTO recovery_retentionrule (actor, state, age) VALUES ('', 'COMPLETED', '30 days')
    """,
)


def main() -> None:
    """Fill, measure in turns, print one line for each way."""
    folder = Path(tempfile.mkdtemp(prefix="o-"))
    with Servers(folder, {}) as servers:
        assert servers.postgres is not None
        environ = in_project(
            {
                **{name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")},
                **servers.urls,
                "SECRET_KEY": secrets.token_hex(32),
                "ORCHESTRATOR_APPS": "benchmarks",
                "ORCHESTRATOR_LOG_LEVEL": "WARNING",
            }
        )
        _wait(_manage(environ, "migrate", "-v0"))
        _fill(servers.postgres.url)
        calls: dict[str, dict[str, list[float]]] = {mode: {} for mode in MODES}
        held: dict[str, list[float]] = {mode: [] for mode in MODES}
        deleted = dict.fromkeys(MODES, 0)
        for _ in range(ROUNDS):
            for mode, options in MODES.items():
                beside = None if options is None else _manage(environ, "retain_for", str(SECONDS), *options)
                client = _manage(environ, "start_and_claim", str(SECONDS))
                for name, times in json.loads(_wait(client)).items():
                    calls[mode].setdefault(name, []).extend(times)
                if beside is not None:
                    told: dict[str, Any] = json.loads(_wait(beside))
                    held[mode] += told["held"]
                    deleted[mode] += told["deleted"]
        for mode in MODES:
            _tell(mode, calls[mode], held[mode], deleted[mode])
    rmtree(folder, ignore_errors=True)


def _fill(url: str) -> None:
    """The rows fit together by their making, so foreign keys are not looked up millions of times."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        for statement in FILL:
            connection.execute(statement.encode(), {"old": OLD} if "%(old)s" in statement else None)
        connection.execute("VACUUM (ANALYZE) processes_process, tasks_task, tasks_dependency")


def _tell(mode: str, calls: dict[str, list[float]], held: list[float], deleted: int) -> None:
    told = "  ".join(f"{name} {median(times):.2f} ms (99 %: {_late(times):.1f})" for name, times in calls.items())
    print(f"{mode:<7} {len(calls['start']) / ROUNDS / SECONDS:6.0f} processes/s  {told}")
    if held:
        rate = deleted / ROUNDS / SECONDS
        print(
            f"        {rate:6.0f} deleted/s, {len(held)} transactions, locks held: median {median(held):.0f} ms, "
            f"99 %: {_late(held):.0f}, longest {max(held):.0f}",
            flush=True,
        )


def _late(times: list[float]) -> float:
    return quantiles(times, n=100)[98]


def _manage(environ: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments], env=environ, stdout=subprocess.PIPE, text=True
    )


def _wait(program: subprocess.Popen[str]) -> str:
    said, _ = program.communicate()
    if program.returncode:
        raise SystemExit(f"manage.py ended with {program.returncode}")
    return said


if __name__ == "__main__":
    main()
