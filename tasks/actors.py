"""The one module that actor code imports from."""

from processes.failures import Failure
from tasks.aborting import abort
from tasks.blocking import block, pause_everything, resume_everything, unblock
from tasks.builtins import no_wait, sleep
from tasks.completing import complete_task, fail_task
from tasks.context import Cancelled, CurrentTask, Snooze, current_task, heartbeat
from tasks.declaring import Actor, BoundActor, decider, external, worker
from tasks.deleting import delete_process
from tasks.pausing import pause, resume
from tasks.policies import Retry
from tasks.promises import Promise
from tasks.requests import Code, Reason, Started, StartRequest
from tasks.restarting import restart_failed_tasks, restart_process, restart_task
from tasks.starting import start_process, start_processes

__all__ = [
    "Actor",
    "BoundActor",
    "Cancelled",
    "Code",
    "CurrentTask",
    "Failure",
    "Promise",
    "Reason",
    "Retry",
    "Snooze",
    "StartRequest",
    "Started",
    "abort",
    "block",
    "complete_task",
    "current_task",
    "decider",
    "delete_process",
    "external",
    "fail_task",
    "heartbeat",
    "no_wait",
    "pause",
    "pause_everything",
    "restart_failed_tasks",
    "restart_process",
    "restart_task",
    "resume",
    "resume_everything",
    "sleep",
    "start_process",
    "start_processes",
    "unblock",
    "worker",
]
