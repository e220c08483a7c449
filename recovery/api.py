"""Why a process or a task does not move, over HTTP."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from ninja import Router, Status
from pydantic import Field

from processes.api import ERRORS, READ, found
from processes.callers import ApiRequest, require
from processes.problems import Problem
from processes.shapes import Shape
from recovery.causes import Cause, Explanation
from recovery.why import why
from tasks.queries import task_in_process

router = Router(tags=["watch"])


class Explained(Shape):
    """The one cause, in a sentence, and what helps."""

    code: Literal[tuple(each.value for each in Cause)]  # type: ignore[valid-type]  # the causes are data
    sentence: str
    action: str = Field(description="What helps, for whoever operates the installation.")
    ids: dict[str, str] = Field(description="What the sentence names: process, task, awaited, actor, worker …")


@router.get(
    "/processes/{uuid:process_id}/why", operation_id="explainProcess", response={200: Explained, ERRORS: Problem}
)
def explain_process(request: ApiRequest, process_id: UUID) -> Status[Explained]:
    """Why a process does not move."""
    require(request.auth.may_read(), READ)
    return _told(why(found(process_id, id=process_id)))


@router.get("/tasks/{uuid:task_id}/why", operation_id="explainTask", response={200: Explained, ERRORS: Problem})
def explain_task(request: ApiRequest, task_id: UUID) -> Status[Explained]:
    """Why a task does not move."""
    require(request.auth.may_read(), READ)
    return _told(why(task_in_process(task_id)))


def _told(explanation: Explanation) -> Status[Explained]:
    return Status(
        200,
        Explained(
            code=explanation.code.value,
            sentence=explanation.sentence,
            action=explanation.action,
            ids=dict(explanation.ids),
        ),
    )
