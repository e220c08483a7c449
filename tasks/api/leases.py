"""Leases as clients name them, and what of them a caller gets to know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field

from processes.callers import ApiRequest, require
from processes.shapes import Shape, Uuid
from tasks.leases import tasks_of
from tasks.models import Task

LIMIT = 100
"""How many leases one request may name or ask for."""
ACT = "the scope act"


class LeaseNamed(Shape):
    """A lease: the right to deliver the outcome of one attempt."""

    task_id: Uuid
    attempt: int = Field(ge=1, le=2**31 - 1)


Named = TypeVar("Named", bound=LeaseNamed)


def _each_once(leases: list[Named]) -> list[Named]:
    if len({each.task_id for each in leases}) < len(leases):
        raise ValueError("a task is named twice")
    return leases


EACH_ONCE = AfterValidator(_each_once)
Leases = Annotated[list[Named], Field(min_length=1, max_length=LIMIT), EACH_ONCE]


def tasks_to_act_on(request: ApiRequest, ids: Iterable[UUID], *columns: str) -> dict[UUID, Task]:
    """Those of the tasks that there are and whose actors the caller may act for, by id. Raises Rejected.

    With these columns only, of which `actor` must be one, where any are named.
    """
    require(request.auth.acts(), ACT)
    return {task_id: task for task_id, task in tasks_of(ids, *columns).items() if request.auth.may_act(task.actor)}


def milliseconds(seconds: float) -> int:
    """Whole milliseconds that are left; none are left of what is over."""
    return max(0, int(seconds * 1000))
