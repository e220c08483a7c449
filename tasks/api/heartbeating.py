"""Heartbeats over HTTP: whoever performs tasks extends their leases, and learns which of them are gone."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from ninja import Router, Status
from pydantic import Field

from processes import wire
from processes.callers import ApiRequest
from processes.problems import WITH_BODY, Problem
from processes.shapes import Shape, Uuid, Value
from tasks.api.leases import LeaseNamed, Leases, milliseconds, tasks_to_act_on
from tasks.context import DETAILS_LIMIT_BYTES
from tasks.leases import Kept, Standing, extend

router = Router(tags=["act"])


class Beat(LeaseNamed):
    """A lease to extend."""

    details: Value = Field(
        default=None, description="What the next attempt is told, up to 64 KiB; null changes nothing."
    )


class Beats(Shape):
    """Leases to extend, each task once."""

    leases: Leases[Beat]


class Beaten(Shape):
    """How a lease stands."""

    task_id: Uuid
    attempt: int
    lease: Literal["held", "cancelled", "lost", "unknown"] = Field(
        description="cancelled: the process has ended; lost: the lease was released or taken back; "
        "unknown: there is no such task, or none that this caller acts on."
    )
    lease_expires_in_ms: int | None = Field(description="Only where it is held.")


class BeatsAnswered(Shape):
    """How they stand, in the order in which they were named."""

    leases: list[Beaten]


@router.post(
    "/tasks/heartbeat",
    operation_id="heartbeat",
    response={200: BeatsAnswered, WITH_BODY: Problem},
)
def heartbeat(request: ApiRequest, body: Beats) -> Status[BeatsAnswered]:
    """Extend up to 100 leases, and learn which are cancelled or lost: stop working on those."""
    known = tasks_to_act_on(request, [each.task_id for each in body.leases], "actor")
    beats = [each for each in body.leases if each.task_id in known]
    details = {
        each.task_id: wire.from_client(each.details, limit=DETAILS_LIMIT_BYTES, path="details")
        for each in beats
        if each.details is not None
    }
    kept = extend({each.task_id: each.attempt for each in beats}, details) if beats else {}
    return Status(200, BeatsAnswered(leases=[_answer(each, kept) for each in body.leases]))


def _answer(beat: Beat, kept: dict[UUID, Kept]) -> Beaten:
    standing = kept.get(beat.task_id)
    is_held = standing is not None and standing.standing is Standing.HELD
    return Beaten(
        task_id=beat.task_id,
        attempt=beat.attempt,
        lease="unknown" if standing is None else standing.standing.value,
        lease_expires_in_ms=milliseconds(standing.seconds_left) if standing is not None and is_held else None,
    )
