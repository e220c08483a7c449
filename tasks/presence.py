"""Shows which worker processes live: a row each, renewed by its side thread every five seconds, also while idle."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now

from tasks import bell
from tasks.models import WorkerProcess
from tasks.policies import ActorName
from tasks.registry import ACTORS
from tasks.statements import fetch

SIGN_SECONDS = 5.0
UNSEEN = timedelta(seconds=3 * SIGN_SECONDS)
"""A worker process that has given no sign of life for so long does not count as live."""
LOCK_TIMEOUT = "1s"
"""A sign of life waits no longer for a lock: the heartbeats of the same thread come next."""


@dataclass(frozen=True, slots=True)
class Node:
    """The Celery worker that a process belongs to: its node name, its pool, the queues it takes messages from."""

    name: str
    pool: str
    queues: tuple[str, ...]


class Presence:
    """The row of this worker process. The side thread renews it; all else may be called from any thread."""

    def __init__(self, name: str, node: Node) -> None:
        self._name = name
        self._node = node
        self._begins = True
        self._leaving = False
        self._next_at = 0.0
        self._heard_at: float | None = None
        self.gone = threading.Event()

    def hear(self) -> None:
        """Note that a Celery message has arrived; the next sign of life tells it."""
        self._heard_at = monotonic()

    def leave(self) -> None:
        """Note that this process ends: when the row is renewed next, at once, it is deleted instead."""
        self._leaving = True
        self._next_at = 0.0

    def is_due(self) -> bool:
        """Whether the row is to be renewed."""
        return monotonic() >= self._next_at

    def seconds_left(self) -> float:
        """How long it is until the row is to be renewed."""
        return max(0.0, self._next_at - monotonic())

    def renew(self, held: int) -> None:
        """Write a sign of life: that this process lives, and how many tasks it holds.

        Whether it succeeds or not, the next one is due five seconds later. Raises what the database raises.
        """
        self._next_at = monotonic() + SIGN_SECONDS
        leaving = self._leaving
        with transaction.atomic():
            fetch("set_lock_timeout", lock_timeout=LOCK_TIMEOUT)
            if leaving:
                WorkerProcess.objects.filter(name=self._name).delete()
            else:
                self._sign(held)
        self._begins = False
        if leaving:
            self.gone.set()

    def _sign(self, held: int) -> None:
        host, _, pid = self._name.rpartition(":")
        heard_at, self._heard_at = self._heard_at, None
        fetch(
            "sign_of_life",
            name=self._name,
            host=host,
            pid=int(pid),
            node=self._node.name,
            pool=self._node.pool,
            queues=orjson.dumps(self._node.queues).decode(),
            actors=orjson.dumps(served_actors()).decode(),
            held=held,
            heard_seconds_ago=monotonic() - heard_at if heard_at is not None else None,
            begins=self._begins,
        )


def served_actors() -> list[str]:
    """The actors (`name#version`) whose tasks a worker with this code performs."""
    return [actor.actor_name.code for actor in ACTORS.all() if actor.kind != "external" and not actor.remote]


def live_workers() -> QuerySet[WorkerProcess]:
    """The worker processes that gave a sign of life within the last 15 seconds."""
    return WorkerProcess.objects.filter(seen_at__gt=Now() - UNSEEN)


def serving(actor: str, workers: QuerySet[WorkerProcess]) -> QuerySet[WorkerProcess]:
    """Those of the workers that have the code of `actor` (a full name) and hear its bell."""
    queue = settings.ORCHESTRATOR_QUEUE_PREFIX + bell.for_actor(actor).queue
    return workers.filter(actors__contains=[ActorName.parse(actor).code], queues__contains=[queue])


def last_seen_serving(actor: str) -> datetime | None:
    """When a worker process that serves `actor` last gave a sign of life; None where none did within a day or so."""
    seen: datetime | None = serving(actor, WorkerProcess.objects.all()).aggregate(seen=Max("seen_at"))["seen"]
    return seen
