"""The Celery tasks of recovery, one a scan: call one function, return. Beat sends them."""

from celery import shared_task

from recovery import sweeping
from recovery.scans import run_scan
from tasks.celery_tasks import EngineTask

__all__ = ["sweeping"]


@shared_task(base=EngineTask, name="recovery.stuck_registrations")
def stuck_registrations() -> None:
    """Register what stays REGISTERING for too long."""
    run_scan("stuck_registrations")


@shared_task(base=EngineTask, name="recovery.process_start_to_end")
def process_start_to_end() -> None:
    """End processes whose start-to-end time is used up."""
    run_scan("process_start_to_end")


@shared_task(base=EngineTask, name="recovery.task_enqueue_to_end")
def task_enqueue_to_end() -> None:
    """Fail tasks whose enqueue-to-end time is used up."""
    run_scan("task_enqueue_to_end")


@shared_task(base=EngineTask, name="recovery.task_poll_to_end")
def task_poll_to_end() -> None:
    """Take back leases whose attempt has taken too long."""
    run_scan("task_poll_to_end")


@shared_task(base=EngineTask, name="recovery.task_heartbeat")
def task_heartbeat() -> None:
    """Take back leases without a heartbeat."""
    run_scan("task_heartbeat")


@shared_task(base=EngineTask, name="recovery.due")
def due() -> None:
    """Enqueue delayed tasks that are due."""
    run_scan("due")


@shared_task(base=EngineTask, name="recovery.lost_wakeups")
def lost_wakeups() -> None:
    """Ring again for actors that nobody polls."""
    run_scan("lost_wakeups")


@shared_task(base=EngineTask, name="recovery.retention")
def retention() -> None:
    """Delete what has ended, and abort what has failed, for longer than the rules say."""
    run_scan("retention")
