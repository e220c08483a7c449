"""The Celery application: exactly these tasks and queues, run as every Celery user knows it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from celery import current_app
from celery.exceptions import QueueNotFound
from django.conf import settings
from kombu import Queue

from orchestrator.local.django_programs import in_project, start_worker
from orchestrator.local.programs import Ownership, Program
from orchestrator.local.running import migrate_database
from orchestrator.local.servers import Servers
from tasks import bell
from tests.messages import queue_name, take_messages

WORKER = [sys.executable, "-m", "celery", "-A", "orchestrator", "worker", "--concurrency", "1", "--loglevel", "INFO"]
SUCCEEDED = re.compile(r"Task tasks\.register_processes\[\S+\] succeeded")

Plain = Callable[[dict[str, str]], Program]


@pytest.fixture
def plain_worker(folder: Path) -> Iterator[Plain]:
    """Starts workers as a user does, without options of ours."""
    ownership = Ownership(folder / "plain")
    programs: list[Program] = []

    def start(environ: dict[str, str]) -> Program:
        programs.append(Program(f"plain-{len(programs)}", ownership, WORKER, environ=in_project(environ)))
        start_worker(programs[-1])
        return programs[-1]

    yield start
    for program in programs:
        program.stop()
    ownership.close()


def wait_until(holds: Callable[[], bool], told: Callable[[], str], seconds: float = 30) -> None:
    until = monotonic() + seconds
    while not holds():
        assert monotonic() < until, told()
        sleep(0.05)


@pytest.mark.skipif(settings.BROKER_IS_AMQP, reason="RabbitMQ itself puts back what is not acknowledged")
def test_a_connection_that_breaks_with_a_message_under_way_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bell.ring_for_help("flows.echo#1.0")
    assert bell.flush(5)
    with current_app.connection_for_read() as broken:
        channel: Any = broken.default_channel
        transport = channel.connection
        assert channel.basic_get(queue_name("actors")) is not None
        transport.client = None
        channel.pool.disconnect()
        channel.close()
        transport.client = broken
    assert "messages under way could not be put back" in caplog.messages


def test_exactly_the_tasks_of_the_engine_are_registered() -> None:
    current_app.loader.import_default_modules()
    assert {name for name in current_app.tasks if not name.startswith("celery.")} == {
        "tasks.register_processes",
        "tasks.drain",
        "recovery.stuck_registrations",
        "recovery.process_start_to_end",
        "recovery.task_enqueue_to_end",
        "recovery.task_poll_to_end",
        "recovery.task_heartbeat",
        "recovery.due",
        "recovery.lost_wakeups",
        "recovery.retention",
    }


def test_every_queue_is_direct_and_a_misspelt_one_is_refused() -> None:
    queues = current_app.amqp.queues
    assert set(queues) == {queue_name(each) for each in ("registration", "recovery", "actors")}
    assert {queue.exchange.type for queue in queues.values()} == {"direct"}
    with pytest.raises(QueueNotFound):
        current_app.send_task("tasks.drain", args=["some"], queue=queue_name("actorz"))


def test_a_message_is_acknowledged_early_and_leaves_no_result() -> None:
    assert current_app.conf.task_acks_late is False
    assert current_app.conf.task_ignore_result is True
    assert all(task.acks_late is False for task in current_app.tasks.values())


def test_a_plain_worker_serves_all_queues_of_all_task_lists(
    django_db_setup: None, environ: dict[str, str], plain_worker: Plain
) -> None:
    worker = plain_worker({**environ, "ORCHESTRATOR_TASK_LISTS": "eu,us-east.1"})
    log = worker.log_path.read_text()
    served = re.findall(r"\.> (\S+) +exchange=\S+\(direct\)", log)
    names = ("registration", "recovery", "actors", "actors.eu", "actors.us-east.1")
    assert sorted(served) == sorted(map(queue_name, names))
    assert "Traceback" not in log
    worker.stop()
    with current_app.connection_for_write() as broker:
        for name in ("actors.eu", "actors.us-east.1"):
            Queue(queue_name(name))(broker.default_channel).delete()


def test_a_worker_keeps_its_connection_and_gets_over_a_restart_of_the_database(
    servers: Servers, environ: dict[str, str], plain_worker: Plain
) -> None:
    assert servers.postgres is not None
    private = in_project({**environ, "DATABASE_URL": servers.urls["DATABASE_URL"]})
    migrate_database(private)
    take_messages("registration")
    worker = plain_worker(private)

    def connections_after_five_tasks(done: int) -> set[int]:
        for _ in range(5):
            current_app.send_task("tasks.register_processes", queue=queue_name("registration"))
        wait_until(lambda: len(SUCCEEDED.findall(worker.log_path.read_text())) == done, worker.log_path.read_text)
        with psycopg.connect(servers.urls["DATABASE_URL"]) as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            return {pid for (pid,) in connection.execute(query)}

    first = connections_after_five_tasks(5)
    assert first & connections_after_five_tasks(10)
    servers.postgres.restart()
    assert not first & connections_after_five_tasks(15)
    assert "raised unexpected" not in worker.log_path.read_text()


def test_a_database_that_is_away_is_told_of_in_one_line_and_ends_nothing(
    servers: Servers, environ: dict[str, str], plain_worker: Plain
) -> None:
    assert servers.postgres is not None
    private = in_project({**environ, "DATABASE_URL": servers.urls["DATABASE_URL"]})
    migrate_database(private)
    for name in ("registration", "recovery"):
        take_messages(name)
    worker = plain_worker(private)
    servers.postgres.program.stop(signal.SIGINT)
    current_app.send_task("tasks.register_processes", queue=queue_name("registration"))
    current_app.send_task("recovery.due", queue=queue_name("recovery"))
    told = re.compile(r"event=task_interrupted celery_task=(\S+)")
    wait_until(lambda: len(told.findall(worker.log_path.read_text())) == 2, worker.log_path.read_text)
    servers.postgres.start()
    current_app.send_task("tasks.register_processes", queue=queue_name("registration"))
    wait_until(lambda: len(SUCCEEDED.findall(worker.log_path.read_text())) == 2, worker.log_path.read_text)
    log = worker.log_path.read_text()
    assert set(told.findall(log)) == {"tasks.register_processes", "recovery.due"}
    assert "Traceback" not in log


def test_a_worker_does_not_remember_what_expired_but_what_was_revoked(
    django_db_setup: None, environ: dict[str, str], plain_worker: Plain
) -> None:
    for number in range(3):
        current_app.send_task(
            "tasks.drain",
            args=["nobody.serves#1.0"],
            queue=queue_name("actors"),
            task_id=f"expired-{number}",
            expires=datetime.now(UTC) - timedelta(seconds=1),
        )
    worker = plain_worker(environ)
    wait_until(lambda: worker.log_path.read_text().count("Discarding revoked task") == 3, worker.log_path.read_text)
    current_app.control.revoke("by hand", reply=True, timeout=10)
    told = current_app.control.inspect(timeout=10).revoked()
    assert list((told or {}).values()) == [["by hand"]]


def test_a_worker_with_a_wrong_setting_says_which(environ: dict[str, str]) -> None:
    wrong = in_project({**environ, "ORCHESTRATOR_HEARTBEAT_SECONDS": "soon"})
    done = subprocess.run(WORKER, env=wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "ORCHESTRATOR_HEARTBEAT_SECONDS='soon': must be a number of seconds from 0.001 to 31622400.0"
    )
