"""A small true run, written by hand, in which everything happens that the checker looks at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.proof.checker.attempts import HEARTBEAT
from tests.proof.checker.leases import SPENT
from tests.proof.checker.windows import START_TO_END
from tests.proof.evaluating import REFUSAL, STUMBLE
from tests.proof.language import Call, Flow, call_of
from tests.proof.scripted_work import WORKER, Work


def flow(*calls: Call, returns: Any, start_to_end: float | None = None) -> Flow:
    """A flow of these calls."""
    return {"calls": list(calls), "returns": returns, "start_to_end": start_to_end}


RICH = flow(
    call_of("a"),
    call_of("book", inputs=[{"call": 0}]),
    call_of("decide", inputs=[{"call": 1}], body=flow(call_of("c", inputs=[{"input": 0}]), returns={"call": 0})),
    call_of("form", "completed"),
    call_of("b", "stumbles", times=1),
    call_of("sleep", start_in=1.0),
    call_of("judge", inputs=[{"call": 2}, {"call": 3}], after=[5]),
    returns={"all": [{"call": 6}, {"value": 7}]},
)
"""Most of what there is."""
REFUSED = flow(call_of("a", "refuses"), returns={"call": 0})
FORGOTTEN = flow(call_of("form", "forgotten"), returns={"value": 1}, start_to_end=4.0)
SPENDING = flow(call_of("form", "forgotten", accept=True, budget=1.5), returns={"call": 0})
PLAIN = flow(*(call_of("a") for _ in range(4)), returns={"value": 5})
ASKING = flow(call_of("form", "completed"), returns={"call": 0})


@dataclass
class TrueRun:
    """The run, and the ids of those in it that tests falsify."""

    work: Work
    rich: str
    rich_tasks: list[str]
    refused: str
    forgotten: str
    spending: str
    aborted: str
    restarted: str
    batch: list[str]
    paused: str


def true_run() -> TrueRun:
    """Write it."""
    work = Work()
    rich, rich_tasks = _rich(work)
    refused = _refused(work)
    forgotten, spending = _timeouts(work)
    aborted, restarted = _restarted(work)
    batch = _lost(work, restarted)
    paused = _paused(work)
    run = TrueRun(work, rich, rich_tasks, refused, forgotten, spending, aborted, restarted, batch, paused)
    work.ask_why(refused, "failed")
    work.ask_why(paused, "paused")
    return run


def _rich(work: Work) -> tuple[str, list[str]]:
    rich = work.start("p-1", RICH)
    work.start("p-1", RICH, code=1)
    work.start("p-1", PLAIN, code=2, variant=1, reason="different")
    work.register(rich)
    a, book, decide, form, b, nap, judge, collect = tasks = work.decide(rich)
    first = work.work(a)
    work.claim(b)
    work.begin(b, mode="stumbles")
    work.end(b, "error", pause=0.18, error=STUMBLE)
    work.offer(b, "DELAYED")
    work.deliver(b, "DELAYED", due_at=work.now + 0.2, delay_reason="retry", tries=1)
    work.answer(b)
    booked = work.work(book, [first])
    work.act("block", "blocked", actor="workload.c#1.0", detail={"actor": "workload.c#1.0"})
    [inner] = work.decide(decide, [booked])
    work.wait(1.0)
    work.act("unblock", "unblocked", actor="workload.c#1.0", detail={"actor": "workload.c#1.0"})
    carried = work.work(inner, [booked])
    answer = [work.digest_of(form), "n-form"]

    def complete() -> None:
        work.change(form, state="COMPLETED", result=json.dumps(answer), ended_at=work.wait())
        work.settle(form)

    detail = {"actor": "workload.form#1.0", "state_before": "ENQUEUED"}
    work.act("complete_task", "external_task_completed", complete, process=rich, task=form, value=answer, detail=detail)
    work.change(b, state="ENQUEUED", enqueued_at=work.wait())
    work.work(b)
    work.change(nap, state="ENQUEUED", enqueued_at=work.wait())
    work.nap(nap)
    judged = work.work(judge, [carried, answer])
    work.decide(collect, value=[judged, 7])
    return rich, tasks


def _refused(work: Work) -> str:
    """Fails, is restarted, and fails again."""
    refused = work.start("p-2", REFUSED)
    work.register(refused)
    [task] = work.decide(refused)
    work.refuse(task, REFUSAL)

    def restart() -> None:
        work.change(task, state="ENQUEUED", tries=0, failure=None, ended_at=None, enqueued_at=work.wait())
        work.change_process(refused, state="RUNNING", failure=None, failed_task_id=None, stood_still_at=None)

    detail = {"state": "RUNNING", "restarted": [task], "refused": {}}
    work.wait(1.0)
    work.act("restart_failed_tasks", "failed_tasks_restarted", restart, process=refused, detail=detail)
    work.refuse(task, REFUSAL)
    return refused


def _timeouts(work: Work) -> tuple[str, str]:
    forgotten, spending = work.start("p-3", FORGOTTEN), work.start("p-4", SPENDING)
    for process in (forgotten, spending):
        work.register(process)
    [waiting], [form] = work.decide(forgotten), work.decide(spending)
    work.wait(1.6)
    failure = json.dumps({"type": "timeout", "message": "the enqueue-to-end time is used up"})
    work.change(form, state="FAILED", failure=failure, failure_accepted=True, ended_at=work.wait())
    work.event(SPENT, spending, form, actor="workload.form#1.0", state_before="ENQUEUED", policy="fail")
    work.settle(form)
    work.wait(4.0)
    for task in (forgotten, waiting):
        if work.tasks[task].state != "COMPLETED":
            work.change(task, state="CANCELLED", ended_at=work.wait())
    work.change_process(forgotten, state="TIMED_OUT", open_tasks=0, ended_at=work.now)
    work.event(START_TO_END, forgotten, None, policy="time_out")
    return forgotten, spending


def _restarted(work: Work) -> tuple[str, str]:
    """Is restarted while a worker is at it, whose delivery is refused then."""
    aborted = work.start("p-5", PLAIN)
    work.register(aborted)
    work.claim(aborted)
    work.begin(aborted)
    successor = "process-successor"

    def restart() -> None:
        work.insert(successor, "p-5", work.processes[aborted].arguments, None)
        leased = {"poll_ends_at": None, "lease_ends_at": None, "batch_size": None}
        work.change(aborted, state="CANCELLED", ended_at=work.now, **leased)
        given_up = {"custom_id": None, "former_custom_id": "p-5", "restarted_as": successor}
        work.change_process(aborted, state="ABORTED", ended_at=work.now, open_tasks=0, **given_up)

    detail = {"state_before": "RUNNING", "restarted_as": successor}
    work.act("restart_process", "restarted", restart, process=aborted, detail=detail)
    work.end(aborted, "decision")
    work.offer(aborted, "COMPLETED")
    work.event("release_refused", aborted, aborted, attempt=1, reason="lease_lost", outcome="COMPLETED")
    work.answer(aborted, "lease_lost")
    work.register(successor)
    return aborted, successor


def _lost(work: Work, process: str) -> list[str]:
    """Four tasks are claimed together. Two are lost; one of them, claimed alone then, is lost again."""
    batch = one, two, three, four = work.decide(process)
    work.claim(one, two, three, four)
    work.work(one, is_claimed=True)
    work.offer(two, "ENQUEUED")
    work.deliver(two, "ENQUEUED", enqueued_at=work.now)
    work.answer(two)
    held = [[three, 1], [four, 1]]
    work.line(WORKER, "heartbeat", began=work.wait(), tasks=held, extended=[three, four])
    work.claim(two)
    work.begin(two)
    work.wait(2.1)
    work.lose(three, HEARTBEAT, alone=False)
    work.lose(four, HEARTBEAT, alone=False)
    work.lose(two, HEARTBEAT, alone=True)
    work.claim(three)
    work.wait(2.1)
    work.lose(three, HEARTBEAT, alone=True)
    work.work(three)
    work.work(two)
    work.work(four)
    return [*batch]


def _paused(work: Work) -> str:
    """Stands still at the end; was paused and resumed before."""
    paused = work.start("p-6", ASKING)
    work.register(paused)
    [form] = work.decide(paused)

    def stand(task: str, process: str) -> Any:
        def do() -> None:
            work.change(form, state=task)
            work.change_process(paused, state=process, stood_still_at=work.now if process == "PAUSED" else None)

        return do

    work.act("pause", "paused", stand("HELD", "PAUSED"), process=paused, detail={"state_before": "RUNNING"})
    work.act("resume", "resumed", stand("ENQUEUED", "RUNNING"), process=paused, detail={"state": "RUNNING"})
    work.act("pause", "paused", stand("HELD", "PAUSED"), process=paused, detail={"state_before": "RUNNING"})
    return paused
