"""What a thousand clients cost that wait for work at one server process, and how soon they hear of it.

    make bench-pollers

The web server runs as `make up` runs it; the view is that of the tests, which claims a task of a real row. The clients
are in a process of their own. Printed are threads, memory and CPU of the server while nothing happens, connections and
transactions (each is one query) at the database, then the milliseconds from the end of the registration that enqueues
a task to the client that gets it (below zero where the client is quicker than the return of that call).
`manage.py measure_pollers` calls this.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import uniform
from statistics import median, quantiles
from time import monotonic, sleep

import psutil
from django.db import connection

from benchmarks.actors import nap
from orchestrator.local.django_programs import ROOT, in_project
from tasks.actors import start_process
from tasks.registration import register_all_waiting
from tests.served.serving import Site, serving

POLLERS = 1000
IDLE_SECONDS = 20
TASKS = 100
SETTLED_SECONDS = 10


def main() -> bool:
    """Measure, print, and tell whether all figures are within their bars."""
    with serving(ROOT / ".local" / "bench", os.environ) as site:
        warm_up(site)
        memory = megabytes(site)
        with clients(site) as told:
            sleep(SETTLED_SECONDS)
            figures = {
                "threads": (site.process.num_threads(), 5.0),
                "megabytes more": (megabytes(site) - memory, 25.0),
                **idle(site),
                "ms to a client, median": (latency(told), 60.0),
            }
    for name, (figure, bar) in figures.items():
        print(f"{name:30} {figure:8.1f}  bar {bar:g}")
    return all(figure <= bar for figure, bar in figures.values())


def warm_up(site: Site) -> None:
    """Have every thread answer, so that what they need once is there."""
    for _ in range(50):
        site.poll("benchmarks.nap#1.0", seconds=0.05)


def megabytes(site: Site) -> float:
    """The memory of the server."""
    return float(site.process.memory_info().rss) / 2**20


@contextmanager
def clients(site: Site) -> Iterator[subprocess.Popen[str]]:
    """The clients, all of them waiting; a line of output for each task that one of them got."""
    first, _ = site.counts()
    command = [sys.executable, "-m", "benchmarks.polling_clients", str(site.port), str(POLLERS)]
    process = subprocess.Popen(command, cwd=ROOT, env=in_project(os.environ), stdout=subprocess.PIPE, text=True)
    try:
        while site.counts()[0] - first < POLLERS:
            sleep(0.2)
        yield process
    finally:
        process.kill()
        process.communicate()


def idle(site: Site) -> dict[str, tuple[float, float]]:
    """CPU and database while everybody waits and nothing comes."""
    transactions, cpu, began = committed(), cpu_seconds(site.process), monotonic()
    sleep(IDLE_SECONDS)
    seconds = monotonic() - began
    return {
        "% of a core": (100 * (cpu_seconds(site.process) - cpu) / seconds, 5.0),
        "connections": (float(backends()), 4.0),
        "queries a second": ((committed() - transactions) / seconds, 30.0),
    }


def cpu_seconds(process: psutil.Process) -> float:
    """What a process has used up, in itself and in the system."""
    times = process.cpu_times()
    return float(times.user + times.system)


def latency(told: subprocess.Popen[str]) -> float:
    """Enqueue tasks one by one, print how long they took to a client, and return the median. Milliseconds."""
    assert told.stdout is not None
    took = []
    for _ in range(TASKS):
        sleep(uniform(0.1, 0.2))
        answer = start_process(nap, 0.0)
        register_all_waiting()
        enqueued = monotonic()
        moment, task = told.stdout.readline().split()
        assert answer.process is not None
        assert task == str(answer.process.id)
        took.append((float(moment) - enqueued) * 1000)
    cuts = quantiles(took, n=20)
    print(f"ms to a client: least {min(took):.1f}, 95 % {cuts[-1]:.1f}, most {max(took):.1f}")
    return median(took)


def committed() -> int:
    """How many transactions the database has committed."""
    # Its statistics are a second late.
    sleep(1.5)
    return count("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")


def backends() -> int:
    """How many connections the database has, beside the one that asks."""
    return count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")


def count(query: str) -> int:
    """The number that a query returns."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])
