"""Rings workers: a Celery message that says "this actor may have work". It carries no work.

Losing or doubling a message changes nothing, so ringing never waits for the broker: one daemon thread per
process publishes, and what is rung again before it was published is published once. While the broker is away
the thread tries again at growing intervals; the recovery scans ring for whatever got lost all the same.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from time import monotonic

from celery import current_app
from celery.exceptions import QueueNotFound
from django.conf import settings
from django.db import transaction
from kombu import Connection

from tasks.policies import ActorName

log = logging.getLogger(__name__)

HELP_EXPIRES_SECONDS = 1.0
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
PUBLISH_ONCE = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
FLUSH_AT_EXIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Message:
    """One ring: which Celery task in which queue, for which actor."""

    task: str
    queue: str
    arguments: tuple[str, ...] = ()
    expires: float | None = None


REGISTRATION = Message("tasks.register_processes", "registration")


def for_actor(actor: str, *, expires: float | None = None) -> Message:
    """The message that wakes a worker of `actor` (a full actor name)."""
    task_list = ActorName.parse(actor).task_list
    return Message("tasks.drain", f"actors.{task_list}" if task_list else "actors", (actor,), expires)


class Bell:
    """Publishes messages from a daemon thread, each once however often it was rung meanwhile."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[Message, None] = {}
        self._publishing = 0
        self._thread: threading.Thread | None = None

    def ring(self, message: Message) -> None:
        """Have `message` published soon. Returns at once, whatever state the broker is in."""
        with self._changed:
            self._waiting[message] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bell", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until all that was rung is published, at most `seconds`; tell whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._publishing, seconds)

    def _run(self) -> None:
        publisher = Publisher()
        failures = 0
        while True:
            message = self._next(RETRY_SECONDS[min(failures, len(RETRY_SECONDS)) - 1] if failures else 0.0)
            published = publisher.publish(message)
            failures = 0 if published else failures + 1
            with self._changed:
                self._publishing = 0
                if not published and message.expires is None:
                    self._waiting[message] = None
                self._changed.notify_all()

    def _next(self, pause: float) -> Message:
        with self._changed:
            until = monotonic() + pause
            while (left := until - monotonic()) > 0:
                self._changed.wait(left)
            self._changed.wait_for(lambda: self._waiting)
            message = next(iter(self._waiting))
            del self._waiting[message]
            self._publishing = 1
            return message


class Publisher:
    """Publishes on a connection of its own, which is made anew once where it turns out to be dead."""

    def __init__(self) -> None:
        self._connection: Connection | None = None

    def publish(self, message: Message) -> bool:
        """Publish in bounded time; tell whether the broker took it."""
        had_connection = self._connection is not None
        try:
            return self._publish(message)
        # Every transport has errors of its own; whatever it is, the broker did not take the message.
        except Exception as error:  # noqa: BLE001
            self._drop()
            if not had_connection:
                log.warning("the broker cannot be reached", extra={"event": "bell_failed", "reason": str(error)})
                return False
        return self.publish(message)

    def _publish(self, message: Message) -> bool:
        if self._connection is None:
            self._connection = current_app.connection_for_write(heartbeat=0)
        try:
            current_app.send_task(
                message.task,
                args=message.arguments,
                queue=settings.ORCHESTRATOR_QUEUE_PREFIX + message.queue,
                expires=message.expires,
                ignore_result=True,
                retry=True,
                retry_policy=PUBLISH_ONCE,
                connection=self._connection,
            )
        except QueueNotFound:
            log.warning("no such queue", extra={"event": "bell_queue_unknown", "queue": message.queue})
        return True

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect(socket_timeout=1)


@cache
def _bell_of(process_id: int) -> Bell:
    """The bell of a process: a thread does not survive a fork, so a child has a bell of its own."""
    return Bell()


def ring(actors: Iterable[str]) -> None:
    """Ring for actors that may have work, once the caller's transaction (if any) has committed."""
    for actor in actors:
        _after_commit(for_actor(actor))


def ring_for_registration() -> None:
    """Ring for processes to be registered, once the caller's transaction (if any) has committed."""
    _after_commit(REGISTRATION)


def ring_for_help(actor: str) -> None:
    """Ring for an idle worker to share the work of `actor`. One that is not idle within a second need not come."""
    _bell_of(os.getpid()).ring(for_actor(actor, expires=HELP_EXPIRES_SECONDS))


def flush(seconds: float) -> bool:
    """Wait until everything rung in this process is published, at most `seconds`; tell whether it is."""
    return _bell_of(os.getpid()).flush(seconds)


def _after_commit(message: Message) -> None:
    transaction.on_commit(partial(_ring_now, message), robust=True)


def _ring_now(message: Message) -> None:
    _bell_of(os.getpid()).ring(message)


atexit.register(lambda: flush(FLUSH_AT_EXIT_SECONDS))
