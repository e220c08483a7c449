"""Why a process or a task does not move: for each code the condition is made, the action taken, and it goes on."""

from __future__ import annotations

import signal
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from orchestrator.local.programs import Program
from processes.errors import NoSuchProcess
from processes.models import Process, ProcessState, new_id
from recovery.causes import Cause, Explanation
from recovery.models import ScanRun
from recovery.scans import run_scan
from recovery.why import why
from tasks import actors as steering
from tasks.models import Task, WorkerProcess
from tasks.presence import live_workers
from tasks.registration import register
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, executed, finished, registered, run_to_standstill, started, task_of, wait_until
from tests.conftest import Launch
from tests.flows.actors import chain, echo, fail, signed, timer_and_sum, total, unaccepted, wait_a_while

pytestmark = pytest.mark.usefixtures("rows")
LONG = timedelta(minutes=5)


def age_scans() -> None:
    """As if no scan had run for a long time."""
    ScanRun.objects.update(ran_at=F("ran_at") - LONG)


def ring_by_scans() -> bool:
    """What beat would have done meanwhile: look for stuck registrations and lost bells. Never an answer."""
    Task.objects.filter(state=TaskState.ENQUEUED).update(enqueued_at=F("enqueued_at") - LONG)
    run_scan("stuck_registrations")
    run_scan("lost_wakeups")
    return False


def children_of(worker: Program) -> list[str]:
    """How the children of a worker call themselves."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    return [f"{socket.gethostname()}:{pid}" for pid in children]


def completed(process: Process) -> bool:
    process.refresh_from_db()
    return process.state == ProcessState.COMPLETED


def ids_of(explanation: Explanation, **expected: object) -> None:
    """The explanation names exactly these, and its sentence names the process or the task."""
    assert explanation.ids == {name: str(value) for name, value in expected.items()}
    assert any(str(value) in explanation.sentence for value in expected.values())
    assert explanation.sentence.endswith(".")
    assert explanation.action


def test_one_that_was_just_started_is_registering_and_then_ended() -> None:
    process = started(echo, 1)
    explanation = why(process)
    assert explanation.code is Cause.REGISTERING
    ids_of(explanation, process=process.id)
    run_to_standstill()
    explanation = why(process)
    assert explanation.code is Cause.ENDED
    assert "COMPLETED" in explanation.sentence


def test_a_task_waits_for_the_one_at_the_end_of_its_way() -> None:
    process = registered(chain, 1)
    release(executed(claimed(chain)))
    first, *_, last = Task.objects.filter(process=process).exclude(id=process.id).order_by("id")
    explanation = why(last)
    assert explanation.code is Cause.WAITS_FOR_TASK
    before_last = last.awaits.get().awaited_id
    ids_of(explanation, process=process.id, task=last.id, awaited=before_last, blocking=first.id)
    assert str(first.id) in explanation.sentence
    root = Task.objects.get(id=process.id)
    assert root.state == TaskState.DECIDED
    assert why(root).ids["awaited"] == str(last.id)
    run_to_standstill()
    assert completed(process)
    assert why(last).code is Cause.ENDED


def test_a_leased_task_names_its_worker() -> None:
    process = registered(echo, 1)
    [lease] = claimed(echo)
    explanation = why(process)
    assert explanation.code is Cause.LEASED
    ids_of(explanation, process=process.id, task=lease.task_id, actor=lease.actor, worker="by-hand")
    release(executed([lease]))
    assert completed(process)


def test_a_failed_process_names_task_and_failure_and_runs_on_when_it_is_restarted() -> None:
    process = finished(unaccepted, "out of paper")
    failed = task_of(process, fail)
    for subject in (process, failed):
        explanation = why(subject)
        assert explanation.code is Cause.FAILED
        assert explanation.ids["task"] == str(failed.id)
        assert "ValueError: out of paper" in explanation.sentence
    steering.restart_failed_tasks(process)
    assert why(process).code is Cause.NO_LIVE_WORKER


def test_a_paused_process_names_who_and_why() -> None:
    process = registered(echo, 1)
    steering.pause(process, by="ann", reason="stock-taking")
    for subject in (process, task_of(process, echo)):
        explanation = why(subject)
        assert explanation.code is Cause.PAUSED
        ids_of(explanation, process=process.id)
        assert "by ann (stock-taking)" in explanation.sentence
    steering.resume(process)
    run_to_standstill()
    assert completed(process)


def test_a_blocked_actor_and_everything_paused_are_named_with_who_and_why() -> None:
    process = registered(echo, 1)
    task = task_of(process, echo)
    steering.block(echo, by="ann", reason="bad release")
    explanation = why(process)
    assert explanation.code is Cause.ACTOR_BLOCKED
    ids_of(explanation, process=process.id, task=task.id, actor=task.actor)
    assert "by ann (bad release)" in explanation.sentence
    steering.pause_everything(by="bob")
    explanation = why(process)
    assert explanation.code is Cause.EVERYTHING_PAUSED
    assert "by bob" in explanation.sentence
    steering.resume_everything()
    assert why(process).code is Cause.ACTOR_BLOCKED
    steering.unblock(echo)
    run_to_standstill()
    assert completed(process)


def test_an_external_task_waits_for_its_completion() -> None:
    process = finished(signed, 7)
    task = Task.objects.get(process=process, kind="external")
    explanation = why(process)
    assert explanation.code is Cause.WAITS_FOR_COMPLETION
    ids_of(explanation, process=process.id, task=task.id, actor=task.actor)
    steering.complete_task(task, True)
    run_to_standstill()
    assert completed(process)


def test_a_timer_says_when_it_is_due_and_that_beat_is_late_when_no_scan_comes() -> None:
    process = finished(wait_a_while, 3600)
    task = Task.objects.get(process=process, state=TaskState.DELAYED)
    explanation = why(process)
    assert explanation.code is Cause.DUE_AT
    ids_of(explanation, process=process.id, task=task.id, actor=task.actor)
    assert f"{task.due_at:%Y-%m-%d %H:%M:%S}" in explanation.sentence
    Task.objects.filter(id=task.id).update(due_at=F("due_at") - timedelta(hours=2))
    assert why(process).code is Cause.DUE_AT, "the due scan ran a moment ago"
    age_scans()
    explanation = why(process)
    assert explanation.code is Cause.BEAT_LATE
    ids_of(explanation, process=process.id, task=task.id, actor=task.actor)
    run_to_standstill()
    assert completed(process)


def test_a_lease_that_nobody_takes_back_says_that_beat_is_late() -> None:
    process = registered(echo, 1)
    [lease] = claimed(echo)
    Task.objects.filter(id=lease.task_id).update(
        lease_ends_at=F("lease_ends_at") - LONG, poll_ends_at=F("poll_ends_at") - 2 * LONG
    )
    explanation = why(process)
    assert explanation.code is Cause.BEAT_LATE
    ids_of(explanation, process=process.id, task=lease.task_id, actor=lease.actor, worker="by-hand")
    run_scan("task_poll_to_end")
    run_to_standstill()
    assert completed(process)


def test_the_one_that_most_needs_somebody_is_told() -> None:
    steering.block(total)
    process = finished(timer_and_sum)
    blocked = task_of(process, total)
    explanation = why(process)
    assert explanation.code is Cause.ACTOR_BLOCKED
    ids_of(explanation, process=process.id, task=blocked.id, actor=blocked.actor)
    steering.unblock(total)
    run_to_standstill()
    assert why(process).code is Cause.DUE_AT


def test_without_workers_nobody_registers_and_nobody_serves_until_one_comes(launch: Launch) -> None:
    late, unserved, unknown = started(echo, 1), started(echo, 2), started(echo.options(version="9.9"), 3)
    Process.objects.filter(id=late.id).update(created_at=F("created_at") - LONG)
    explanation = why(late)
    assert explanation.code is Cause.REGISTRATION_LATE
    ids_of(explanation, process=late.id)
    register([unserved.id, unknown.id])
    explanation = why(unserved)
    assert explanation.code is Cause.NO_LIVE_WORKER
    ids_of(explanation, process=unserved.id, task=unserved.id, actor="flows.echo#1.0")
    launch(concurrency=1)
    ring_by_scans()
    wait_until(lambda: completed(late) and completed(unserved))
    wait_until(lambda: why(unknown).code is Cause.UNKNOWN_ACTOR)
    ids_of(why(unknown), process=unknown.id, task=unknown.id, actor="flows.echo#9.9")
    launch(concurrency=1, env={"FLOWS_NEWER": "yes"})
    # The older worker may hear the bell and has no code for it; the next scan rings again.
    wait_until(lambda: ring_by_scans() or completed(unknown))


def test_a_worker_that_was_killed_is_missed_since_its_last_sign_of_life(launch: Launch) -> None:
    worker = launch(concurrency=1)
    [child] = children_of(worker)
    wait_until(lambda: live_workers().filter(name=child).exists())
    worker.kill()
    WorkerProcess.objects.update(seen_at=F("seen_at") - LONG)
    seen = WorkerProcess.objects.get(name=child).seen_at
    process = registered(echo, 1)
    explanation = why(process)
    assert explanation.code is Cause.NO_LIVE_WORKER
    ids_of(explanation, process=process.id, task=process.id, actor="flows.echo#1.0")
    assert f"since {seen:%Y-%m-%d %H:%M:%S}" in explanation.sentence
    launch(concurrency=1)
    ring_by_scans()
    wait_until(lambda: completed(process))


def test_an_idle_worker_that_hears_nothing_is_named(launch: Launch) -> None:
    worker = launch(concurrency=1)
    [child] = children_of(worker)
    wait_until(lambda: live_workers().filter(name=child).exists())
    worker.send(signal.SIGSTOP)
    process = registered(echo, 5)
    assert why(process).code is Cause.READY
    Task.objects.filter(id=process.id).update(enqueued_at=F("enqueued_at") - LONG)
    explanation = why(process)
    assert explanation.code is Cause.BROKER_DEAF
    ids_of(explanation, process=process.id, task=process.id, actor="flows.echo#1.0", worker=child)
    worker.send(signal.SIGCONT)
    ring_by_scans()
    wait_until(lambda: completed(process))


def test_a_process_that_is_not_there_is_refused() -> None:
    with pytest.raises(NoSuchProcess):
        why(new_id())
    with pytest.raises(CommandError, match="no process with the custom id 'nobody'"):
        call_command("why", "nobody")


def test_the_command_tells_it_by_custom_id_and_by_id(capsys: pytest.CaptureFixture[str]) -> None:
    process = registered(echo, 1, custom_id="order-1")
    steering.pause(process, by="ann")
    call_command("why", "order-1")
    told = capsys.readouterr().out
    call_command("why", str(process.id))
    assert capsys.readouterr().out == told
    assert f"manage.py steer resume {process.id}" in told
    assert "by ann" in told
    assert f"code=paused process={process.id}" in told
