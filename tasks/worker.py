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

from celery.signals import worker_process_init, worker_shutting_down
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from tasks.declaring import Actor
from tasks.keeper import Keeper
from tasks.outcomes import Outcome
from tasks.policies import ActorName
from tasks.registry import ACTORS
from tasks.releasing import Released, release

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 2.0


class Worker:
    """The state of one worker process that outlives a drain."""

    def __init__(self) -> None:
        # Made before the pool forks: `worker_shutting_down` fires in the parent only, and this byte tells the
        # children. Not an Event: its lock would stay held by a child that is killed while it looks.
        self._stopping = RawValue("b", 0)
        self._is_pool_child = False
        self._unknown: set[ActorName] = set()

    def become_pool_child(self) -> None:
        """Note that this process is a child of a prefork pool, which the pool replaces if it exits."""
        self._is_pool_child = True

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
        """The side thread of this process."""
        return Keeper(stopping=self.is_stopping, release=self.release, may_exit=self._is_pool_child)

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


@worker_process_init.connect
def _in_pool_child(**_: object) -> None:
    WORKER.become_pool_child()


@worker_shutting_down.connect
def _in_parent(**_: object) -> None:
    WORKER.stop()
