"""A drain: a worker process, woken by a bell, claims, executes and releases until nothing is left or its turn ends.

A drain serves the actor it was rung for and the actors that its own releases feed, taking turns, so that a
chain runs on without a message per hop. It lives for about a second: the broker's order of bells is the order
of turns. What is ready when it ends, it rings for.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError

from tasks import bell
from tasks.batches import Batch
from tasks.claiming import Claimer, read_values
from tasks.context import CurrentTask
from tasks.declaring import Actor
from tasks.execution import execute
from tasks.outcomes import Lease, handed_back
from tasks.pace import Pace
from tasks.policies import ActorName
from tasks.promises import Settled
from tasks.queries import note_poll, ready_actors
from tasks.registry import ACTORS
from tasks.releasing import Released
from tasks.transactional import execute_transactionally
from tasks.worker import WORKER

log = logging.getLogger(__name__)

_paces: defaultdict[str, Pace] = defaultdict(Pace)


def drain(actor: str) -> None:
    """Work for `actor` (a full name) and for what that feeds, for about a second. Raises nothing."""
    try:
        Drain(actor).run()
    except (OperationalError, InterfaceError) as error:
        log.warning(
            "a drain ends: the database cannot be reached",
            extra={"event": "drain_failed", "actor": actor, "reason": str(error)},
        )
    except Error as error:
        log.error(  # noqa: TRY400  # what it tells is the database's message, not where it was met
            "a drain ends: the database refuses what it writes",
            extra={"event": "drain_refused", "actor": actor, "reason": str(error)},
        )


class Drain:
    """One turn of a worker process."""

    def __init__(self, actor: str) -> None:
        self._task_list = ActorName.parse(actor).task_list
        self._claimers: dict[str, Claimer] = {}
        self._ends_at = monotonic() + settings.ORCHESTRATOR_DRAIN_SECONDS
        self._serve(actor)

    def run(self) -> None:
        """Take turns between the served actors until none has work, the time is over or the worker stops."""
        while self._claimers and monotonic() < self._ends_at and not WORKER.is_stopping():
            actor, claimer = next(iter(self._claimers.items()))
            pace = _paces[actor]
            if pace.is_poll_to_be_noted():
                note_poll(actor)
            leases = claimer.claim(pace.limit)
            del self._claimers[actor]
            if leases:
                self._claimers[actor] = claimer
                self._ring_for_help(actor, more_likely=len(leases) >= pace.limit)
                self._work(actor, leases)
            else:
                pace.start_anew()
        bell.ring(ready_actors(self._claimers))

    def _serve(self, actor: str) -> bool:
        """Serve an actor from now on, if this worker knows it and its task list is the one rung for."""
        name = ActorName.parse(actor)
        if name.task_list != self._task_list or WORKER.code(name) is None:
            return False
        if actor not in self._claimers:
            self._claimers[actor] = Claimer(actor, WORKER.name)
        return True

    def _ring_for_help(self, claimed: str, *, more_likely: bool) -> None:
        asked = [
            actor for actor in self._claimers if (actor != claimed or more_likely) and _paces[actor].may_ring_for_help()
        ]
        for actor in ready_actors(asked):
            bell.ring_for_help(actor)
            _paces[actor].rang_for_help()

    def _work(self, actor: str, leases: list[Lease]) -> None:
        batch = Batch(leases, WORKER.is_stopping)
        with WORKER.keeper.keeping(batch, tuple(self._claimers)):
            try:
                self._execute(actor, batch, leases)
            finally:
                finished, unstarted = batch.give_up()
                self._feed(WORKER.release(finished + [handed_back(lease) for lease in unstarted]))

    def _execute(self, actor: str, batch: Batch, leases: list[Lease]) -> None:
        code = ACTORS.get(ActorName.parse(actor))
        values = read_values(leases)
        began_at = monotonic()
        done = 0
        while (lease := batch.take()) is not None:
            self._perform(batch, lease, code, values)
            done += 1
        _paces[actor].learn(monotonic() - began_at, done)

    def _perform(self, batch: Batch, lease: Lease, code: Actor[..., Any], values: dict[UUID, Settled]) -> None:
        current = CurrentTask(
            id=lease.task_id,
            process_id=lease.process_id,
            actor=lease.actor,
            attempt=lease.attempt,
            tries=lease.tries,
            details_text=lease.details,
            report_details=partial(batch.keep_details, lease.task_id),
            reported_details=partial(batch.details_of, lease.task_id),
            has_lost_its_lease=partial(batch.is_lost, lease.task_id),
        )
        if code.transactional:
            try:
                self._feed(execute_transactionally(lease, code, values, current))
            except (OperationalError, InterfaceError):
                # Nothing could be written, or nobody knows: handing back says so, and the fence refuses it where the
                # attempt was committed after all.
                batch.finish(handed_back(lease))
                raise
            batch.finish(None)
        else:
            batch.finish(execute(lease, code, values, current))

    def _feed(self, released: Released) -> None:
        for actor, count in released.fed.items():
            if not self._serve(actor):
                bell.ring([actor])
            elif count > _paces[actor].limit:
                _paces[actor].start_anew()
