"""Retention: deletes what has ended, and aborts what has stood still, for longer than the rules say.

In short transactions, the most overdue first. The search costs one look into an index for each actor that has
processes in a state with a rule: what is not due is not read.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from time import monotonic
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from django.db.models.functions import Now

from processes.errors import Refused
from processes.history import event, record
from processes.models import Process
from recovery.models import RetainedState, RetentionRule
from tasks.aborting import ABORT
from tasks.acts import Order
from tasks.deleting import delete_in_steps
from tasks.expiring import moment
from tasks.policies import ActorName
from tasks.steering import steer

log = logging.getLogger(__name__)

SECONDS = 1.0
"""A scan gives way after so long; the next one goes on."""
BATCH = 20
"""So many processes are deleted together."""
COUNTED = 10_000
"""A rehearsal counts no further, for each rule."""
AGAIN_AFTER = timedelta(days=1)
"""When a deletion that the database refused is tried again."""

BY = "retention"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How many processes a rule would delete (abort, where it is about FAILED) now, counted up to `COUNTED`."""

    rule: RetentionRule
    count: int


def scan_retention(now: datetime | None = None) -> int:
    """Follow the rules for about a second; return how many processes were deleted or aborted."""
    until = monotonic() + SECONDS
    total: Counter[str] = Counter()
    for done in retain(now):
        total += done
        if monotonic() >= until:
            break
    return total.total()


def retain(now: datetime | None = None) -> Iterator[Counter[str]]:
    """Follow the rules until nothing is due, one short transaction a step: what each has `deleted` or `aborted`.

    Begins with what an earlier run has left half done. Leaves out what somebody else holds.
    """
    half_done = Process.objects.filter(deletion_began_at__lte=moment(now)).order_by("deletion_began_at")
    ids = list(half_done.values_list("id", flat=True))
    for start in range(0, len(ids), BATCH):
        yield from _delete(ids[start : start + BATCH])
    acted = True
    while acted:
        acted = False
        for due in _due(now):
            for done in due.act():
                acted = acted or bool(done)
                yield done


def rehearse(now: datetime | None = None) -> list[Rehearsed]:
    """What following the rules would do now, rule by rule. Changes nothing, locks nothing."""
    counts: dict[RetentionRule, int] = dict.fromkeys(RetentionRule.objects.order_by("state", "actor"), 0)
    for due in _due(now):
        counts[due.rule] += due.processes[: COUNTED - counts[due.rule]].count()
    return [Rehearsed(rule, count) for rule, count in counts.items()]


@dataclass(frozen=True, slots=True)
class _Due:
    """The processes of one actor that are old enough for a rule."""

    rule: RetentionRule
    since: datetime
    processes: QuerySet[Process]
    """Oldest first."""

    def act(self) -> Iterator[Counter[str]]:
        """Delete, or abort, a batch of them."""
        ids = list(self.processes.values_list("id", flat=True)[:BATCH])
        return self._abort(ids) if self.rule.state == RetainedState.FAILED else _delete(ids)

    def _abort(self, ids: Sequence[UUID]) -> Iterator[Counter[str]]:
        steering = replace(ABORT, check=self._check)
        for each in ids:
            with suppress(Refused):
                steer(steering, each, Order(by=BY, reason=str(self.rule)))
                yield Counter(aborted=1)

    def _check(self, process: Process) -> None:
        """Under the lock: somebody may have restarted it meanwhile."""
        if not self.processes.filter(id=process.id).exists():
            raise Refused(process.id, process.state)


def _due(now: datetime | None) -> list[_Due]:
    """What is due by the rules, actor by actor, the most overdue first."""
    rules = {(rule.actor, rule.state): rule for rule in RetentionRule.objects.all()}
    due = []
    for state in {state for _, state in rules}:
        clock = "stood_still_at" if state == RetainedState.FAILED else "ended_at"
        for actor, oldest, moment_now in _actors(state, clock, now):
            rule = rules.get((ActorName.parse(actor).name, state)) or rules.get(("", state))
            if rule is not None and oldest + rule.age <= moment_now:
                processes = Process.objects.filter(
                    state=state, actor=actor, deletion_began_at__isnull=True, **{f"{clock}__lte": moment_now - rule.age}
                )
                due.append(_Due(rule, oldest + rule.age, processes.order_by(clock)))
    return sorted(due, key=attrgetter("since"))


def _actors(state: str, clock: str, now: datetime | None) -> Iterator[tuple[str, datetime, datetime]]:
    """The actors that have processes in a state, since when the oldest is, and the time: a hop in an index for each."""
    found = Process.objects.filter(state=state, **{f"{clock}__isnull": False}).order_by("actor", clock)
    actor = ""
    while first := found.filter(actor__gt=actor).values_list("actor", clock, moment(now)).first():
        yield first
        actor = first[0]


def _delete(ids: Sequence[UUID]) -> Iterator[Counter[str]]:
    try:
        for gone in delete_in_steps(ids):
            yield Counter(deleted=gone) if gone else Counter()
    except IntegrityError as error:
        if len(ids) == 1:
            _postpone(ids[0], error)
            return
        for each in ids:
            yield from _delete([each])


def _postpone(process_id: UUID, error: IntegrityError) -> None:
    """Leave a process that some table of the user's needs for another day, so that it holds up no other."""
    Process.objects.filter(id=process_id).update(deletion_began_at=Now() + AGAIN_AFTER)
    record([event("deletion_refused", process_id, by=BY, message=str(error))])
    log.error("a process cannot be deleted", extra={"event": "deletion_refused", "process_id": str(process_id)})
