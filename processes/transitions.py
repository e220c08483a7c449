"""The transitions of processes that concern no task: each guarded by the states it may leave.

All run inside a transaction that holds the locks of the rows.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db.models.functions import Now

from processes.models import Process
from processes.states import ProcessState


def fail_processes(failures: Mapping[UUID, str], *, failed_task_id: UUID | None = None) -> int:
    """Make processes stand still because of a failure nobody accepts; return how many did.

    `failures` holds the failure (JSON text) by process id. Only a REGISTERING or RUNNING process is moved: a
    paused one stands still already, and learns at its resume.
    """
    moved = 0
    for process_id, failure in failures.items():
        moved += Process.objects.filter(
            id=process_id, state__in=[ProcessState.REGISTERING, ProcessState.RUNNING]
        ).update(
            state=ProcessState.FAILED,
            failure=failure,
            failed_task_id=failed_task_id,
            stood_still_at=Now(),
        )
    return moved


def end_processes(ids: Iterable[UUID], state: ProcessState) -> int:
    """End processes without a result, as ABORTED or TIMED_OUT; return how many were not final yet."""
    leaving = [ProcessState.RUNNING]
    if state == ProcessState.ABORTED:
        leaving += [ProcessState.REGISTERING, ProcessState.PAUSED, ProcessState.FAILED]
    return Process.objects.filter(id__in=list(ids), state__in=leaving).update(
        state=state, ended_at=Now(), stood_still_at=None, open_tasks=0
    )
