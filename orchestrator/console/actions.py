"""What people do in the admin: the words and the permission of each act."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.console.confirming import Action, ConfirmationWithMessage, ConfirmationWithValue
from processes.models import Event, Process
from tasks.aborting import ABORT
from tasks.acts import Order
from tasks.blocking import (
    block,
    blocked_since,
    check_not_blocked,
    pause_everything,
    resume_everything,
    status_of,
    unblock,
)
from tasks.completing import check_ready, complete_task, fail_task
from tasks.models import EVERYTHING, Task
from tasks.pausing import PAUSE, RESUME
from tasks.restarting import RESTART, RESTART_FAILED_TASKS, check_task, restart_task
from tasks.steering import BATCH, Steered, Steering, steer_each, steer_many

if TYPE_CHECKING:
    from django.db.models import QuerySet

NOBODY = Order()


def _of_processes(name: str, title: str, permission: str, steering: Steering, effect: str) -> Action:
    def steered(rows: QuerySet[Process], order: Order, *, rehearse: bool) -> Steered:
        told = Steered()
        ids = list(rows.order_by("id").values_list("id", flat=True))
        # In parts, for `steer_many` asks its query again for every batch: thousands of ids in it would be dear.
        for start in range(0, len(ids), BATCH):
            part = Process.objects.filter(id__in=ids[start : start + BATCH])
            told.merge(steer_many(steering, part, order, rehearse=rehearse))
        return told

    def rehearse(rows: QuerySet[Process]) -> Steered:
        return steered(rows, NOBODY, rehearse=True)

    def perform(rows: QuerySet[Process], order: Order, asked: Mapping[str, Any]) -> Steered:
        return steered(rows, order, rehearse=False)

    return Action(name, title, permission=permission, effect=effect, rehearse=rehearse, perform=perform)


def _checked(check: Callable[[Any], object]) -> Callable[[Iterable[Any]], Steered]:
    def rehearse(rows: Iterable[Any]) -> Steered:
        found = {row.pk: row for row in rows}
        return steer_each(found, lambda key: check(found[key]))

    return rehearse


def _checked_tasks(check: Callable[[Task], object]) -> Callable[[QuerySet[Task]], Steered]:
    large = ("arguments", "result", "process__arguments", "process__result", "process__failure")
    return lambda rows: _checked(check)(rows.select_related("process").defer(*large))


def _done_to_each(act: Callable[..., Event]) -> Callable[[QuerySet[Any], Order, Mapping[str, Any]], Steered]:
    def perform(rows: QuerySet[Any], order: Order, asked: Mapping[str, Any]) -> Steered:
        keys = list(rows.order_by("pk").values_list("pk", flat=True))
        return steer_each(keys, lambda key: act(key, asked, **asdict(order.within(key))))

    return perform


def _done_to_everything(act: Callable[..., Event]) -> Callable[[QuerySet[Any], Order, Mapping[str, Any]], Steered]:
    return lambda rows, order, asked: steer_each([EVERYTHING], lambda name: act(**asdict(order.within(name))))


PROCESS_ACTIONS = [
    _of_processes(
        "pause",
        "Pause",
        "pause",
        PAUSE,
        "What runs may finish and is kept; nothing new is handed out. Their clocks stand meanwhile.",
    ),
    _of_processes("resume", "Resume", "pause", RESUME, "What was held is handed out again; their clocks go on."),
    _of_processes(
        "restart_failed_tasks",
        "Restart failed tasks",
        "restart",
        RESTART_FAILED_TASKS,
        "Every failed task that nobody accepted gets all its tries again, and the process runs on.",
    ),
    _of_processes(
        "restart",
        "Restart from the beginning",
        "restart",
        RESTART,
        "A new process with the same actor and arguments takes over the custom id. One that has not ended is aborted. "
        "What the old one did outside is not undone, and will be done again.",
    ),
    _of_processes(
        "abort",
        "Abort",
        "abort",
        ABORT,
        "They end now, for good: open tasks are cancelled, and the outcome of what still runs is refused. "
        "What they did outside is not undone.",
    ),
]
TASK_ACTIONS = [
    Action(
        "restart_tasks",
        "Restart failed tasks",
        permission="restart",
        effect="They get all their tries and their time again. Their processes run on where no other failure stands.",
        rehearse=_checked_tasks(check_task),
        perform=_done_to_each(lambda key, asked, **order: restart_task(key, **order)),
    ),
    Action(
        "complete",
        "Complete external tasks",
        permission="complete",
        effect="They are completed with the value below, each with the same one; who waits for them gets it.",
        rehearse=_checked_tasks(check_ready),
        perform=_done_to_each(lambda key, asked, **order: complete_task(key, asked["value"], **order)),
        form=ConfirmationWithValue,
    ),
    Action(
        "fail",
        "Fail external tasks",
        permission="complete",
        effect="They fail for good. A process whose call did not accept the failure stands still.",
        rehearse=_checked_tasks(check_ready),
        perform=_done_to_each(lambda key, asked, **order: fail_task(key, asked["message"], **order)),
        form=ConfirmationWithMessage,
    ),
]
ACTOR_ACTIONS = [
    Action(
        "block",
        "Block",
        permission="block",
        effect="None of their tasks is handed out, until they are unblocked. What runs may finish.",
        rehearse=_checked(check_not_blocked),
        perform=_done_to_each(lambda key, asked, **order: block(key, **order)),
    ),
    Action(
        "unblock",
        "Unblock",
        permission="block",
        effect="Their tasks are handed out again.",
        rehearse=_checked(blocked_since),
        perform=_done_to_each(lambda key, asked, **order: unblock(key, **order)),
    ),
]
EVERYTHING_ACTIONS = [
    Action(
        "pause_everything",
        "Pause everything",
        permission="block",
        effect="Nothing is handed out any more, of whatever actor. What runs may finish; starts are still accepted.",
        rehearse=lambda rows: _checked(check_not_blocked)([status_of(EVERYTHING)]),
        perform=_done_to_everything(pause_everything),
    ),
    Action(
        "resume_everything",
        "Resume everything",
        permission="block",
        effect="Work is handed out again, except of actors that are blocked and processes that are paused themselves.",
        rehearse=lambda rows: _checked(blocked_since)([status_of(EVERYTHING)]),
        perform=_done_to_everything(resume_everything),
    ),
]
