"""True runs whose histories or audit trail were falsified: each with the check that must notice, and words it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.proof.checker.attempts import HEARTBEAT, POLL_TO_END
from tests.proof.checker.leases import SPENT
from tests.proof.checker.windows import START_TO_END
from tests.proof.falsified_rows import BOOK, DECIDE, NAP, A, B, Falsify
from tests.proof.scripted_work import WORKER
from tests.proof.true_run import TrueRun

Line = dict[str, Any]
Change = Callable[[Line], object]


def _lines(run: TrueRun, what: str, task: str | None = None) -> list[Line]:
    """The lines that tell this, of a task where one is named."""
    lines = [line for file in run.work.files.values() for line in file if line["what"] == what]
    return [line for line in lines if task is None or task in str(line)]


def _of(place: int, what: str, change: Change, nth: int = 0) -> Falsify:
    """Change a line about a task of the rich process."""
    return lambda run: change(_lines(run, what, run.rich_tasks[place])[nth])


def _without(place: int, what: str) -> Falsify:
    """Forget all lines of a kind about a task of the rich process."""

    def falsify(run: TrueRun) -> None:
        gone = _lines(run, what, run.rich_tasks[place])
        for file in run.work.files.values():
            file[:] = [line for line in file if line not in gone]

    return falsify


def _again(place: int, what: str) -> Falsify:
    return lambda run: run.work.files[WORKER].append(_lines(run, what, run.rich_tasks[place])[0])


def change_event(kind: str, /, **columns: Any) -> Falsify:
    """Change the first event of a kind; `detail` is added to what it tells."""

    def falsify(run: TrueRun) -> None:
        place = next(place for place, event in enumerate(run.work.events) if event.kind == kind)
        event = run.work.events[place]
        told = dict(columns)
        if "detail" in told:
            told["detail"] = {**event.detail, **told["detail"]}
        run.work.events[place] = replace(event, **told)

    return falsify


def remove_event(kind: str) -> Falsify:
    return lambda run: run.work.events.remove(next(event for event in run.work.events if event.kind == kind))


def repeat_event(kind: str) -> Falsify:
    def falsify(run: TrueRun) -> None:
        event = next(event for event in run.work.events if event.kind == kind)
        run.work.events.append(replace(event, id=len(run.work.events) + 1, request_id=None))

    return falsify


def _claimed_in_standstill(run: TrueRun) -> None:
    """A root was claimed between the pause of its process and the resume."""
    paused = next(event for event in run.work.events if event.kind == "paused")
    line = _lines(run, "claimed", run.paused)[0]
    line["began"], line["at"] = paused.at + 0.012, paused.at + 0.015


def _claimed_after_failure(run: TrueRun) -> None:
    failed = next(event for event in run.work.events if event.kind == "task_failed")
    line = _lines(run, "claimed", run.refused)[-1]
    line["began"], line["at"] = failed.at + 0.5, failed.at + 0.6


def _claimed_together(run: TrueRun) -> None:
    """What was to be claimed alone came with another."""
    line = _lines(run, "claimed", f"'{run.batch[2]}', '{run.restarted}', 2")[0]
    line["leases"].append([run.batch[0], run.restarted, 2])


def _expired_too_often(run: TrueRun) -> None:
    """A lease that was lost in a batch counted a try."""
    change_event(HEARTBEAT, detail={"tries": 1})(run)


def _failed_early(run: TrueRun) -> None:
    change_event(HEARTBEAT, detail={"became": "FAILED"})(run)


def _delivered_twice(run: TrueRun) -> None:
    for what in ("releasing", "released"):
        _again(A, what)(run)


def _taken_back(run: TrueRun) -> None:
    run.work.event(HEARTBEAT, run.rich, run.rich_tasks[A], attempt=1, tries=0, became="ENQUEUED")


def _same_nonce(run: TrueRun) -> None:
    """Two workers have the value of one."""
    value = _lines(run, "ended", run.rich_tasks[A])[0]["value"]
    _lines(run, "ended", run.rich_tasks[B])[-1]["value"] = value
    run.work.change(run.rich_tasks[B], result=run.work.tasks[run.rich_tasks[A]].result)


def _claimed_in_block(run: TrueRun) -> None:
    blocked = next(event for event in run.work.events if event.kind == "blocked")
    line = next(line for line in _lines(run, "claimed") if line["actor"] == "workload.c#1.0")
    line["began"], line["at"] = blocked.at + 0.05, blocked.at + 0.06


def _alone_for_nothing(run: TrueRun) -> None:
    """A lease that was lost alone counted no try."""
    place = [place for place, event in enumerate(run.work.events) if event.kind == HEARTBEAT][2]
    event = run.work.events[place]
    run.work.events[place] = replace(event, detail={**event.detail, "tries": 0})


def _stood(run: TrueRun) -> None:
    """Everything was paused for longer than a process had time left."""
    began = next(event for event in run.work.events if event.process_id == run.forgotten).at - 5.0
    for place, (act, kind) in enumerate(
        (("pause_everything", "everything_paused"), ("resume_everything", "everything_resumed"))
    ):
        run.work.now = began + 2.0 * place
        run.work.act(act, kind, detail={"actor": "*"})


def _worked_by_nobody(run: TrueRun) -> None:
    run.work.files[WORKER].append({"what": "effect", "task": "task-x", "attempt": 1})


def _extended_too_late(run: TrueRun) -> None:
    """A heartbeat of a lost attempt extended the lease of the next one."""
    line = dict(_lines(run, "heartbeat")[0])
    line["began"] = line["at"] = run.work.now
    run.work.files[WORKER].append(line)


HISTORIES: tuple[tuple[str, str, Falsify], ...] = (
    ("outcomes", "delivered with success 2 times", _delivered_twice),
    ("outcomes", "and taken back", _taken_back),
    ("outcomes", "after attempt 2 had been claimed", _of(B, "claimed", lambda line: line.update(at=1_000.0), nth=-1)),
    ("outcomes", "but its attempt 1 returned", _of(A, "ended", lambda line: line.update(value=["d-1", "n-1"]))),
    ("outcomes", "was handed", _of(BOOK, "began", lambda line: line.update(handed=[["d-1", "n-1"]]))),
    ("outcomes", "is that of task", _same_nonce),
    (
        "outcomes",
        "was delivered as ['FAILED']",
        _of(A, "releasing", lambda line: line["outcomes"][0].__setitem__(2, "FAILED")),
    ),
    ("decisions", "before its decision was delivered", _of(DECIDE, "releasing", lambda line: line.update(at=9_000.0))),
    ("decisions", "after its delivery was answered", _of(DECIDE, "released", lambda line: line.update(at=1_000.0))),
    ("effects", "had the effects []", _without(A, "effect")),
    ("order", "was to be followed", _of(B, "claimed", lambda line: line.update(at=1_000.3), nth=-1)),
    ("order", "to start 1.0 s later", _of(NAP, "claimed", lambda line: line.update(at=1_000.3))),
    ("order", "whose outcome was delivered at", _of(BOOK, "claimed", lambda line: line.update(at=1_000.0))),
    ("standing", "workload.c#1.0 was blocked", _claimed_in_block),
    ("standing", "but the process stood still", _claimed_in_standstill),
    ("standing", "(task_failed", _claimed_after_failure),
    ("leases", "was claimed 2 times", _again(A, "claimed")),
    ("leases", "ran 2 times", _again(A, "began")),
    ("leases", "but nobody claimed it", _without(A, "claimed")),
    ("leases", "claimed at 9000", _of(A, "claimed", lambda line: line.update(at=9_000.0))),
    (
        "leases",
        "handed back as unused, but ran",
        _of(A, "releasing", lambda line: line["outcomes"][0].__setitem__(2, "ENQUEUED")),
    ),
    ("leases", "nothing ended its lease, but attempt 2 followed", remove_event(HEARTBEAT)),
    ("leases", "ended at", _of(B, "claimed", lambda line: line.update(at=1_000.3), nth=-1)),
    ("leases", "before attempt 1", _of(B, "claimed", lambda line: line.update(began=9_000.0))),
    ("leases", "of a task that does not exist", _worked_by_nobody),
    ("leases", "was extended by a heartbeat", _extended_too_late),
    ("tries", "began after 7 tries", _of(B, "began", lambda line: line.update(tries=7))),
    ("tries", "is to be claimed alone", _claimed_together),
    ("tries", "was lost in a batch with 0 tries before", _expired_too_often),
    ("tries", "no reason to fail", _failed_early),
    ("tries", "was lost alone with", _alone_for_nothing),
    ("timeouts", "heartbeat 2.0 s", change_event(HEARTBEAT, at=1_000.0)),
    ("timeouts", "poll to end 300.0 s", change_event(HEARTBEAT, kind=POLL_TO_END)),
    ("timeouts", "stood still 1", _stood),
    ("lateness", "and taken back at 9000", change_event(HEARTBEAT, at=9_000.0)),
    ("lateness", "but it was claimed or failed at 9000", change_event(SPENT, at=9_000.0)),
    ("lateness", "but it ended at 9000", change_event(START_TO_END, at=9_000.0)),
    ("audit", "2 events ended it as TIMED_OUT", repeat_event(START_TO_END)),
    ("audit", "0 events ended it as ABORTED", remove_event("restarted")),
    ("audit", "its events tell of set()", lambda run: [remove_event("task_failed")(run) for _ in range(2)]),
    ("audit", "completed from outside, but its events are []", remove_event("external_task_completed")),
    ("audit", "1 times it was refused, but 0 events say so", remove_event("release_refused")),
    ("audit", "but nobody delivered it", change_event("release_refused", task_id="task-x")),
)
"""Check, words, what was falsified."""
