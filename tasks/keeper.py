"""The side thread of a worker process: keeps the leases of what runs, and gives back what does not.

It starts after fork, with a database connection of its own. While batches are being worked on it looks at them
a few times a second: it sends heartbeats, hands back the tasks that wait behind a slow one, hands back the
unstarted ones when the worker is told to stop, and ends a process that goes on working on a lost lease. Every few
seconds, also while there is nothing to keep, it gives a sign of life.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import monotonic

from django.conf import settings
from django.db import Error, connection

from tasks import bell
from tasks.batches import Batch
from tasks.leases import Standing, extend
from tasks.outcomes import Outcome, handed_back
from tasks.presence import Presence
from tasks.queries import ready_actors
from tasks.releasing import Released

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
SLOW_SECONDS = 1.0
"""A task that runs longer than this no longer holds up those claimed with it, nor what its drain serves beside it."""
HEARTBEAT_FRACTION = 1 / 3


class Keeper:
    """Keeps batches and shows that this process lives. One per process, with one thread."""

    def __init__(
        self, *, stopping: Callable[[], bool], release: Callable[[Sequence[Outcome]], Released], may_exit: bool
    ) -> None:
        self._stopping = stopping
        self._release = release
        self._may_exit = may_exit
        self._changed = threading.Condition()
        self._kept: dict[Batch, tuple[str, ...]] = {}
        self._presence: Presence | None = None
        self._thread: threading.Thread | None = None

    def show(self, presence: Presence) -> None:
        """Keep the row of this process, too, from now on."""
        with self._changed:
            self._presence = presence
            self._wake()

    def leave(self, seconds: float) -> None:
        """Have the row of this process deleted; wait for that at most `seconds`."""
        with self._changed:
            presence = self._presence
            if presence is None:
                return
            presence.leave()
            self._wake()
        presence.gone.wait(seconds)

    @contextmanager
    def keeping(self, batch: Batch, served: tuple[str, ...]) -> Iterator[None]:
        """Keep `batch` meanwhile; `served` are the actors its drain serves beside it."""
        with self._changed:
            self._kept[batch] = served
            self._wake()
        try:
            yield
        finally:
            with self._changed:
                del self._kept[batch]

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            kept = self._next()
            for batch, served in kept:
                self._safely(partial(self._look_at, batch, served))
            if self._presence is not None and self._presence.is_due():
                self._safely(partial(self._renew, self._presence, sum(len(batch.held()) for batch, _ in kept)))

    def _next(self) -> list[tuple[Batch, tuple[str, ...]]]:
        """What there is to keep, a tick later; nothing, where the row of this process is due first."""
        with self._changed:
            while not self._kept and not (self._presence is not None and self._presence.is_due()):
                self._changed.wait(self._presence.seconds_left() if self._presence is not None else None)
            if self._kept:
                self._changed.wait(TICK_SECONDS)
            return list(self._kept.items())

    def _renew(self, presence: Presence, held: int) -> None:
        presence.renew(held)
        if presence.gone.is_set():
            self._presence = None

    def _safely(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Error as error:
            log.warning(
                "the side thread cannot reach the database",
                extra={"event": "keeper_unreachable", "reason": str(error)},
            )
            connection.close()
        # Leases depend on this thread: whatever goes wrong with one look, the next one comes.
        except Exception:
            log.exception("the side thread failed once", extra={"event": "keeper_failed"})
            connection.close()

    def _look_at(self, batch: Batch, served: tuple[str, ...]) -> None:
        stuck = batch.is_stuck(0.0 if self._stopping() else SLOW_SECONDS)
        if stuck:
            self._clear(batch, served)
        elif batch.turns_slow(SLOW_SECONDS):
            bell.ring(ready_actors(served))
        if stuck or batch.needs_heartbeat(HEARTBEAT_FRACTION):
            send_heartbeat(batch)
        lease = batch.overstays(settings.ORCHESTRATOR_LOST_LEASE_GRACE_SECONDS)
        if lease is not None:
            self._end_overstay(lease.task_id, lease.actor)

    def _clear(self, batch: Batch, served: tuple[str, ...]) -> None:
        finished, unstarted = batch.give_up()
        released = self._release(finished + [handed_back(lease) for lease in unstarted])
        bell.ring(released.fed.keys() | ready_actors(served))

    def _end_overstay(self, task_id: object, actor: str) -> None:
        extra = {"event": "lease_overstayed", "task": str(task_id), "actor": actor}
        if not self._may_exit:
            log.error("user code goes on although its lease is lost", extra=extra)
            return
        log.error("user code goes on although its lease is lost: this worker process ends itself", extra=extra)
        logging.shutdown()
        os._exit(1)


def send_heartbeat(batch: Batch) -> None:
    """Extend the leases of all tasks of a batch that are held, and learn which are lost."""
    held = batch.held()
    if not held:
        return
    details = batch.take_details()
    sent_at = monotonic()
    kept = extend({each.task_id: each.attempt for each in held}, details, batch_size=len(held))
    batch.renewed(sent_at)
    batch.lose(task_id for task_id, each in kept.items() if each.standing is not Standing.HELD)
