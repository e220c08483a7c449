"""Starts processes: three answers, of which the positive one is given if and only if the row is committed.

The request inserts a row (`tasks.identity`) and rings; everything else is done by registration. What the answers
mean stands in `tasks.requests`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic, sleep
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from psycopg import errors

from tasks import bell
from tasks.declaring import Actor, BoundActor
from tasks.errors import OutcomeUnknown, StartConflict
from tasks.identity import busy, place
from tasks.requests import Code, NewProcess, Reason, Started, StartRequest, check
from tasks.statements import fetch
from tasks.transactions import has_lost_a_race

BATCH = 1000
SHORTEST_LOCK_SECONDS = 0.05
PAUSE_SECONDS = 0.1
TRIES_WHILE_CERTAIN = 2


def start_process(
    actor: Actor[..., Any] | BoundActor[..., Any],
    /,
    *args: object,
    custom_id: str | None = None,
    if_ended: Literal["return", "start_again"] = "return",
    start_to_end: timedelta | None = None,
    on_start_to_end: Literal["time_out", "alert"] = "time_out",
    attributes: Mapping[str, str | int | float | bool | None] | None = None,
    **kwargs: object,
) -> Started:
    """Start one process of `actor`, called with `args` and `kwargs`; see `StartRequest` for the options.

    Inside `transaction.atomic()` the process commits and rolls back with the caller's rows. Without a `custom_id`
    a lost answer cannot be told from a lost request; the answer warns of it.
    An actor whose parameters are called like an option is started by `start_processes([StartRequest(...)])`.
    Raises OutcomeUnknown where the connection broke during COMMIT and the database stays unreachable (repeat with
    the same custom_id), and StartConflict where the caller's own transaction cannot see the other process.
    """
    request = StartRequest(
        actor=actor,
        args=args,
        kwargs=kwargs,
        custom_id=custom_id,
        if_ended=if_ended,
        start_to_end=start_to_end,
        on_start_to_end=on_start_to_end,
        attributes=attributes or {},
    )
    return start_processes([request])[0]


def start_processes(requests: Iterable[StartRequest]) -> list[Started]:
    """Start many processes in few statements; one answer per request, in their order.

    Each is answered for itself: one that is refused does not hold up the others. Outside a transaction they
    commit in batches of 1000. Raises as `start_process`.
    """
    checked = [check(request) for request in requests]
    new = sorted(
        (each for each in checked if isinstance(each, NewProcess)), key=lambda each: (each.custom_id or "", each.id)
    )
    answers: dict[UUID, Started] = {}
    patience = Patience()
    try:
        for first in range(0, len(new), BATCH):
            answers |= _start(new[first : first + BATCH], patience)
    finally:
        # Also where a later batch raises: what is committed is ours to bring to its end.
        if any(answer.code is Code.CREATED for answer in answers.values()):
            bell.ring_for_registration()
    return [each if isinstance(each, Started) else answers[each.id] for each in checked]


@dataclass(slots=True)
class Patience:
    """How long one call of `start_processes` waits for other starts, in total."""

    seconds: float = -1.0

    def __post_init__(self) -> None:
        self.seconds = settings.ORCHESTRATOR_START_LOCK_SECONDS

    def milliseconds(self) -> int:
        """What is left of it, as a lock timeout."""
        return int(max(self.seconds, SHORTEST_LOCK_SECONDS) * 1000)


def _start(new: Sequence[NewProcess], patience: Patience) -> dict[UUID, Started]:
    """Start one batch; where somebody else holds one of its ids too long, each of the batch for itself."""
    began_at = monotonic()
    try:
        return _start_within(new, patience) if connection.in_atomic_block else _start_committed(new, patience)
    except OperationalError as error:
        if not isinstance(error.__cause__, errors.LockNotAvailable):
            raise
    finally:
        patience.seconds -= monotonic() - began_at
    if len(new) == 1:
        return {new[0].id: busy()}
    answers: dict[UUID, Started] = {}
    for each in new:
        answers |= _start([each], patience)
    return answers


def _start_within(new: Sequence[NewProcess], patience: Patience) -> dict[UUID, Started]:
    """Start inside the caller's transaction, which is never broken by it: a savepoint guards it."""
    try:
        with transaction.atomic():
            [(lock_timeout, isolation, _)] = fetch("begin_start", lock_timeout=f"{patience.milliseconds()}ms")
            answers = place(new, read_committed=isolation == "read committed")
            fetch("set_lock_timeout", lock_timeout=lock_timeout)
            return answers
    except OperationalError as error:
        if has_lost_a_race(error):
            raise StartConflict from error
        raise


def _start_committed(new: Sequence[NewProcess], patience: Patience) -> dict[UUID, Started]:
    """Start in a transaction of our own.

    Where the connection breaks during COMMIT the same rows, with the same ids, are inserted again on a fresh
    connection: that waits for what may still be committing, and then either finds our row or creates it.
    """
    is_uncertain = False
    until = monotonic() + settings.ORCHESTRATOR_START_UNKNOWN_SECONDS
    tries = 0
    while True:
        tries += 1
        is_placed = False
        try:
            with transaction.atomic(durable=True):
                fetch("begin_start", lock_timeout=f"{patience.milliseconds()}ms")
                answers = place(new, read_committed=True)
                is_placed = True
            return answers
        except (OperationalError, InterfaceError) as error:
            is_uncertain = is_uncertain or is_placed
            if isinstance(error.__cause__, errors.LockNotAvailable) and not is_uncertain:
                raise
            if not has_lost_a_race(error):
                connection.close()
        if is_uncertain and monotonic() > until:
            raise OutcomeUnknown([each.id for each in new])
        if not is_uncertain and tries >= TRIES_WHILE_CERTAIN:
            return dict.fromkeys((each.id for each in new), UNREACHABLE)
        sleep(PAUSE_SECONDS)


UNREACHABLE = Started(
    code=Code.NOT_CREATED, reason=Reason.UNREACHABLE, message="the database cannot be reached; nothing was created"
)
