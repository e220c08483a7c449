"""The meanings of failure, in the order of docs/failures.md and with its headings as names."""

from __future__ import annotations

from typing import Any

import pytest

from processes.failures import Failure
from processes.models import Event, Process
from processes.states import ProcessState
from recovery.scans import run_scan
from tasks.actors import (
    Retry,
    decider,
    no_wait,
    pause,
    restart_failed_tasks,
    restart_task,
    resume,
    worker,
)
from tasks.errors import DependencyFailed, FailureWasAccepted
from tasks.models import Task
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, done, executed, finished, registered, run_to_standstill, task_of
from tests.flows.actors import describe, echo, fail, judge
from tests.flows.models import Effect

pytestmark = pytest.mark.usefixtures("rows")

LONG_AGO = "2026-01-01T00:00Z"
NO = Failure("ValueError", "no")
accepted_fail = fail.options(accept_failure=True)


def state_of(task: Task) -> tuple[str, bool]:
    """The state of a task, and whether its failure was accepted."""
    task.refresh_from_db()
    return task.state, task.failure_accepted


def now(process: Process) -> Process:
    """A process as it is now."""
    process.refresh_from_db()
    return process


# --- Retries come first --------------------------------------------------------------------------------------------


class Hopeless(Exception):
    pass


@worker(retry=Retry(max_attempts=3, give_up_on=(Hopeless,)))
def needs(what: str) -> str:
    if what == "luck":
        raise Hopeless("no such thing")
    if not Effect.objects.filter(what=what).exists():
        raise LookupError(what)
    return what


def test_retries_come_first() -> None:
    process = finished(needs, "help")
    task = task_of(process, needs)
    assert (task.state, task.tries, now(process).state) == (TaskState.DELAYED, 1, ProcessState.RUNNING)
    Effect.objects.create(what="help")
    Task.objects.update(due_at=LONG_AGO)
    run_to_standstill()
    assert (now(process).value, now(process).failure) == ("help", None)


def test_retries_end_at_the_last_one_or_at_an_error_that_is_given_up_on() -> None:
    assert task_of(finished(needs, "luck"), needs).tries == 1
    process = finished(needs, "help")
    for _ in range(5):
        Task.objects.filter(state=TaskState.DELAYED).update(due_at=LONG_AGO)
        run_to_standstill()
    assert (task_of(process, needs).state, task_of(process, needs).tries) == (TaskState.FAILED, 3)


# --- Nobody accepts it ---------------------------------------------------------------------------------------------


@decider
def nobody_accepts() -> Any:
    beside: Any = echo("beside")
    return [echo(fail("no")), echo(beside)]


def test_nobody_accepts_it() -> None:
    process = registered(nobody_accepts)
    done(nobody_accepts)
    done(fail)
    run_to_standstill()
    failed = task_of(process, fail)
    assert (now(process).state, now(process).failed_task_id) == (ProcessState.FAILED, failed.id)
    assert state_of(failed) == (TaskState.FAILED, False)
    assert task_of(process, nobody_accepts).state == TaskState.DECIDED
    echoes = Task.objects.filter(process=process, actor=str(echo.actor_name))
    assert sorted(echoes.values_list("state", flat=True)) == [TaskState.HELD, TaskState.WAITING, TaskState.WAITING]


# --- Accepted, and two wait for it ---------------------------------------------------------------------------------


@decider
def two_wait() -> Any:
    failed = accepted_fail("no")
    return [judge(failed), describe(failed)]


def test_accepted_and_two_wait_for_it() -> None:
    process = finished(two_wait)
    assert (process.state, process.value) == (ProcessState.COMPLETED, ["failed with no", "failure: no"])
    assert state_of(task_of(process, fail)) == (TaskState.FAILED, True)


# --- It climbs out of deciders -------------------------------------------------------------------------------------


@decider
def outermost() -> Any:
    return judge(middle.options(accept_failure=True)())


@decider
def middle() -> Any:
    return innermost()


@decider
def innermost() -> Any:
    return fail("no")


def test_it_climbs_out_of_deciders() -> None:
    process = finished(outermost)
    assert (process.state, process.value) == (ProcessState.COMPLETED, "failed with no")
    for actor in (fail, innermost, middle):
        assert state_of(task_of(process, actor)) == (TaskState.FAILED, True)
    assert state_of(task_of(process, outermost)) == (TaskState.COMPLETED, False)


# --- It does not climb along what merely waits ---------------------------------------------------------------------


@decider
def a_step_before() -> Any:
    return judge(in_order.options(accept_failure=True)())


@decider
def in_order() -> Any:
    first = fail("no")
    return echo.options(after=first)("then")


def test_it_does_not_climb_along_what_merely_waits() -> None:
    process = finished(a_step_before)
    assert process.state == ProcessState.FAILED
    assert state_of(task_of(process, fail)) == (TaskState.FAILED, False)
    assert state_of(task_of(process, in_order)) == (TaskState.DECIDED, False)
    assert task_of(process, echo).state == TaskState.WAITING


# --- Somebody outside waits for a member ---------------------------------------------------------------------------


@decider
def listened_to() -> Any:
    return judge(with_a_listener.options(accept_failure=True)())


@decider
def with_a_listener() -> Any:
    inner = innermost()
    describe(inner)
    return inner


def test_somebody_outside_waits_for_a_member() -> None:
    process = finished(listened_to)
    assert (process.state, process.failed_task_id) == (ProcessState.FAILED, task_of(process, fail).id)
    assert state_of(task_of(process, fail)) == (TaskState.FAILED, False)
    for actor in (innermost, with_a_listener):
        assert state_of(task_of(process, actor)) == (TaskState.DECIDED, False)
    assert task_of(process, describe).state == task_of(process, judge).state == TaskState.WAITING


# --- Two deciders share it, and one of them is accepted ------------------------------------------------------------


@decider
def sharing(both: bool) -> Any:
    failed: Any = fail("no")
    first = share.options(accept_failure=True)(no_wait(failed))
    second = share.options(accept_failure=both)(no_wait(failed))
    return [judge(first), judge(second)]


@decider
def share(promise: Any) -> Any:
    return promise


@pytest.mark.parametrize("both", [False, True])
def test_two_deciders_share_it_and_one_of_them_is_accepted(both: bool) -> None:
    process = registered(sharing, both)
    done(sharing)
    done(share)
    run_to_standstill()
    shares = Task.objects.filter(process=process, actor=str(share.actor_name))
    if both:
        assert now(process).value == ["failed with no", "failed with no"]
        assert set(shares.values_list("state", "failure_accepted")) == {(TaskState.FAILED, True)}
    else:
        assert now(process).state == ProcessState.FAILED
        assert set(shares.values_list("state", "failure_accepted")) == {(TaskState.DECIDED, False)}
        judges = Task.objects.filter(process=process, actor=str(judge.actor_name))
        assert list(judges.values_list("state", flat=True)) == [TaskState.WAITING, TaskState.WAITING]


# --- Somebody waits for it later -----------------------------------------------------------------------------------


@decider
def waiting_later() -> Any:
    failed = accepted_fail("no")
    return look_back.options(after=failed)(no_wait(failed))


@decider
def look_back(promise: Any) -> Any:
    return judge(promise)


@decider
def too_late() -> Any:
    return share.options(accept_failure=True)(no_wait(fail("no")))


def test_somebody_waits_for_it_later() -> None:
    assert finished(waiting_later).value == "failed with no"


def test_somebody_who_would_accept_it_comes_too_late() -> None:
    process = registered(too_late)
    done(too_late)
    late = claimed(share)
    done(fail)
    release(executed(late))
    run_to_standstill()
    assert now(process).state == ProcessState.FAILED
    assert state_of(task_of(process, fail)) == (TaskState.FAILED, False)
    assert task_of(process, share).state == TaskState.DECIDED


# --- A value that is a Failure -------------------------------------------------------------------------------------


@decider
def returning_it() -> Any:
    return accepted_fail("no")


def test_a_value_that_is_a_failure() -> None:
    process = finished(returning_it)
    assert (process.state, process.value, process.failure) == (ProcessState.COMPLETED, NO, None)
    assert state_of(task_of(process, returning_it)) == (TaskState.COMPLETED, False)


# --- A worker would be handed it -----------------------------------------------------------------------------------


@decider
def handing_over() -> Any:
    return echo(returning_it())


@decider
def handing_over_openly() -> Any:
    return echo(accepted_fail("no"))


def test_a_worker_would_be_handed_it() -> None:
    process = finished(handing_over)
    doomed = task_of(process, echo)
    assert (process.state, process.failed_task_id) == (ProcessState.FAILED, doomed.id)
    assert (doomed.state, doomed.attempt) == (TaskState.FAILED, 0)
    told = Failure.from_text(doomed.failure or "")
    assert (told.type, told.cause) == ("dependency_failed", NO)


def test_a_worker_would_be_handed_it_and_the_decider_can_see_that() -> None:
    process = registered(handing_over_openly)
    done(handing_over_openly)
    task = Task.objects.get(process=process)
    assert (task.state, task.tries) == (TaskState.DELAYED, 1)
    assert Failure.from_text(task.failure or "").type == "tasks.errors.FailureNotAccepted"


# --- A worker accepts failures -------------------------------------------------------------------------------------


@decider
def telling() -> Any:
    return describe(accepted_fail("no"))


def test_a_worker_accepts_failures() -> None:
    assert finished(telling).value == "failure: no"


# --- A decider fails -----------------------------------------------------------------------------------------------


@decider(retry=Retry(max_attempts=1))
def undecided() -> Any:
    echo("never called")
    raise ValueError("no")


@decider
def around_it() -> Any:
    return judge(undecided.options(accept_failure=True)())


def test_a_decider_fails() -> None:
    process = finished(undecided)
    assert (process.state, Task.objects.count()) == (ProcessState.FAILED, 1)
    assert finished(around_it).value == "failed with no"
    assert not Task.objects.filter(actor=str(echo.actor_name)).exists()


# --- It is part of a collection ------------------------------------------------------------------------------------


@decider
def collecting() -> Any:
    return [echo("yes"), accepted_fail("no")]


@decider
def handing_a_collection() -> Any:
    return tell_all(collecting())


@worker
def tell_all(values: list[Any]) -> list[str]:
    return [type(value).__name__ for value in values]


@decider
def collecting_for_a_worker() -> Any:
    return tell_all([echo("yes"), accepted_fail("no")])


def test_it_is_part_of_a_collection() -> None:
    process = finished(collecting)
    assert (process.state, process.value) == (ProcessState.COMPLETED, ["yes", NO])
    assert finished(handing_a_collection).value == ["str", "Failure"]


def test_it_would_be_part_of_a_collection_that_a_worker_is_called_with() -> None:
    process = finished(collecting_for_a_worker)
    told = Failure.from_text(task_of(process, collecting_for_a_worker).failure or "")
    assert told.type == "tasks.errors.FailureNotAccepted"


# --- Time runs out -------------------------------------------------------------------------------------------------


@decider
def impatient() -> Any:
    return judge(echo.options(max_attempts=1, accept_failure=True)("slow"))


def test_time_runs_out() -> None:
    process = registered(impatient)
    done(impatient)
    assert len(claimed(echo)) == 1
    Task.objects.filter(state=TaskState.POLLED).update(lease_ends_at=LONG_AGO)
    run_scan("task_heartbeat")
    run_to_standstill()
    told = Failure.from_text(task_of(process, echo).failure or "")
    assert (told.type, told.detail) == ("timeout", {"event": "TASK_HEARTBEAT_TIMEOUT"})
    assert (now(process).state, now(process).value) == (ProcessState.COMPLETED, f"failed with {told.message}")


# --- Two failed tasks are restarted --------------------------------------------------------------------------------


@decider
def two_need() -> Any:
    return [needs.options(max_attempts=1)(what) for what in ("one", "two")]


def both_failed() -> tuple[Process, Task, Task]:
    """A process in which two tasks failed, and these."""
    process = registered(two_need)
    done(two_need)
    release(executed(claimed(needs)))
    one, two = Task.objects.filter(process=process, state=TaskState.FAILED).order_by("id")
    return now(process), one, two


def test_two_failed_tasks_are_restarted() -> None:
    process, one, two = both_failed()
    Effect.objects.bulk_create(Effect(what=what) for what in ("one", "two"))
    restart_task(one)
    assert (now(process).state, state_of(one)[0], state_of(two)[0]) == (
        ProcessState.FAILED,
        TaskState.HELD,
        TaskState.FAILED,
    )
    restart_task(two)
    assert (now(process).state, state_of(one)[0], state_of(two)[0]) == (
        ProcessState.RUNNING,
        TaskState.ENQUEUED,
        TaskState.ENQUEUED,
    )
    run_to_standstill()
    assert (now(process).state, now(process).value) == (ProcessState.COMPLETED, ["one", "two"])
    one.refresh_from_db()
    assert (one.attempt, one.tries) == (2, 0)


def test_two_failed_tasks_are_restarted_together() -> None:
    process, one, two = both_failed()
    assert set(restart_failed_tasks(process).detail["restarted"]) == {str(one.id), str(two.id)}
    assert now(process).state == ProcessState.RUNNING


# --- A restart is refused ------------------------------------------------------------------------------------------


def test_a_restart_is_refused_where_the_failure_was_accepted() -> None:
    process = finished(outermost_unfinished)
    for actor in (fail, innermost, middle):
        with pytest.raises(FailureWasAccepted):
            restart_task(task_of(process, actor))
        assert state_of(task_of(process, actor)) == (TaskState.FAILED, True)
    assert now(process).state == ProcessState.RUNNING


@decider
def outermost_unfinished() -> Any:
    needs("help")
    return judge(middle.options(accept_failure=True)())


def test_a_restart_is_refused_where_it_would_fail_again() -> None:
    process = finished(handing_over)
    doomed = task_of(process, echo)
    with pytest.raises(DependencyFailed):
        restart_task(doomed)
    assert (now(process).state, state_of(doomed)) == (ProcessState.FAILED, (TaskState.FAILED, False))


# --- It happens while the process is paused ------------------------------------------------------------------------


def test_it_happens_while_the_process_is_paused() -> None:
    process = registered(nobody_accepts)
    done(nobody_accepts)
    running = claimed(fail)
    pause(process, by="ada")
    paused_at = now(process).stood_still_at
    release(executed(running))
    assert (now(process).state, now(process).failure) == (ProcessState.PAUSED, None)
    assert Event.objects.filter(process_id=process.id, kind="task_failed").count() == 1
    resume(process, by="ada")
    assert (now(process).state, now(process).stood_still_at) == (ProcessState.FAILED, paused_at)
    assert now(process).failed_task_id == task_of(process, fail).id


def test_it_happens_while_the_process_is_paused_and_is_accepted() -> None:
    process = registered(two_wait)
    done(two_wait)
    running = claimed(fail)
    pause(process)
    release(executed(running))
    assert now(process).state == ProcessState.PAUSED
    for actor in (judge, describe):
        assert task_of(process, actor).state == TaskState.HELD
    resume(process)
    run_to_standstill()
    assert now(process).value == ["failed with no", "failure: no"]
