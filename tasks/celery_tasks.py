"""The Celery tasks of the engine: parse, call one function, return."""

from __future__ import annotations

import logging

from celery import Task, shared_task
from django.db import InterfaceError, OperationalError, connection

from tasks import draining, registration

log = logging.getLogger(__name__)


class EngineTask(Task[..., object]):
    """A Celery task whose message may be lost: where the database is away, it says so in one line and ends.

    Celery would log the traceback, and build a copy of it with all code positions that stays in memory, some hundred
    KiB each, until Python's next full collection.
    """

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Run."""
        try:
            return super().__call__(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            log.warning(
                "a task was interrupted: the database cannot be reached",
                extra={"event": "task_interrupted", "celery_task": self.name, "reason": str(error).strip()},
            )
            return None


@shared_task(base=EngineTask, name="tasks.register_processes")
def register_processes() -> None:
    """Register the processes that wait for it."""
    registration.register_all_waiting()


@shared_task(base=EngineTask, name="tasks.drain")
def drain(actor: str) -> None:
    """Work for an actor (full name) until nothing is left or the turn ends."""
    draining.drain(actor)
