"""`check_deploy` names what open processes call and the code at hand cannot serve; `list_actors` tells that code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from orchestrator.local.django_programs import ROOT, in_project
from processes.models import Process, ProcessState
from tasks.actors import Actor, Retry, abort, decider, external, worker
from tasks.definitions import definition
from tasks.deploy_guard import Misfit, misfits
from tasks.models import Task, TaskState
from tests.by_hand import claimed, done, finished, registered, started
from tests.flows.actors import add, chain, diamond, echo, fail, unaccepted

pytestmark = pytest.mark.usefixtures("rows")
SERVED = "the code at hand serves every open process\n"


def check_deploy() -> tuple[int, str]:
    """The exit code and the words of `check_deploy`, run in this process."""
    out = StringIO()
    try:
        call_command("check_deploy", stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def deployed(kind: Callable[..., Any], new: bool) -> Actor[..., Any]:
    """An actor as an old deploy has it, or a new one under the same name and version."""
    if new:

        def shifting(a: int, c: int, d: int = 0) -> int:
            return a + c + d

    else:

        def shifting(a: int, b: int = 0) -> int:  # type: ignore[misc]  # another deploy
            return a + b

    actor: Actor[..., Any] = kind(name="tests.shifting")(shifting)
    return actor


def test_nothing_open_and_nothing_amiss_is_one_line_and_exit_code_0() -> None:
    assert check_deploy() == (0, SERVED)
    started(echo, "NUL \0 inside", custom_id="open")
    registered(diamond, 1)
    assert check_deploy() == (0, SERVED)


def test_versions_that_are_gone_are_named_with_counts_and_processes() -> None:
    """One is not registered yet, one is; a third one has them in tasks that a decider called."""
    started(add.options(version="9.9"), 1, custom_id="first")
    second = registered(add.options(version="9.9"), 1)
    started(chain.options(version="2.0"), 1, custom_id="third")
    assert check_deploy() == (
        1,
        f"flows.add#9.9: there is no version 9.9, only 1.0 (calls: 2, processes: 2, such as first, {second.id})\n"
        "flows.chain#2.0: there is no version 2.0, only 1.0 (calls: 1, processes: 1, such as third)\n",
    )


@decider(name="tests.calls_gone")
def calls_gone() -> Any:
    """Calls five tasks of an actor that is gone, and one that is there."""
    return echo([add.options(version="9.9")(number) for number in range(5)])


def test_many_calls_of_a_process_are_counted_and_the_process_once() -> None:
    process = registered(calls_gone)
    done(calls_gone)
    assert misfits() == [Misfit("flows.add#9.9", "there is no version 9.9, only 1.0", 5, 1, [process.id])]


def test_arguments_that_a_new_signature_does_not_take_are_told_apart_by_what_is_wrong() -> None:
    old = deployed(worker, new=False)
    unknown = started(old, 1, b=2)
    also_unknown = registered(old, 1, b=3)
    lacking = registered(old, 1)
    assert misfits() == []
    fitting = registered(deployed(worker, new=True), 1, 2)

    assert misfits() == [
        Misfit("tests.shifting#1.0", "tests.shifting#1.0 has no parameter b", 2, 2, [unknown.id, also_unknown.id]),
        Misfit("tests.shifting#1.0", "tests.shifting#1.0 needs c", 1, 1, [lacking.id]),
    ]
    assert Task.objects.get(id=fitting.id).state == TaskState.ENQUEUED


def test_an_actor_that_became_another_kind_cannot_take_the_calls_of_the_former_one() -> None:
    process = registered(deployed(worker, new=True), 1, 2)
    deployed(decider, new=True)
    assert misfits() == [Misfit("tests.shifting#1.0", "called as a worker, but it is a decider", 1, 1, [process.id])]


@decider(name="tests.goes_on")
def goes_on() -> Any:
    """Accepts a failure, and has something to do tomorrow."""
    fail.options(accept_failure=True)("no")
    return echo.options(start_in=timedelta(days=1))("later")


def test_what_has_ended_or_will_not_run_again_needs_no_code() -> None:
    """Final processes, completed tasks, deciders that have decided, failures that were accepted."""
    finished(add, 1)
    abort(registered(add, 1))
    waiting = registered(chain, 1)
    [lease] = claimed(chain)
    assert finished(goes_on).state == ProcessState.RUNNING
    Task.objects.filter(actor=str(chain.actor_name)).update(actor="flows.chain#9.9")
    Task.objects.filter(actor=str(fail.actor_name)).update(actor="flows.fail#9.9")
    assert lease.task_id == waiting.id
    assert [each.actor for each in misfits()] == ["flows.chain#9.9"]
    Task.objects.filter(id=waiting.id).update(
        state=TaskState.DECIDED, value_from=waiting.id, poll_ends_at=None, lease_ends_at=None, batch_size=None
    )
    assert misfits() == []


def test_a_failed_task_that_may_be_restarted_needs_its_code() -> None:
    process = finished(unaccepted, "no")
    assert process.state == ProcessState.FAILED
    assert misfits() == []
    Task.objects.filter(actor=str(fail.actor_name)).update(actor="flows.fail#9.9")
    assert misfits() == [Misfit("flows.fail#9.9", "there is no version 9.9, only 1.0", 1, 1, [process.id])]


def test_processes_are_counted_over_all_batches_and_a_few_are_named(settings: Settings) -> None:
    settings.ORCHESTRATOR_SCAN_LIMIT = 2
    ids = [started(add.options(version="9.9"), number).id for number in range(3)]
    ids += [registered(add.options(version="9.9"), number).id for number in range(4)]
    [found] = misfits()
    assert (found.calls, found.processes) == (7, 7)
    assert len(set(found.examples)) == 3
    assert set(found.examples) < set(ids)


def test_a_deploy_without_an_app_is_stopped_while_its_processes_are_open(environ: dict[str, str]) -> None:
    """The program of a deploy that has the actors of the orders only."""
    process = started(echo, 1)

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "check_deploy"],
            env=in_project(environ | {"ORCHESTRATOR_APPS": "examples.orders"}),
            capture_output=True,
            text=True,
            check=False,
        )

    told = check()
    assert (told.returncode, told.stdout) == (
        1,
        f"flows.echo#1.0: no such actor (calls: 1, processes: 1, such as {process.id})\n",
    )
    abort(Process.objects.get(id=process.id))
    told = check()
    assert (told.returncode, told.stdout) == (0, SERVED)


@external(name="tests.signed")
def signed(by: str = "nobody") -> None:
    """Somebody signs.

    On paper.
    """


@worker(
    name="tests.careful",
    version="2.1",
    task_list="eu",
    transactional=True,
    accepts_failures=True,
    retry=Retry(give_up_on=(ValueError,)),
    priority=2,
)
def careful(value: int, *, by: str = "me") -> str:
    return by * value


def test_actors_are_listed_as_their_code_declares_them() -> None:
    out = StringIO()
    call_command("list_actors", stdout=out)
    listed = out.getvalue()
    assert (
        "tests.careful#2.1@eu worker transactional, accepts_failures\n"
        "    tests.test_deploy_guard.careful(value: int, *, by: str = 'me') -> str\n"
        "    3 attempts, pauses from 1 s, × 2, to 60 s, none after ValueError\n"
        "    poll to end 30 s, heartbeat 30 s (then retry), enqueue to end none; priority 2\n"
    ) in listed
    assert (
        "tests.signed#1.0 external\n"
        "    tests.test_deploy_guard.signed(by: str = 'nobody') -> None\n"
        "    enqueue to end none; priority 5\n"
    ) in listed
    assert "flows.fail#1.0 worker\n    tests.flows.actors.fail(message: str) -> None\n    1 attempt\n" in listed
    assert definition(signed).summary == "Somebody signs."
