"""Releases over HTTP: the outcomes of attempts, delivered as Python workers deliver theirs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Router, Status
from pydantic import Field

from processes import wire
from processes.callers import ApiRequest
from processes.errors import ProcessesError, ValueTooLarge
from processes.problems import BODY_TOO_LARGE, INVALID, WITH_BODY, Kind, Problem, kind, kind_of
from processes.shapes import Shape, Uuid, Value
from processes.values import canonical
from tasks import bell
from tasks.api.leases import LeaseNamed, Leases, tasks_to_act_on
from tasks.arguments import encode_result
from tasks.completing import failure_told
from tasks.errors import NoSuchTask
from tasks.execution import after
from tasks.leases import lease_of, tasks_of
from tasks.models import Task
from tasks.outcomes import Answer, Lease, Outcome, completed, handed_back, snoozed
from tasks.policies import LONGEST, ActorName, Retry
from tasks.registry import ACTORS
from tasks.releasing import release
from tasks.states import TaskState

LEASE_LOST = kind("lease_lost", 409, "The lease ended before, or its attempt had another outcome; nothing was written")

router = Router(tags=["act"])


class ValueOutcome(LeaseNamed):
    """The attempt returned a value."""

    outcome: Literal["value"]
    value: Value

    def of(self, lease: Lease) -> Outcome:
        """For the engine. Raises NotStorable and ValueTooLarge."""
        return completed(lease, encode_result(wire.read(self.value)))


class FailureOutcome(LeaseNamed):
    """The attempt failed."""

    outcome: Literal["failure"]
    type: str
    message: str
    detail: Any = Field(default=None, description="Plain JSON.")
    retry: bool = Field(default=True, description="False: the task is not tried again, whatever its policy.")

    def of(self, lease: Lease) -> Outcome:
        """For the engine, under the retry policy of the task. Raises NotStorable and ValueTooLarge."""
        actor = ACTORS.find(ActorName.parse(lease.actor))
        policy = actor.retry if actor is not None else Retry()
        return after(lease, failure_told(self.type, self.message, self.detail), policy, gives_up=not self.retry)


class SnoozeOutcome(LeaseNamed):
    """Not yet: again later, no try is counted."""

    outcome: Literal["snooze"]
    seconds: float = Field(ge=0, le=LONGEST.total_seconds())

    def of(self, lease: Lease) -> Outcome:
        """For the engine."""
        return snoozed(lease, timedelta(seconds=self.seconds))


class HandBackOutcome(LeaseNamed):
    """The lease is given up unused."""

    outcome: Literal["hand_back"]

    def of(self, lease: Lease) -> Outcome:
        """For the engine."""
        return handed_back(lease)


Ended = Annotated[
    ValueOutcome | FailureOutcome | SnoozeOutcome | HandBackOutcome,
    Field(discriminator="outcome"),
]


class Releases(Shape):
    """Outcomes to deliver, of each task once."""

    outcomes: Leases[Ended]


class Delivered(Shape):
    """The outcome counts: since now, or since it was delivered before."""

    task_id: Uuid
    attempt: int
    answer: Literal["accepted", "already_accepted"]


class NotDelivered(Problem):
    """Nothing was written of this outcome."""

    task_id: Uuid
    attempt: int


class ReleasesAnswered(Shape):
    """The answers, in the order of the outcomes."""

    outcomes: list[Delivered | NotDelivered]


@router.post(
    "/tasks/release",
    operation_id="release",
    response={
        200: ReleasesAnswered,
        frozenset({404, 409}): NotDelivered,
        frozenset({413, 422}): NotDelivered | Problem,
        WITH_BODY - {413, 422}: Problem,
    },
)
def release_tasks(request: ApiRequest, body: Releases) -> Status[Any]:
    """Deliver up to 100 outcomes, each for itself; one alone that is not delivered has the status of its problem."""
    answers = _answers(request, body.outcomes)
    if len(answers) == 1 and isinstance(answers[0], NotDelivered):
        return Status(answers[0].status, answers[0])
    return Status(200, ReleasesAnswered(outcomes=answers))


def _answers(request: ApiRequest, sent: list[Any]) -> list[Delivered | NotDelivered]:
    tasks = tasks_to_act_on(request, [each.task_id for each in sent])
    refused: dict[UUID, NotDelivered] = {}
    outcomes: dict[UUID, Outcome] = {}
    for each in sent:
        if each.task_id not in tasks:
            refused[each.task_id] = _not_delivered(each, kind_of(NoSuchTask))
            continue
        try:
            outcomes[each.task_id] = each.of(lease_of(tasks[each.task_id], each.attempt))
        except ValueTooLarge as error:
            refused[each.task_id] = _not_delivered(each, BODY_TOO_LARGE, str(error))
        except ProcessesError as error:
            refused[each.task_id] = _not_delivered(each, INVALID, str(error))
    released = release(list(outcomes.values()))
    bell.ring(released.fed)
    for task_id in _with_another_outcome(outcomes, released.answers):
        released.answers[task_id] = Answer.LEASE_LOST
    return [refused.get(each.task_id) or _answer(each, released.answers[each.task_id]) for each in sent]


def _with_another_outcome(outcomes: Mapping[UUID, Outcome], answers: Mapping[UUID, Answer]) -> list[UUID]:
    """Those of the attempts released before whose task shows another outcome than the one delivered now."""
    repeated = [task_id for task_id, answer in answers.items() if answer is Answer.ALREADY_ACCEPTED]
    tasks = tasks_of(repeated, "state", "result", "failure") if repeated else {}
    return [task_id for task_id, task in tasks.items() if _contradicts(outcomes[task_id], task)]


def _contradicts(outcome: Outcome, task: Task) -> bool:
    if outcome.state is TaskState.COMPLETED:
        return task.result is None or canonical(task.result) != canonical(outcome.result or "null")
    if outcome.failure is not None:
        return task.state == TaskState.COMPLETED or (task.failure is not None and task.failure != outcome.failure)
    return task.state in (TaskState.COMPLETED, TaskState.FAILED)


def _answer(sent: LeaseNamed, answer: Answer) -> Delivered | NotDelivered:
    if answer is Answer.LEASE_LOST:
        return _not_delivered(sent, LEASE_LOST)
    told: Literal["accepted", "already_accepted"] = "accepted" if answer is Answer.ACCEPTED else "already_accepted"
    return Delivered(task_id=sent.task_id, attempt=sent.attempt, answer=told)


def _not_delivered(sent: LeaseNamed, kind: Kind, detail: str = "") -> NotDelivered:
    return NotDelivered(**kind.told(detail), task_id=sent.task_id, attempt=sent.attempt)
