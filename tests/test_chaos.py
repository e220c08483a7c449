"""Two real workers under load, while everything that can die dies again and again: nothing is lost or done twice.

Every ten times each, and only while at least 50 tasks are leased and 300 processes half done: kill -9 of a worker,
FLUSHALL, a broker killed and started empty, a restart of PostgreSQL. Real servers of the test's own, real workers
(prefork, two children each), a real beat.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from orchestrator.local.django_programs import ROOT, beat, in_project, start_worker, worker
from orchestrator.local.programs import Program
from orchestrator.local.servers import Servers
from tests.storm.observing import GOING, WRONG_COUNTERS, Hit, Load, Observer, names_of_children

pytestmark = pytest.mark.timeout(900)

TIMES = 10
POLLED = 50
HALF_DONE = 300
LIVE = 500
WIDTH, STEPS = 5, 4
TASKS = 2 + WIDTH * (1 + STEPS)
LOAD_SECONDS = 120
"""So long the load may take to come back: faults overlap, and each may cost a heartbeat, a scan and a restart."""
PROGRESS_BYTES = 4_000
"""Between two faults the workers must have got on by about fifty tasks."""


class Storm:
    """Servers, workers, beat and feeder of one storm."""

    def __init__(self, servers: Servers) -> None:
        assert servers.postgres is not None
        assert servers.broker is not None
        self.postgres, self.broker = servers.postgres, servers.broker
        self.observer = Observer(servers.postgres.url, servers.folder / "log")
        self.environ = in_project(
            {
                **{name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")},
                **servers.urls,
                "SECRET_KEY": secrets.token_hex(32),
                "STORM_LOG": str(servers.folder / "log"),
                "ORCHESTRATOR_APPS": "tests.storm",
                "ORCHESTRATOR_HEARTBEAT_SECONDS": "2",
                "ORCHESTRATOR_WAKEUP_LOST_SECONDS": "2",
                "ORCHESTRATOR_REGISTRATION_STUCK_SECONDS": "2",
                "ORCHESTRATOR_LOG_LEVEL": "WARNING",
            }
        )
        self.workers: list[Program] = [
            worker(servers.ownership, self.environ, name=name, concurrency=2, restart=True) for name in ("one", "two")
        ]
        self.beat = beat(servers.ownership, self.environ, restart=True)
        self.feeder: subprocess.Popen[str] | None = None
        self.started = 0

    def begin(self) -> None:
        """Migrate, then start everything."""
        subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "migrate", "-v0"], env=self.environ, check=True, timeout=60
        )
        self.beat.start()
        for each in self.workers:
            start_worker(each)
        self.feeder = subprocess.Popen(
            [sys.executable, "-m", "tests.storm.feeding", str(LIVE)],
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def strike(self, fault: str, act: Callable[[], None]) -> None:
        """Wait until there is load on both workers, record it, and strike."""
        load = self.wait_for_load(LOAD_SECONDS)
        act()
        self.observer.hits.append(Hit(fault, load))

    def wait_for_load(self, seconds: float) -> Load:
        """Wait until the work has gone on, both workers take part in it again, and enough of it is half done."""
        until = monotonic() + seconds
        grown_to = self.observer.progress() + PROGRESS_BYTES
        at_work: set[str] = set()
        while monotonic() < until:
            load = self.observer.load()
            at_work |= {worker for _, worker in load.leases}
            takes_part = all(any(name in at_work for name in names_of_children(each)) for each in self.workers)
            if (
                takes_part
                and self.observer.progress() >= grown_to
                and len(load.leases) >= POLLED
                and load.half_done >= HALF_DONE
            ):
                return load
            sleep(0.01)
        raise AssertionError(f"the load does not come back: {at_work} {load}")

    def rage(self) -> None:
        """All faults, in turns."""
        for turn in range(TIMES):
            self.strike("worker killed", self.workers[turn % 2].kill)
            self.strike("broker flushed", self.broker.flush)
            self.strike("broker restarted empty", self.broker.restart)
            self.strike("PostgreSQL restarted", self.postgres.restart)
            assert self.observer.ask(WRONG_COUNTERS) == []

    def calm_down(self) -> None:
        """Start nothing more and wait until everything has ended, without anybody's help."""
        assert self.feeder is not None
        said, _ = self.feeder.communicate("", timeout=60)
        self.started = int(said)
        until = monotonic() + 120
        while self.observer.number(GOING) and monotonic() < until:
            sleep(0.1)

    def end(self) -> None:
        """Stop what runs."""
        if self.feeder is not None and self.feeder.poll() is None:
            self.feeder.kill()
            self.feeder.communicate()
        self.observer.close()
        for program in (self.beat, *self.workers):
            program.stop()


@pytest.fixture(scope="module")
def aftermath() -> Iterator[Storm]:
    """What a storm leaves behind."""
    folder = Path(tempfile.mkdtemp(prefix="o-"))
    with Servers(folder, {}) as servers:
        storm = Storm(servers)
        try:
            storm.begin()
            storm.rage()
            storm.calm_down()
            yield storm
        finally:
            storm.end()
    shutil.rmtree(folder, ignore_errors=True)


def test_every_fault_struck_ten_times_in_the_middle_of_the_work(
    aftermath: Storm, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record of the load at each strike."""
    with capsys.disabled():
        print(f"\n{aftermath.started} processes\n{aftermath.observer.record()}")
    struck: dict[str, list[Hit]] = defaultdict(list)
    for hit in aftermath.observer.hits:
        assert hit.polled >= POLLED
        assert hit.load.half_done >= HALF_DONE
        struck[hit.fault].append(hit)
    assert {fault: len(hits) for fault, hits in struck.items()} == {
        "worker killed": TIMES,
        "broker flushed": TIMES,
        "broker restarted empty": TIMES,
        "PostgreSQL restarted": TIMES,
    }


def test_every_process_that_was_started_is_there_once_and_has_completed_with_its_value(aftermath: Storm) -> None:
    """No start was lost or doubled; every process ended by itself, with the value that its calls give."""
    assert aftermath.started >= LIVE
    rows = aftermath.observer.ask("SELECT custom_id, state, result FROM processes_process")
    expected = {
        (f"storm-{n}", "COMPLETED", json.dumps([n, WIDTH], separators=(",", ":"))) for n in range(aftermath.started)
    }
    assert set(rows) == expected
    assert len(rows) == aftermath.started


def test_every_decision_was_applied_once_and_every_task_has_completed(aftermath: Storm) -> None:
    """Each process has exactly the tasks of its calls: a decision applied twice would have made more."""
    counts = aftermath.observer.ask(
        "SELECT tasks, state, count(*) FROM (SELECT process_id, count(*) AS tasks, state FROM tasks_task "
        "GROUP BY process_id, state) AS each GROUP BY tasks, state"
    )
    assert counts == [(TASKS, "COMPLETED", aftermath.started)]
    [(pairs, distinct)] = aftermath.observer.ask(
        "SELECT count(*), count(DISTINCT (waiter_id, awaited_id)) FROM tasks_dependency"
    )
    assert pairs == distinct == aftermath.started * WIDTH * STEPS


def test_counters_of_open_tasks_equal_what_they_count(aftermath: Storm) -> None:
    """At the end, as after each round of the storm."""
    assert aftermath.observer.ask(WRONG_COUNTERS) == []


def test_transactional_effects_exist_exactly_once_although_workers_ran_more_often(aftermath: Storm) -> None:
    """One row for each completed booking, with the value that the booking has; none for any other attempt."""
    observer = aftermath.observer
    effects = observer.ask("SELECT task_id::text, nonce FROM storm_effect")
    booked = observer.ask(
        "SELECT id::text, result::json #>> '{}' FROM tasks_task WHERE actor = 'storm.book#1.0' AND state = 'COMPLETED'"
    )
    assert len(booked) == aftermath.started
    assert sorted(effects) == sorted(booked)
    bookings = {task for task, _ in booked}
    runs = sum(execution.task in bookings for execution in observer.executions())
    assert runs > len(booked), "no booking was ever interrupted: the storm proved nothing"


def test_no_task_has_two_outcomes(aftermath: Storm) -> None:
    """Of all values that the runs of a task drew, one was accepted, and everybody who waited was handed that one."""
    observer = aftermath.observer
    accepted = {
        task: (attempt, value)
        for task, attempt, value in observer.ask(
            "SELECT id::text, released_attempt, result::json #>> '{}' FROM tasks_task "
            "WHERE actor IN ('storm.step#1.0', 'storm.book#1.0')"
        )
    }
    drawn: dict[object, set[tuple[object, object]]] = defaultdict(set)
    handed: dict[object, set[str]] = defaultdict(set)
    for execution in observer.executions():
        drawn[execution.task].add((execution.attempt, execution.nonce))
        handed[execution.task].add(execution.handed)
    assert len(accepted) == aftermath.started * WIDTH * STEPS
    assert {task: pair for task, pair in accepted.items() if pair not in drawn[task]} == {}
    values = {value for _, value in accepted.values()}
    assert len(values) == len(accepted)
    given_once = {task: each for task, each in handed.items() if task in accepted and len(each) != 1}
    assert given_once == {}
    known = values | {f"{n}.{place}" for n in range(aftermath.started) for place in range(WIDTH)}
    assert {each for many in handed.values() for each in many} - known == set()
