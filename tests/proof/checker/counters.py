"""Counters: the final rows do not contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.proof.checker.records import FINAL, OPEN, STANDSTILLS, ProcessRow, TaskRow, Violation
from tests.proof.checker.story import Story

ACTIVE = ("ENQUEUED", "POLLED", "DELAYED")
BUDGETED = ("WAITING", "DELAYED", "ENQUEUED", "HELD", "POLLED")


def check(story: Story) -> Iterator[Violation]:
    """Counters equal what they count, and states fit together."""
    for process in story.records.processes:
        tasks = story.tasks_of.get(process.id, ())
        for sentence in (*_open_tasks(process, tasks), *_states(process, tasks), *_life(process)):
            yield Violation(sentence, process.id)
    for task in story.records.tasks:
        process_row = story.processes.get(task.process_id)
        if process_row is None:
            yield Violation(f"its process {task.process_id} does not exist", None, task.id)
            continue
        for sentence in (*_pending(task, story), *_place(task, process_row, story), *_budget(task, process_row)):
            yield Violation(sentence, task.process_id, task.id)


def _open_tasks(process: ProcessRow, tasks: Sequence[TaskRow]) -> Iterator[str]:
    unaccepted = [task for task in tasks if task.state == "FAILED" and not task.failure_accepted]
    still_open = [task for task in tasks if task.state in OPEN]
    # What has failed stays FAILED where a process is ended before its time; nothing of it is open any more.
    counted = 0 if process.state in ("ABORTED", "TIMED_OUT") else len(still_open) + len(unaccepted)
    if process.open_tasks != counted:
        yield f"it counts {process.open_tasks} open tasks, but {counted} are"
    if process.state in FINAL and still_open:
        yield f"it is {process.state}, but tasks are open: {[(task.id, task.state) for task in still_open]}"
    if process.state == "COMPLETED" and unaccepted:
        yield f"it is COMPLETED, but tasks failed and nobody accepts it: {[task.id for task in unaccepted]}"


def _states(process: ProcessRow, tasks: Sequence[TaskRow]) -> Iterator[str]:
    unaccepted = {task.id: task for task in tasks if task.state == "FAILED" and not task.failure_accepted}
    if process.state == "FAILED" and process.failed_task_id is not None:
        failed = unaccepted.get(process.failed_task_id)
        if failed is None or failed.failure != process.failure:
            yield f"it is FAILED for task {process.failed_task_id} ({process.failure}), which has {failed}"
    if process.state == "RUNNING" and unaccepted:
        yield f"it is RUNNING, but tasks failed and nobody accepts it: {list(unaccepted)}"
    if process.state == "RUNNING" and not any(task.state in ACTIVE for task in tasks):
        yield f"it is RUNNING, but nothing of it can move: {[(task.id, task.state) for task in tasks]}"
    if process.state == "PAUSED" and not unaccepted and not any(task.state in (*ACTIVE, "HELD") for task in tasks):
        yield f"it is PAUSED, but nothing keeps it from completing: {[(task.id, task.state) for task in tasks]}"


def _life(process: ProcessRow) -> Iterator[str]:
    if process.start_to_end is None or process.on_start_to_end != "time_out":
        return
    if process.state == "RUNNING" and process.deadline_at is None:
        yield f"it is RUNNING and has {process.start_to_end} s, but its clock does not run"
    if process.state in STANDSTILLS and process.start_to_end_left is None and process.registered_at is not None:
        yield f"it is {process.state}, but nothing is left of its {process.start_to_end} s"


def _pending(task: TaskRow, story: Story) -> Iterator[str]:
    if task.state in ("CANCELLED", "FAILED"):
        return
    awaited = [story.tasks.get(each.awaited_id) for each in story.awaits.get(task.id, ())]
    missing = sum(each is None for each in awaited)
    strangers = [each.id for each in awaited if each is not None and each.process_id != task.process_id]
    if missing or strangers:
        yield f"{missing} of the tasks that it awaits do not exist, and {strangers} are of other processes"
    counted = sum(each is None or not each.is_settled for each in awaited)
    if task.pending != counted:
        yield f"it counts {task.pending} awaited tasks that are not settled, but {counted} are"


def _place(task: TaskRow, process: ProcessRow, story: Story) -> Iterator[str]:
    if task.state == "HELD" and process.state == "RUNNING":
        yield "it is HELD, but its process is RUNNING"
    if task.state == "ENQUEUED" and process.state != "RUNNING":
        yield f"it is ENQUEUED, but its process is {process.state}"
    if task.state == "WAITING" and task.pending == 0 and process.state != "REGISTERING":
        yield "it is WAITING, but for nothing"
    if task.state == "DECIDED":
        promised = story.tasks.get(task.value_from or "")
        if promised is None or promised.is_settled:
            yield f"it is DECIDED, but what it returned, {task.value_from}, is {promised.state if promised else 'gone'}"


def _budget(task: TaskRow, process: ProcessRow) -> Iterator[str]:
    if task.enqueue_to_end is None or task.on_enqueue_to_end != "fail" or task.enqueued_at is None:
        return
    if task.state in BUDGETED and process.state == "RUNNING" and task.deadline_at is None:
        yield f"it is {task.state} and has {task.enqueue_to_end} s, but its clock does not run"
    if task.state in BUDGETED and process.state in STANDSTILLS and task.budget_left is None:
        yield f"its process is {process.state}, but nothing is left of its {task.enqueue_to_end} s"
