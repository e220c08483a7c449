"""Walks processes to their ends in this process, without Celery: what is due later is made due, forms are answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db.models import F

from processes.models import Process, ProcessState
from processes.values import decode
from recovery.scans import run_scan
from tasks.actors import complete_task, fail_task
from tasks.claiming import read_values
from tasks.models import Task
from tasks.policies import ActorName
from tasks.registration import register_all_waiting
from tasks.registry import ACTORS
from tasks.releasing import release
from tasks.states import TaskState
from tasks.transactional import execute_transactionally
from tests.by_hand import claimed, current, executed
from tests.proof.evaluating import FAILED_OUTSIDE
from tests.proof.language import COLLECT, RETURNED, ROOT, TIMER, Call, digest, structure
from tests.proof.workload.actors import draw_nonce, form

LONG = timedelta(days=1)


def walk() -> None:
    """Do all that can be done in all processes, until nothing is left but what waits for ever."""
    register_all_waiting()
    while _work() or _make_due() or _answer_forms() or _let_time_run_out():
        pass


def keys_of(process: Process) -> dict[str, Task]:
    """The tasks of a process by their keys."""
    tasks = {task.id: task for task in Task.objects.filter(process_id=process.id)}
    keys: dict[UUID, str] = {process.id: ROOT}
    for task in tasks.values():
        if task.id != process.id and "key" in (arguments := orjson.loads(task.arguments)):
            keys[task.id] = arguments["key"]
    bodies = _bodies(orjson.loads(process.arguments)["flow"], ROOT)
    for task in tasks.values():
        if task.id not in keys and task.parent_id is not None:
            decider = keys[task.parent_id]
            calls = bodies[decider]
            timers = [index for index, call in enumerate(calls) if call["actor"] == TIMER]
            keys[task.id] = f"{decider}.{RETURNED if COLLECT in task.actor else timers[0]}"
    return {keys[task.id]: task for task in tasks.values()}


def value_of(task: Task) -> Any:
    """The structure of the value with which a task is settled."""
    origin = task if task.value_from is None else Task.objects.get(id=task.value_from)
    if origin.failure is not None:
        return {"failure": orjson.loads(origin.failure)["type"]}
    assert origin.result is not None
    return structure(orjson.loads(origin.result))


def _bodies(body: Any, key: str) -> dict[str, list[Call]]:
    bodies = {key: body["calls"]}
    for index, call in enumerate(body["calls"]):
        if call["body"] is not None:
            bodies |= _bodies(call["body"], f"{key}.{index}")
    return bodies


def _work() -> bool:
    actors = set(Task.objects.filter(state=TaskState.ENQUEUED).exclude(kind="external").values_list("actor", flat=True))
    for actor in actors:
        leases = claimed(actor)
        code = ACTORS.get(ActorName.parse(actor))
        if code.transactional:
            values = read_values(leases)
            for lease in leases:
                execute_transactionally(lease, code, values, current(lease))
        else:
            release(executed(leases))
    return bool(actors)


def _make_due() -> bool:
    # What stumbles until its time is over is left to its time.
    later = Task.objects.filter(state=TaskState.DELAYED, process__state=ProcessState.RUNNING, tries__lt=5)
    later.update(due_at=F("due_at") - LONG)
    return run_scan("due") > 0


def _answer_forms() -> bool:
    answered = False
    waiting = Task.objects.filter(actor=str(form.actor_name), state__in=[TaskState.ENQUEUED, TaskState.HELD])
    for task in waiting:
        arguments = decode(task.arguments, resolve=lambda _: None)
        mode = arguments["call"]["mode"]
        if mode == "completed":
            complete_task(task, [digest(arguments["key"], []), draw_nonce()])
        elif mode == "failed":
            fail_task(task, "no", type=FAILED_OUTSIDE)
        answered = answered or mode in ("completed", "failed")
    return answered


def _let_time_run_out() -> bool:
    Task.objects.filter(deadline_at__isnull=False).update(deadline_at=F("deadline_at") - LONG)
    if run_scan("task_enqueue_to_end"):
        return True
    Process.objects.filter(state=ProcessState.RUNNING, deadline_at__isnull=False).update(
        deadline_at=F("deadline_at") - LONG
    )
    return run_scan("process_start_to_end") > 0
