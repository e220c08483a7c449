"""Starts while the connection breaks during COMMIT, the database is down, the broker is down or frozen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from time import monotonic

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import override_settings

from orchestrator.local.django_programs import in_project
from orchestrator.local.servers import Servers
from processes.models import Process, ProcessState
from tasks.actors import Code, Reason, StartRequest, start_process, start_processes
from tasks.errors import OutcomeUnknown
from tests.by_hand import wait_until
from tests.conftest import Launch
from tests.flows.actors import echo
from tests.proxies import Proxy, upstream

pytestmark = pytest.mark.usefixtures("rows")


@pytest.fixture
def proxy(proxies: Callable[[str], Proxy]) -> Iterator[Proxy]:
    """The tests' own connection goes through this proxy."""
    made = proxies(upstream())
    database = connections["default"].settings_dict
    before = dict(database)
    connection.close()
    database |= {"HOST": "127.0.0.1", "PORT": str(made.port)}
    yield made
    connection.close()
    database |= before


def is_commit(data: bytes) -> bool:
    return b"COMMIT" in data


def once(rule: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    """A rule that strikes one time."""
    struck: list[bytes] = []

    def strike(data: bytes) -> bool:
        if struck or not rule(data):
            return False
        struck.append(data)
        return True

    return strike


@pytest.mark.parametrize("moment", ["cut_before", "cut_after"])
@pytest.mark.parametrize("custom_id", ["mine", None])
def test_a_connection_cut_during_commit_ends_with_one_process_and_code_0(
    proxy: Proxy, moment: str, custom_id: str | None
) -> None:
    connection.ensure_connection()
    setattr(proxy, moment, once(is_commit))
    answer = start_process(echo, 1, custom_id=custom_id)
    assert answer.code is Code.CREATED
    assert [process.id for process in Process.objects.all()] == [answer.process_id]


def test_a_batch_cut_during_commit_is_answered_as_it_is_in_the_database(proxy: Proxy) -> None:
    existing = start_process(echo, 0, custom_id="n-0")
    proxy.cut_after = once(is_commit)
    answers = start_processes(StartRequest(actor=echo, args=(n,), custom_id=f"n-{n}") for n in range(5))
    assert [int(answer.code) for answer in answers] == [1, 0, 0, 0, 0]
    assert answers[0].process_id == existing.process_id
    assert Process.objects.count() == 5


def test_the_outcome_is_unknown_only_where_the_database_stays_unreachable(proxy: Proxy) -> None:
    def cut_for_good(data: bytes) -> bool:
        proxy.refuse = proxy.refuse or is_commit(data)
        return is_commit(data)

    proxy.cut_after = cut_for_good
    connection.ensure_connection()
    with override_settings(ORCHESTRATOR_START_UNKNOWN_SECONDS=0.5), pytest.raises(OutcomeUnknown) as unknown:
        start_process(echo, 1, custom_id="unknown")
    proxy.refuse = False
    proxy.cut_after = lambda data: False
    [process] = Process.objects.all()
    assert unknown.value.process_ids == (process.id,)
    again = start_process(echo, 1, custom_id="unknown")
    assert (again.code, again.process_id) == (Code.EXISTS, process.id)


def test_the_management_command_says_that_the_outcome_is_unknown_and_no_code(proxy: Proxy) -> None:
    def cut_for_good(data: bytes) -> bool:
        proxy.refuse = proxy.refuse or is_commit(data)
        return is_commit(data)

    proxy.cut_after = cut_for_good
    connection.ensure_connection()
    with (
        override_settings(ORCHESTRATOR_START_UNKNOWN_SECONDS=0.5),
        pytest.raises(CommandError, match=r"^no code: .*same custom_id"),
    ):
        call_command("start_process", "flows.echo", "--arguments", '{"value": 1}', "--custom-id", "unknown")


def test_a_connection_that_broke_while_it_was_idle_is_replaced(proxy: Proxy) -> None:
    connection.ensure_connection()
    proxy.cut()
    assert start_process(echo, 1, custom_id="idle").code is Code.CREATED
    assert Process.objects.count() == 1


def test_with_the_database_down_nothing_is_created_and_the_answer_comes_soon(proxy: Proxy) -> None:
    proxy.refuse = True
    connection.close()
    began = monotonic()
    answer = start_process(echo, 1, custom_id="down")
    assert monotonic() - began < 10
    assert (answer.code, answer.reason) == (Code.NOT_CREATED, Reason.UNREACHABLE)
    proxy.refuse = False
    connection.close()
    assert Process.objects.count() == 0


CLIENT = """
import sys, time
import django
django.setup()
from django.db import connection
from tasks.actors import start_process
from tests.flows.actors import echo
connection.ensure_connection()
for line in sys.stdin:
    began = time.monotonic()
    answer = start_process(echo, 1, custom_id=line.strip())
    print(int(answer.code), time.monotonic() - began, flush=True)
"""


class StartingClient:
    """Another process that starts processes, with a bell of its own."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CLIENT],
            env={**in_project(environ), "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, custom_id: str) -> tuple[int, float]:
        """Start a process; the code and how long the answer took, in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{custom_id}\n")
        self._process.stdin.flush()
        code, seconds = self._process.stdout.readline().split()
        return int(code), float(seconds)

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@pytest.mark.parametrize("fault", ["stopped", "frozen", "flushed"])
def test_whatever_state_the_broker_is_in_a_start_is_answered_at_once_and_the_process_ends(
    servers: Servers, launch: Launch, environ: dict[str, str], fault: str
) -> None:
    broker = servers.broker
    assert broker is not None
    env = {"CELERY_BROKER_URL": broker.url}
    launch(env=env, concurrency=1)
    launch("beat", env=env)
    client = StartingClient(environ | env)
    assert client.start("before")[0] == 0
    wait_until(lambda: Process.objects.get(custom_id="before").state == ProcessState.COMPLETED)
    {"stopped": broker.stop, "frozen": broker.freeze, "flushed": broker.flush}[fault]()
    for name in ("first", "second", "third"):
        code, seconds = client.start(name)
        assert code == 0
        assert seconds < 1.5
    if fault != "flushed":
        {"stopped": broker.start, "frozen": broker.thaw}[fault]()
    wait_until(lambda: Process.objects.filter(state=ProcessState.COMPLETED).count() == 4, 60)
    client.close()
