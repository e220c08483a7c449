"""The one module that actor code imports from."""

from processes.failures import Failure
from tasks.aborting import abort
from tasks.builtins import no_wait, sleep
from tasks.context import CurrentTask, Snooze, current_task, heartbeat
from tasks.declaring import Actor, BoundActor, decider, external, worker
from tasks.deleting import delete_process
from tasks.policies import Retry
from tasks.promises import Promise
from tasks.requests import Code, Reason, Started, StartRequest
from tasks.starting import start_process, start_processes

__all__ = [
    "Actor",
    "BoundActor",
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
    "current_task",
    "decider",
    "delete_process",
    "external",
    "heartbeat",
    "no_wait",
    "sleep",
    "start_process",
    "start_processes",
    "worker",
]
