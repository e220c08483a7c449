"""`manage.py check_health`: what is wrong is told in one line each, and the exit code is the number of the worst."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from time import monotonic

import pytest
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from orchestrator.local.django_programs import ROOT, in_project
from orchestrator.local.programs import Program
from recovery import health as recovery_health
from recovery.models import ScanRun
from recovery.scans import SCANS, run_scan
from tasks.models import ActorStatus, Task, WorkerProcess
from tasks.presence import Node, Presence
from tests.by_hand import wait_until
from tests.conftest import Launch
from tests.flows.actors import add
from tests.held_up import somebody_else
from tests.messages import queue_name
from tests.recovery_rows import task

pytestmark = pytest.mark.usefixtures("rows")
ADD = str(add.actor_name)
HOST = socket.gethostname()


def health(*checks: str) -> tuple[int, list[str]]:
    """The exit code and the lines of `check_health`, run in this process."""
    out, err = StringIO(), StringIO()
    try:
        call_command("check_health", *checks, stdout=out, stderr=err)
    except SystemExit as ended:
        return int(ended.code or 0), err.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def health_of(environ: dict[str, str], *checks: str) -> tuple[int, list[str]]:
    """The exit code and the lines of `manage.py check_health`, run as a program."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "check_health", *checks],
        env=in_project(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, (ran.stdout + ran.stderr).splitlines()


def seen(launch: Launch, **options: object) -> Program:
    """A real worker that has given a sign of life."""
    worker = launch(concurrency=1, **options)
    wait_until(lambda: WorkerProcess.objects.filter(node=node_of(worker)).exists())
    return worker


def node_of(worker: Program) -> str:
    return f"{worker.name}@{HOST}"


def unseen() -> None:
    """Let 15 seconds pass in which no worker gives a sign of life."""
    WorkerProcess.objects.update(seen_at=F("seen_at") - timedelta(seconds=15))


def waiting(age: timedelta = timedelta(seconds=31)) -> Task:
    """A task that has been ENQUEUED for so long; whoever heard the bell of an earlier test has not polled for it."""
    ActorStatus.objects.filter(name=ADD).delete()
    return task(actor=ADD, enqueued_at=timezone.now() - age)


def scans_ran() -> None:
    for name in SCANS:
        run_scan(name)


def test_all_is_well_where_a_real_worker_answers_and_scans_run_and_nothing_waits(launch: Launch) -> None:
    seen(launch)
    scans_ran()
    waiting(timedelta(seconds=1))
    assert health() == (0, ["healthy: database, broker, workers, actors, beat"])
    assert health("--here", "workers") == (0, ["healthy: workers"])


def test_a_worker_whose_parent_stands_still_is_deaf_although_its_child_gives_signs_of_life(launch: Launch) -> None:
    other = seen(launch)
    stopped = seen(launch)
    stopped.send(signal.SIGSTOP)
    try:
        assert health("workers") == (
            13,
            [f"13 worker_deaf: {node_of(stopped)} gives signs of life and does not answer"],
        )
    finally:
        stopped.send(signal.SIGCONT)
    wait_until(lambda: health("workers") == (0, ["healthy: workers"]))
    assert other.is_running()


def test_a_worker_that_answers_but_takes_no_messages_is_deaf_once_work_has_waited_for_a_while(launch: Launch) -> None:
    """It no longer consumes from the queue that its row names, as after a lost connection that nobody noticed."""
    worker = seen(launch)
    current_app.control.cancel_consumer(queue_name("actors"), destination=[node_of(worker)], reply=True)
    waiting()
    run_scan("lost_wakeups")
    assert health("workers", "actors")[0] == 0
    WorkerProcess.objects.update(started_at=F("started_at") - timedelta(seconds=31))

    assert health("workers", "actors") == (
        13,
        [f"13 worker_deaf: {node_of(worker)} hears no bell, and what it serves waits"],
    )
    WorkerProcess.objects.update(held=1)
    assert health("workers")[0] == 0


def test_a_killed_worker_is_missed_and_so_is_the_actor_that_only_it_served(launch: Launch) -> None:
    seen(launch).kill()
    unseen()
    [row] = WorkerProcess.objects.all()
    waiting()
    assert health("actors", "workers") == (
        12,
        [
            "12 no_worker: no worker gives signs of life",
            f"14 actor_without_worker: {ADD} has work, and no live worker serves it"
            f" (the last one was seen at {row.seen_at:%Y-%m-%d %H:%M:%S} UTC)",
        ],
    )


def test_a_worker_of_another_host_counts_but_not_here() -> None:
    """The one of the other host is solo and at work, so it is not expected to answer."""
    Presence("elsewhere:1", Node("celery@elsewhere", "solo", (queue_name("actors"),))).renew(1)
    assert health("workers") == (0, ["healthy: workers"])
    assert health("workers", "--here") == (12, ["12 no_worker: no worker of this host gives signs of life"])


def test_an_actor_has_no_worker_if_those_alive_have_another_queue_or_its_work_has_waited_too_long() -> None:
    Presence("elsewhere:1", Node("celery@elsewhere", "solo", (queue_name("registration"),))).renew(1)
    row = waiting(timedelta(seconds=29))
    assert health("actors")[0] == 0
    Task.objects.filter(id=row.id).update(enqueued_at=F("enqueued_at") - timedelta(seconds=2))
    lacking = f"14 actor_without_worker: {ADD} has work, and no live worker serves it (none was seen for a day)"
    assert health("actors") == (14, [lacking])
    Presence("elsewhere:2", Node("celery@elsewhere", "solo", (queue_name("actors"),))).renew(1)
    assert health("actors") == (0, ["healthy: actors"])


def test_an_actor_that_is_blocked_needs_no_worker() -> None:
    waiting()
    assert health("actors")[0] == 14
    ActorStatus.objects.create(name=ADD, blocked_at=Now(), clock_stopped_at=Now())
    assert health("actors")[0] == 0


def test_beat_is_late_where_a_scan_has_not_run_for_three_periods() -> None:
    code, [line] = health("beat")
    assert code == 15
    assert all(f"{name} (never ran)" in line for name in SCANS)
    scans_ran()
    assert health("beat") == (0, ["healthy: beat"])
    ScanRun.objects.filter(name="task_heartbeat").update(ran_at=Now() - timedelta(seconds=16))
    assert health("beat") == (
        15,
        ["15 beat_late: late recovery scans: task_heartbeat (ran 16 s ago). Is celery beat running?"],
    )


def at(port: int) -> tuple[dict[str, str], dict[str, str]]:
    """Settings that look for the database, and for the broker, at a port of this machine."""
    scheme = settings.CELERY_BROKER_URL.partition("://")[0]
    return (
        {"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{port}/nothing"},
        {"CELERY_BROKER_URL": f"{scheme}://127.0.0.1:{port}"},
    )


def test_what_refuses_connections_is_told_and_what_needs_it_is_left_out(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        database, broker = at(server.getsockname()[1])

    code, lines = health_of(environ | database | broker)
    assert (code, [line.split(":")[0] for line in lines]) == (10, ["10 database_unreachable", "11 broker_unreachable"])
    code, lines = health_of(environ | broker, "workers", "beat")
    assert (code, [line.split(":")[0] for line in lines]) == (11, ["11 broker_unreachable", "15 beat_late"])


def test_a_database_that_takes_connections_and_never_answers_is_told_soon(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        database, _ = at(server.getsockname()[1])
        began = monotonic()
        code, [line] = health_of(environ | database, "beat")
    assert (code, line.split(":")[0]) == (10, "10 database_unreachable")
    assert monotonic() - began < 20


def test_a_check_whose_statement_waits_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_health, "ANSWER_SECONDS", 1.0)
    with somebody_else() as other:
        other.execute("LOCK TABLE recovery_scanrun IN ACCESS EXCLUSIVE MODE")
        answered = health("beat")
        other.rollback()
    assert answered == (10, ["10 database_unreachable: no answer within 1 s"])


def test_a_check_that_is_misspelt_is_refused_and_nothing_is_looked_at() -> None:
    assert health("beet") == (2, ["no such check: beet; there are database, broker, workers, actors, beat"])
