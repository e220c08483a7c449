"""True runs whose rows were falsified: each with the check that must notice, and words of what it must say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.proof.checker.records import EffectRow
from tests.proof.true_run import TrueRun

Falsify = Callable[[TrueRun], object]
A, BOOK, DECIDE, FORM, B, NAP, JUDGE, COLLECT = range(8)
WORTHLESS = '["d-0000000000000000", "n-nobody"]'


def _task(place: int, **columns: object) -> Falsify:
    """A task of the rich process with other columns."""
    return lambda run: run.work.change(run.rich_tasks[place], **columns)


def _rich(**columns: object) -> Falsify:
    return lambda run: run.work.change_process(run.rich, **columns)


def _double(run: TrueRun) -> None:
    """A decision that was applied twice: each of its calls is there again, made a moment later."""
    for number, task in enumerate(run.rich_tasks):
        row = replace(run.work.tasks[task], id=f"task-9{number}", created_at=run.work.now)
        run.work.tasks[row.id] = row


def _strange(run: TrueRun) -> None:
    row = replace(run.work.tasks[run.rich_tasks[COLLECT]], id="task-99", actor="workload.a#1.0", kind="worker")
    run.work.tasks[row.id] = row


def _less(run: TrueRun) -> None:
    del run.work.tasks[run.rich_tasks[B]]


def _orphan(run: TrueRun) -> None:
    run.work.change(run.rich_tasks[B], parent_id="task-nobody")


def _again(run: TrueRun) -> None:
    run.work.processes["process-2"] = replace(run.work.processes[run.rich], id="process-2")


def _gone(run: TrueRun) -> None:
    del run.work.processes[run.rich]


def _unknown(run: TrueRun) -> None:
    run.work.change_process(run.rich, custom_id="p-unheard-of")


def _effect_again(run: TrueRun) -> None:
    run.work.effects *= 2


def _effect_of(place: int) -> Falsify:
    return lambda run: run.work.effects.append(EffectRow(run.rich_tasks[place], 1, "n-nobody"))


def _no_dependency(run: TrueRun) -> None:
    run.work.dependencies = [each for each in run.work.dependencies if each.waiter_id != run.rich_tasks[JUDGE]]


def _dependency_again(run: TrueRun) -> None:
    run.work.dependencies += [each for each in run.work.dependencies if each.waiter_id == run.rich_tasks[JUDGE]]


def _other_arguments(run: TrueRun) -> None:
    run.work.change_process(run.restarted, arguments=run.work.processes[run.rich].arguments)


def _running(run: TrueRun) -> None:
    run.work.change_process(run.paused, state="RUNNING", stood_still_at=None)


def _wrongly_named(run: TrueRun) -> None:
    run.work.change_process(run.refused, failed_task_id=run.refused)


def _unsettled_below(run: TrueRun) -> None:
    inner = next(task.id for task in run.work.tasks.values() if task.parent_id == run.rich_tasks[DECIDE])
    run.work.change(inner, state="WAITING", result=None)
    _task(DECIDE, value_from=None, result=WORTHLESS)(run)


def _first_gone(run: TrueRun) -> None:
    del run.work.tasks[run.rich_tasks[A]]


def _complete_spent(run: TrueRun) -> None:
    run.work.change(
        _spent_task(run), state="COMPLETED", failure=None, failure_accepted=False, result='{"failure": "timeout"}'
    )


def _spent_task(run: TrueRun) -> str:
    return next(task.id for task in run.work.tasks.values() if task.parent_id == run.spending)


def _refused_task(run: TrueRun) -> str:
    return next(task.id for task in run.work.tasks.values() if task.parent_id == run.refused)


ROWS: tuple[tuple[str, str, Falsify], ...] = (
    ("starts", "nobody started it", _unknown),
    ("starts", "none of []", _gone),
    ("starts", "2 processes were created", _again),
    ("starts", "with other arguments", _other_arguments),
    (
        "starts",
        "another flow than the process has",
        _rich(arguments='{"flow": {"calls": [], "returns": {"value": 1}}}'),
    ),
    ("starts", "does not exist", lambda run: run.work.change_process(run.aborted, restarted_as="process-nobody")),
    ("ends", "its result is", _rich(result="[7, 7]")),
    ("ends", "with d-0000000000000000, not", _task(A, result=WORTHLESS)),
    ("ends", "its value is nowhere", _task(DECIDE, value_from="task-nobody")),
    ("ends", "no call leads to it", _orphan),
    ("ends", "still REGISTERING", _rich(state="REGISTERING", result=None, ended_at=None)),
    ("ends", "is FAILED, but its flow ends as", _rich(state="FAILED", failure="{}", result=None)),
    ("ends", "has all the time that there is", _rich(state="TIMED_OUT", result=None)),
    ("ends", "nothing was answered to why", _rich(state="PAUSED", result=None)),
    ("ends", "is answered with waits_for_completion, not paused", _running),
    ("ends", "unaccepted; only", _task(A, state="FAILED", result=None, failure='{"type": "x", "message": ""}')),
    (
        "ends",
        "was accepted; only",
        _task(A, state="FAILED", result=None, failure='{"type": "x", "message": ""}', failure_accepted=True),
    ),
    ("ends", "CANCELLED in a process that is COMPLETED", _task(B, state="CANCELLED", result=None)),
    ("ends", "its failure is to be accepted", _complete_spent),
    ("outcomes", "but its attempt 1 returned", _task(A, result=WORTHLESS)),
    ("outcomes", "was handed", _task(A, result=WORTHLESS)),
    ("outcomes", "but it was completed with", _task(FORM, result=WORTHLESS)),
    ("outcomes", "but what it returned", _task(DECIDE, value_from=None, result=WORTHLESS)),
    ("outcomes", "is not settled", _unsettled_below),
    ("outcomes", "was delivered last, but the row says 1", _task(B, released_attempt=1)),
    ("outcomes", "by nobody who was seen", _task(B, released_attempt=3)),
    ("outcomes", "no attempt was delivered", _task(NAP, released_attempt=None)),
    ("outcomes", "was delivered as ['DELAYED']", _task(B, released_attempt=1)),
    ("outcomes", "the task is 0.0 by its place", _first_gone),
    ("decisions", "is there 2 times", _double),
    ("decisions", "were made at 2 moments", _double),
    ("decisions", "has 16 calls, not 8", _double),
    ("decisions", "no call makes a task 0.8", _strange),
    ("decisions", "COMPLETED without the tasks", _less),
    ("decisions", "without its root task", lambda run: run.work.tasks.pop(run.rich)),
    ("decisions", "it awaits", _dependency_again),
    ("decisions", "awaits [], not", _no_dependency),
    ("decisions", "priority of 0.0 is 9, not 5", _task(A, priority=9)),
    ("decisions", "calls workload.b#1.0, not a", _task(A, actor="workload.b#1.0")),
    ("decisions", "has 8 calls already", lambda run: run.work.change(run.rich, state="ENQUEUED")),
    ("effects", "but wrote []", lambda run: run.work.effects.clear()),
    ("effects", "but wrote [EffectRow", _effect_again),
    ("effects", "is COMPLETED, but wrote", _effect_of(A)),
    ("effects", "a task that does not exist", lambda run: run.work.effects.append(EffectRow("task-x", 1, "n"))),
    ("order", "which was settled at", _task(A, ended_at=9_000.0)),
    ("order", "which is WAITING", _task(NAP, state="WAITING", ended_at=None)),
    ("leases", "but the row counts 1", _task(B, attempt=1)),
    ("leases", "nothing is known of it, but it is COMPLETED", _task(B, attempt=3)),
    ("leases", "was claimed as one of workload.a#1.0", _task(A, actor="workload.b#1.0")),
    ("tries", "has 2 tries in 2 attempts, not 1", _task(B, tries=2)),
    ("tries", "has 0 tries in 2 attempts, not 1", _task(B, tries=0)),
    ("tries", "not 1", lambda run: run.work.change(_refused_task(run), tries=2)),
    ("timeouts", "has all of it", lambda run: run.work.change_process(run.forgotten, start_to_end=None)),
    ("timeouts", "s early: started at", lambda run: run.work.change_process(run.forgotten, start_to_end=40.0)),
    ("timeouts", "enqueue to end 15.0 s", lambda run: run.work.change(_spent_task(run), enqueue_to_end=15.0)),
    ("timeouts", "heartbeat 20.0 s", lambda run: run.work.change(run.batch[2], heartbeat=20.0)),
    ("overdue", "its start-to-end time", _rich(state="RUNNING", deadline_at=900.0)),
    ("overdue", "it was started", _rich(state="REGISTERING", created_at=900.0)),
    ("overdue", "its enqueue-to-end time", _task(FORM, state="ENQUEUED", deadline_at=900.0)),
    ("overdue", "its lease ended", _task(A, state="POLLED", lease_ends_at=900.0)),
    ("overdue", "it was due", _task(B, state="DELAYED", due_at=900.0)),
    ("overdue", "it was enqueued", _task(B, state="ENQUEUED", enqueued_at=900.0)),
    ("counters", "it counts 1 open tasks", _rich(open_tasks=1)),
    ("counters", "but tasks are open", _task(B, state="HELD")),
    ("counters", "nobody accepts it", _task(B, state="FAILED", failure='{"type": "x"}')),
    ("counters", "awaited tasks that are not settled", _task(JUDGE, pending=1)),
    ("counters", "but its process is COMPLETED", _task(B, state="ENQUEUED")),
    ("counters", "which has", _wrongly_named),
    ("counters", "HELD, but its process is RUNNING", _running),
    ("counters", "nothing of it can move", _running),
    ("counters", "WAITING, but for nothing", _task(JUDGE, state="WAITING")),
    ("counters", "DECIDED, but what it returned", _task(DECIDE, state="DECIDED")),
    ("counters", "its clock does not run", _rich(state="RUNNING", start_to_end=4.0)),
    ("counters", "its process process-p-1 does not exist", _gone),
    ("counters", "nothing keeps it from completing", _rich(state="PAUSED")),
    ("counters", "do not exist", _first_gone),
    ("audit", "0 events ended it as ABORTED", _rich(state="ABORTED")),
    ("audit", "1 events ended it as TIMED_OUT", lambda run: run.work.change_process(run.forgotten, state="ABORTED")),
    (
        "audit",
        "but its events say ['process-successor']",
        lambda run: run.work.change_process(run.aborted, restarted_as=None),
    ),
    ("audit", "by its events it stands still", _running),
    ("audit", "by its events it moves", _rich(state="PAUSED")),
    ("audit", "it is PAUSED, but its events say []", _rich(state="PAUSED")),
    ("audit", "but its events tell of", _wrongly_named),
    ("audit", "its events are []", _task(B, state="FAILED", failure='{"type": "x"}')),
    ("audit", "neither a delivery nor an event", _task(B, state="FAILED", failure='{"type": "x"}')),
)
"""Check, words, what was falsified."""
