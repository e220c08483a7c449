"""The transitions of processes that concern no task: each guarded by the states it may leave.

All run inside a transaction that holds the locks of the rows.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db.models.functions import Coalesce, Now

from processes.models import Process
from processes.states import FINAL_STATES, ProcessState


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


def pause_process(process_id: UUID) -> int:
    """Make a RUNNING process stand still because somebody wants it; return whether it did (1 or 0)."""
    return Process.objects.filter(id=process_id, state=ProcessState.RUNNING).update(
        state=ProcessState.PAUSED, stood_still_at=Now()
    )


def name_failure(process_id: UUID, failure: str, failed_task_id: UUID) -> int:
    """Name the failure for which a process goes on standing still: FAILED, whether it was PAUSED or FAILED."""
    return Process.objects.filter(id=process_id, state__in=[ProcessState.PAUSED, ProcessState.FAILED]).update(
        state=ProcessState.FAILED, failure=failure, failed_task_id=failed_task_id
    )


def give_up_identity(process_id: UUID, successor: UUID) -> int:
    """Note for ever that a final process was restarted as another, which its `custom_id` is for from now on.

    Returns whether it did (1 or 0): a process is restarted once.
    """
    return Process.objects.filter(id=process_id, state__in=FINAL_STATES, restarted_as__isnull=True).update(
        former_custom_id=Coalesce("custom_id", "former_custom_id"), custom_id=None, restarted_as=successor
    )


def end_processes(ids: Iterable[UUID], state: ProcessState) -> int:
    """End processes without a result, as ABORTED or TIMED_OUT; return how many were not final yet."""
    leaving = [ProcessState.RUNNING]
    if state == ProcessState.ABORTED:
        leaving += [ProcessState.REGISTERING, ProcessState.PAUSED, ProcessState.FAILED]
    return Process.objects.filter(id__in=list(ids), state__in=leaving).update(
        state=state, ended_at=Now(), stood_still_at=None, open_tasks=0
    )
