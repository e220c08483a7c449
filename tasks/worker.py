"""This worker process: its name, its side thread, whether it is told to stop, which actors it knows."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from functools import cached_property
from multiprocessing.sharedctypes import RawValue
from time import monotonic, sleep
from typing import Any

from celery.signals import (
    celeryd_after_setup,
    task_prerun,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from tasks.declaring import Actor
from tasks.keeper import Keeper
from tasks.outcomes import Outcome
from tasks.policies import ActorName
from tasks.presence import Node, Presence
from tasks.registry import ACTORS
from tasks.releasing import Released, release

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 2.0
LEAVE_SECONDS = 1.0
PREFORK = "prefork"


class Worker:
    """The state of one worker process that outlives a drain."""

    def __init__(self) -> None:
        # Made before the pool forks: `worker_shutting_down` fires in the parent only, and this byte tells the
        # children. Not an Event: its lock would stay held by a child that is killed while it looks.
        self._stopping = RawValue("b", 0)
        self._unknown: set[ActorName] = set()
        self._node: Node | None = None
        self._presence: Presence | None = None

    def belong_to(self, node: Node) -> None:
        """Note the Celery worker that this process, and the children it will fork, belong to."""
        self._node = node

    def show(self) -> None:
        """Be seen from now on: the side thread keeps the row of this process. Nothing outside of a Celery worker."""
        if self._node is not None and self._presence is None:
            self._presence = Presence(self.name, self._node)
            self.keeper.show(self._presence)

    def show_where_no_child_does(self) -> None:
        """Be seen from now on, if tasks run in this process: in a prefork pool they run in its children."""
        if self._node is not None and self._node.pool != PREFORK:
            self.show()

    def hear(self) -> None:
        """Note that a Celery message has arrived in this process."""
        if self._presence is not None:
            self._presence.hear()

    def leave(self) -> None:
        """Be seen no longer, because this process ends; wait for that no longer than a moment."""
        if self._presence is not None:
            self.keeper.leave(LEAVE_SECONDS)

    def stop(self) -> None:
        """Tell this process and its pool children to begin nothing new."""
        self._stopping.value = 1

    def is_stopping(self) -> bool:
        """Whether the worker was told to stop."""
        return bool(self._stopping.value)

    @cached_property
    def name(self) -> str:
        """Who holds a lease: host and process id."""
        return f"{socket.gethostname()}:{os.getpid()}"

    @cached_property
    def keeper(self) -> Keeper:
        """The side thread of this process, which may end it only where a prefork pool replaces it then."""
        is_pool_child = self._node is not None and self._node.pool == PREFORK
        return Keeper(stopping=self.is_stopping, release=self.release, may_exit=is_pool_child)

    def code(self, name: ActorName) -> Actor[..., Any] | None:
        """The code of an actor; None, and one line in the log of this process, if it has none."""
        actor = ACTORS.find(name)
        if actor is None and name not in self._unknown:
            self._unknown.add(name)
            log.warning(
                "no code here for this actor: its tasks wait for a worker that has it",
                extra={"event": "actor_unknown", "actor": str(name)},
            )
        return actor

    def release(self, outcomes: Sequence[Outcome]) -> Released:
        """Deliver outcomes, repeatedly while the database cannot be reached, for as long as leases may last.

        Raises OperationalError or InterfaceError if it stays unreachable; recovery then takes the leases back.
        """
        until = monotonic() + settings.ORCHESTRATOR_HEARTBEAT_SECONDS
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return release(outcomes)
            except (OperationalError, InterfaceError):
                connection.close()
                if monotonic() + pause > until:
                    raise
            sleep(pause)
            pause = min(pause * 2, LAST_PAUSE_SECONDS)


WORKER = Worker()


@celeryd_after_setup.connect
def _before_the_pool_forks(sender: str, instance: Any, **_: object) -> None:
    pool = instance.pool_cls.__module__.rpartition(".")[2]
    WORKER.belong_to(Node(sender, pool, tuple(instance.app.amqp.queues.consume_from)))


@worker_process_init.connect
def _in_pool_child(**_: object) -> None:
    WORKER.show()


@worker_ready.connect
def _in_parent_when_ready(**_: object) -> None:
    WORKER.show_where_no_child_does()


@task_prerun.connect
def _before_each_message(**_: object) -> None:
    WORKER.hear()


@worker_process_shutdown.connect
@worker_shutdown.connect
def _at_the_end(**_: object) -> None:
    WORKER.leave()


@worker_shutting_down.connect
def _in_parent(**_: object) -> None:
    WORKER.stop()
