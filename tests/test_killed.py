"""Whoever writes for a promise is killed (-9) right before and right after its COMMIT; the promise is kept.

Each case is an act in a process of its own. Killed before, it has changed nothing; killed after, everything; and what
anybody would do next (repeat the request, run the scans, go on working) brings the process to its one end.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db.models import F

from orchestrator.local.django_programs import in_project
from processes.models import Event, Process, ProcessState
from recovery.scans import run_scan
from tasks import actors as steering
from tasks.actors import Code, start_process
from tasks.models import Dependency, Task
from tasks.states import TaskState
from tests.by_hand import claimed, finished, registered, run_to_standstill
from tests.flows.actors import chain, echo, signed, unaccepted

pytestmark = pytest.mark.usefixtures("rows")
LONG = timedelta(minutes=5)

DIE_AT_COMMIT = """
import os, signal, sys
from uuid import UUID
import django
django.setup()
from django.db.backends.base.base import BaseDatabaseWrapper
from recovery.scans import run_scan
from tasks import actors as steering
from tasks.models import Task
from tasks.releasing import release
from tests.by_hand import claimed, executed
from tests.flows.actors import chain, echo

point, process_id = sys.argv[1], UUID(sys.argv[2])
commit = BaseDatabaseWrapper._commit

def commit_and_die(self):
    if point == "after COMMIT":
        commit(self)
    os.kill(os.getpid(), signal.SIGKILL)

BaseDatabaseWrapper._commit = commit_and_die
"""
NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Case:
    """What is there before, the act that is cut off, and what shows whether it was done."""

    prepare: Callable[[], Process | None]
    act: str
    is_done: Callable[[], bool]
    go_on: Callable[[Process], object]


def die(environ: dict[str, str], point: str, process: Process | None, act: str) -> None:
    """Do something in another process, which is killed at its first COMMIT."""
    done = subprocess.run(
        [sys.executable, "-c", DIE_AT_COMMIT + act, point, str(process.id if process else NOBODY)],
        env={**in_project(environ), "DJANGO_SETTINGS_MODULE": "tests.settings"},
        check=False,
    )
    assert done.returncode == -9


def everything() -> list[object]:
    """All rows of the engine, without the leases that a claim leaves behind whatever becomes of its release."""
    lease = {"attempt", "polled_at", "poll_ends_at", "lease_ends_at", "batch_size", "worker", "state"}
    tasks = [{k: v for k, v in row.items() if k not in lease} for row in Task.objects.order_by("id").values()]
    others = [list(model.objects.order_by("pk").values()) for model in (Process, Dependency, Event)]
    return [tasks, others]


def lose_leases() -> None:
    """Time passes: the leases of the dead end."""
    Task.objects.filter(state=TaskState.POLLED).update(lease_ends_at=F("lease_ends_at") - LONG)
    run_scan("task_heartbeat")


def with_expired_lease() -> Process:
    process = registered(echo, 1)
    [lease] = claimed(echo)
    Task.objects.filter(id=lease.task_id).update(lease_ends_at=F("lease_ends_at") - LONG)
    return process


def nothing(process: Process) -> None:
    """Nobody repeats anything."""


CASES = {
    "a client that starts": Case(
        lambda: None,
        "steering.start_process(echo, 1, custom_id='c')",
        lambda: Process.objects.filter(custom_id="c").exists(),
        nothing,
    ),
    "a worker that releases a value": Case(
        lambda: registered(echo, 1),
        "release(executed(claimed(echo)))",
        lambda: Task.objects.filter(state=TaskState.COMPLETED).exists(),
        nothing,
    ),
    "a worker that releases a decision": Case(
        lambda: registered(chain, 1),
        "release(executed(claimed(chain)))",
        lambda: Task.objects.filter(state=TaskState.DECIDED).exists(),
        nothing,
    ),
    "an operator who pauses": Case(
        lambda: registered(echo, 1),
        "steering.pause(process_id, by='ann', request_id='r')",
        lambda: Process.objects.filter(state=ProcessState.PAUSED).exists(),
        lambda process: (steering.pause(process, by="ann", request_id="r"), steering.resume(process)),
    ),
    "an operator who restarts what failed": Case(
        lambda: finished(unaccepted, "no paper"),
        "steering.restart_process(process_id, by='ann', request_id='r')",
        lambda: Process.objects.filter(restarted_as__isnull=False).exists(),
        lambda process: steering.restart_process(process, by="ann", request_id="r"),
    ),
    "a webhook that completes": Case(
        lambda: finished(signed, 7),
        "steering.complete_task(Task.objects.get(kind='external'), True)",
        lambda: Task.objects.filter(kind="external", state=TaskState.COMPLETED).exists(),
        lambda process: steering.complete_task(Task.objects.get(kind="external"), True),
    ),
    "a scan that takes a lease back": Case(
        with_expired_lease,
        "run_scan('task_heartbeat')",
        lambda: Event.objects.filter(kind="TASK_HEARTBEAT_TIMEOUT").exists(),
        nothing,
    ),
}
ENDS = {
    "an operator who restarts what failed": {ProcessState.ABORTED: 1, ProcessState.FAILED: 1},
}


@pytest.mark.parametrize("point", ["before COMMIT", "after COMMIT"])
@pytest.mark.parametrize("name", CASES)
def test_killed_at_its_commit_it_has_done_all_or_nothing_and_the_process_still_has_its_one_end(
    environ: dict[str, str], name: str, point: str
) -> None:
    case = CASES[name]
    process = case.prepare()
    before = everything()
    die(environ, point, process, case.act)
    assert case.is_done() == (point == "after COMMIT")
    if point == "before COMMIT":
        assert everything() == before
    if process is None:
        expected = Code.EXISTS if case.is_done() else Code.CREATED
        assert start_process(echo, 1, custom_id="c").code == expected
        process = Process.objects.get(custom_id="c")
    case.go_on(process)
    lose_leases()
    run_to_standstill()
    states = {each.state: Process.objects.filter(state=each.state).count() for each in Process.objects.all()}
    assert states == ENDS.get(name, {ProcessState.COMPLETED: 1})
    kinds = list(Event.objects.exclude(by="").values_list("kind", flat=True))
    assert len(kinds) == len(set(kinds)), "an act was recorded twice"
    if name == "a worker that releases a decision":
        assert Task.objects.count() == 6, "a decision was applied once"
