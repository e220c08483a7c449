"""Polls over HTTP: whoever performs tasks elsewhere takes them under leases, with the values of all promises.

A poll never waits: where there is nothing, and `wait_seconds` is more than 0, its answer has the header
that `processes.waiting` describes. The waiting room in front of Django then asks again once one of these actors has
work, or when the time is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpResponse
from ninja import Router, Status
from pydantic import Field

from processes import wire
from processes.callers import ApiRequest, require
from processes.problems import WITH_BODY, Problem
from processes.shapes import Seconds, Shape, Uuid, Value, shown
from processes.values import Json
from processes.waiting import HEADER, LONGEST_SECONDS, Wish
from tasks import bell
from tasks.api.leases import ACT, LIMIT, milliseconds
from tasks.claiming import read_values
from tasks.execution import received
from tasks.outcomes import Lease, Outcome, handed_back
from tasks.policies import ActorName
from tasks.polling import poll, poll_again
from tasks.promises import Settled
from tasks.queries import note_poll
from tasks.releasing import release

router = Router(tags=["act"])


class Poll(Shape):
    """Which tasks are asked for."""

    actors: list[str] = Field(
        min_length=1, max_length=LIMIT, description="name, name#version or name#version@list; tasks of one are given."
    )
    max: int = Field(default=1, ge=1, le=LIMIT, description="How many at most.")
    poll_id: Uuid | None = Field(
        default=None,
        description="Made by the client for this poll. Repeating it, by the same token, gives the same leases as long "
        "as any of them is held.",
    )
    wait_seconds: Seconds = Field(
        default=0, le=LONGEST_SECONDS, description="For how long the answer may wait for a task."
    )


class Leased(Shape):
    """A task, taken under a lease: `(task_id, attempt)`."""

    task_id: Uuid
    attempt: int
    tries: int = Field(description="How many attempts have failed before.")
    process_id: Uuid
    actor: str
    kind: Literal["worker", "decider"]
    arguments: Value = Field(description="By parameter name; a promise that was waited for is replaced by its value.")
    details: Value = Field(description="Those of the last heartbeat of an earlier attempt.")
    lease_expires_in_ms: int


class Polled(Shape):
    """What was taken, most urgent and oldest first."""

    leases: list[Leased]


@router.post("/poll", operation_id="poll", response={200: Polled, WITH_BODY: Problem})
def poll_for_tasks(request: ApiRequest, body: Poll, response: HttpResponse) -> Status[Polled]:
    """Take tasks of one of several actors under leases. Send heartbeats, and release each of them."""
    actors = sorted({str(ActorName.parse(each)) for each in body.actors})
    for each in actors:
        require(request.auth.may_act(each), f"{ACT} for {each}")
    note_poll(*actors)
    if body.poll_id is None:
        leases = poll(actors, body.max, f"rest:{request.auth.name}")
    else:
        leases = poll_again(actors, body.max, f"rest:{request.auth.name}:{body.poll_id}")
    given = _given(leases)
    if not given and body.wait_seconds > 0:
        response[HEADER] = str(Wish(body.wait_seconds, tuple(actors)))
    return Status(200, Polled(leases=given))


def _given(leases: list[Lease]) -> list[Leased]:
    """Leases for the answer. Those whose arguments fail them are released as failed, those too many handed back."""
    given: list[Leased] = []
    ended: list[Outcome] = []
    size = 0
    values = read_values(leases)
    for lease in leases:
        arguments = received(lease, values)
        if isinstance(arguments, Outcome):
            ended.append(arguments)
        elif size > settings.ORCHESTRATOR_ARGUMENTS_LIMIT_BYTES:
            ended.append(handed_back(lease))
        else:
            text = wire.to_client(lease.arguments, deliver=partial(_delivered, values))
            size += len(text)
            given.append(_shape_of(lease, text))
    if ended:
        bell.ring(release(ended).fed)
    return given


def _shape_of(lease: Lease, arguments: str) -> Leased:
    return Leased(
        task_id=lease.task_id,
        attempt=lease.attempt,
        tries=lease.tries,
        process_id=lease.process_id,
        actor=lease.actor,
        kind="decider" if lease.kind == "decider" else "worker",
        arguments=orjson.Fragment(arguments),
        details=shown(lease.details),
        lease_expires_in_ms=milliseconds(lease.seconds_left),
    )


def _delivered(values: Mapping[UUID, Settled], reference: Json) -> str | None:
    """The stored text that takes the place of a reference; None leaves it as it is."""
    settled = values.get(UUID(reference["task"]))
    if settled is None:
        return None
    failure = settled.failure.to_text() if settled.failure is not None else ""
    text = settled.value if settled.value is not None else f'{{"$":"failure","v":{failure}}}'
    if reference["wait"]:
        return text
    return f'{{"$":"ref","v":{{"task":"{reference["task"]}","wait":false,"value":{text}}}}}'
