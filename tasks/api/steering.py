"""Acts on processes, tasks and actors over HTTP; each is recorded, and safe to repeat under a `request_id`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from ninja import Router, Status
from pydantic import Field

from processes import wire
from processes.api import Happened, happened
from processes.callers import ApiRequest, require
from processes.errors import (
    AlreadyEnded,
    AlreadyRestarted,
    BeingDeleted,
    NoSuchProcess,
    NotPaused,
    NotRunning,
    Refused,
)
from processes.models import Event
from processes.problems import WITH_BODY, Problem, kind_of
from processes.shapes import Shape, Text, Value
from processes.values import Json
from tasks.actors import (
    abort,
    block,
    complete_task,
    fail_task,
    pause,
    pause_everything,
    restart_failed_tasks,
    restart_process,
    restart_task,
    resume,
    resume_everything,
    unblock,
)
from tasks.acts import REASON_LIMIT, WORDS_LIMIT
from tasks.errors import (
    AlreadyBlocked,
    AlreadySettled,
    DependencyFailed,
    FailureWasAccepted,
    NoSuchTask,
    NotBlocked,
    NotExternal,
    NotFailed,
    NothingFailed,
    NotReady,
)
from tasks.models import EVERYTHING

View = TypeVar("View", bound=Callable[..., Status[Happened]])
router = Router(tags=["steer"])


class Ordered(Shape):
    """Why something is to be done, for the history, and under which name the request may be repeated."""

    reason: Text = Field(default="", max_length=REASON_LIMIT)
    request_id: Text | None = Field(
        default=None,
        min_length=1,
        max_length=WORDS_LIMIT,
        description="The client's own name of this act, used once. The request repeated with it gets the first answer.",
    )


class Completion(Ordered):
    """What an external task is completed with."""

    value: Value = None


class Failing(Ordered):
    """What an external task fails with."""

    message: Text
    type: Text = "external"
    detail: Any = Field(default=None, description="Plain JSON.")


class ActorOrdered(Ordered):
    """Which actor is meant."""

    actor: Text = Field(description="name#version or name#version@list; `*` is everything.")


@dataclass(frozen=True, slots=True)
class Act:
    """What may be done, who may do it, and which refusals it may meet."""

    operation_id: str
    do: Callable[..., Event]
    permission: str
    refusals: tuple[type[Refused], ...]

    def answer(self, request: ApiRequest, body: Ordered, *subject: object, **more: object) -> Status[Happened]:
        """Do it in the caller's name. Raises Rejected, and what the act raises."""
        require(request.auth.may_operate(self.permission), f"the scope operate, or the permission {self.permission}")
        told = self.do(*subject, by=request.auth.name, reason=body.reason, request_id=body.request_id, **more)
        return Status(200, happened(told))

    def at(self, path: str) -> Callable[[View], View]:
        """Serves the decorated view at this path, with all refusals in the API's description."""
        refusals: dict[int, list[str]] = {}
        for each in self.refusals:
            refusals.setdefault(kind_of(each).status, []).append(each.code)
        route: Callable[[View], View] = router.post(
            path,
            operation_id=self.operation_id,
            response={200: Happened, WITH_BODY.union(refusals): Problem},
            openapi_extra={
                "responses": {status: {"description": ", ".join(codes)} for status, codes in refusals.items()}
            },
        )
        return route


def block_any(actor: str, **order: Any) -> Event:
    """Hand nothing of an actor out any more; of `*`, nothing at all."""
    return pause_everything(**order) if actor == EVERYTHING else block(actor, **order)


def unblock_any(actor: str, **order: Any) -> Event:
    """Hand tasks of a blocked actor out again; of `*`, end the pause of everything."""
    return resume_everything(**order) if actor == EVERYTHING else unblock(actor, **order)


def complete_with(task_id: UUID, sent: Json, **order: Any) -> Event:
    """Complete an external task with the value that a client sent."""
    return complete_task(task_id, wire.read(sent), **order)


PAUSE, RESTART = "processes.pause_process", "processes.restart_process"
COMPLETE, BLOCK = "tasks.complete_task", "tasks.block_actor"
ABORTING = Act("abortProcess", abort, "processes.abort_process", (NoSuchProcess, AlreadyEnded))
PAUSING = Act("pauseProcess", pause, PAUSE, (NoSuchProcess, NotRunning))
RESUMING = Act("resumeProcess", resume, PAUSE, (NoSuchProcess, NotPaused))
RESTARTING = Act("restartProcess", restart_process, RESTART, (NoSuchProcess, AlreadyRestarted, BeingDeleted))
RESTARTING_FAILED = Act(
    "restartFailedTasks",
    restart_failed_tasks,
    RESTART,
    (NoSuchProcess, AlreadyEnded, NothingFailed, FailureWasAccepted, DependencyFailed),
)
RESTARTING_TASK = Act(
    "restartTask",
    restart_task,
    "tasks.restart_task",
    (NoSuchTask, AlreadyEnded, NotFailed, FailureWasAccepted, DependencyFailed),
)
SETTLED = (NoSuchTask, AlreadyEnded, NotExternal, NotReady, AlreadySettled)
COMPLETING = Act("completeTask", complete_with, COMPLETE, SETTLED)
FAILING = Act("failTask", fail_task, COMPLETE, SETTLED)
BLOCKING = Act("blockActor", block_any, BLOCK, (AlreadyBlocked,))
UNBLOCKING = Act("unblockActor", unblock_any, BLOCK, (NotBlocked,))


@ABORTING.at("/processes/{uuid:process_id}/abort")
def abort_process(request: ApiRequest, process_id: UUID, body: Ordered) -> Status[Happened]:
    """End a process as ABORTED, and cancel its open tasks; the outcome of what still runs is refused."""
    return ABORTING.answer(request, body, process_id)


@PAUSING.at("/processes/{uuid:process_id}/pause")
def pause_process(request: ApiRequest, process_id: UUID, body: Ordered) -> Status[Happened]:
    """Make a RUNNING process stand still: what runs may finish and is kept, nothing new is handed out."""
    return PAUSING.answer(request, body, process_id)


@RESUMING.at("/processes/{uuid:process_id}/resume")
def resume_process(request: ApiRequest, process_id: UUID, body: Ordered) -> Status[Happened]:
    """Let a PAUSED process go on; `detail.state` of the answer tells whether it is RUNNING or FAILED now."""
    return RESUMING.answer(request, body, process_id)


@RESTARTING.at("/processes/{uuid:process_id}/restart")
def restart(request: ApiRequest, process_id: UUID, body: Ordered) -> Status[Happened]:
    """Start a new process from the same actor and arguments (`detail.restarted_as`); one not ended is aborted."""
    return RESTARTING.answer(request, body, process_id)


@RESTARTING_FAILED.at("/processes/{uuid:process_id}/restart-failed-tasks")
def restart_failed(request: ApiRequest, process_id: UUID, body: Ordered) -> Status[Happened]:
    """Restart every failed task of a process that can be; `detail` names them, and why the others cannot."""
    return RESTARTING_FAILED.answer(request, body, process_id)


@RESTARTING_TASK.at("/tasks/{uuid:task_id}/restart")
def restart_one_task(request: ApiRequest, task_id: UUID, body: Ordered) -> Status[Happened]:
    """Give a failed task all its tries and its time again."""
    return RESTARTING_TASK.answer(request, body, task_id)


@COMPLETING.at("/tasks/{uuid:task_id}/complete")
def complete(request: ApiRequest, task_id: UUID, body: Completion) -> Status[Happened]:
    """Complete the task of an external actor. Again with an equal value: the first answer."""
    return COMPLETING.answer(request, body, task_id, body.value)


@FAILING.at("/tasks/{uuid:task_id}/fail")
def fail(request: ApiRequest, task_id: UUID, body: Failing) -> Status[Happened]:
    """Fail the task of an external actor for good. Again with an equal failure: the first answer."""
    return FAILING.answer(request, body, task_id, body.message, type=body.type, detail=body.detail)


@BLOCKING.at("/actors/block")
def block_actor(request: ApiRequest, body: ActorOrdered) -> Status[Happened]:
    """Hand no task of an actor out any more. What runs may finish."""
    return BLOCKING.answer(request, body, body.actor)


@UNBLOCKING.at("/actors/unblock")
def unblock_actor(request: ApiRequest, body: ActorOrdered) -> Status[Happened]:
    """Hand tasks of a blocked actor out again."""
    return UNBLOCKING.answer(request, body, body.actor)
