"""Blocks actors, one or all of them: nothing of theirs is handed out. What runs may finish.

A block is one row. The clock of a blocked actor stands, and with it the enqueue-to-end time of its tasks; while
everything is paused the start-to-end time of processes stands as well. Leases go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from processes.models import Event
from tasks import bell
from tasks.acts import Act, Order, perform
from tasks.declaring import Actor, BoundActor
from tasks.errors import AlreadyBlocked, NotBlocked
from tasks.expiring import InstallationClock
from tasks.models import EVERYTHING, ActorStatus
from tasks.policies import ActorName
from tasks.queries import ready_actors, unpolled_actors

Named = Actor[..., Any] | BoundActor[..., Any] | str


def block(actor: Named, *, by: str = "", reason: str = "", request_id: str | None = None) -> Event:
    """Hand no task of this actor (`name#version`, `name#version@list`) out any more, until it is unblocked.

    A claim that begins after the block has committed takes none. Returns the audit record. Raises AlreadyBlocked,
    InvalidActorName, RequestIdTaken, InvalidOrder.
    """
    return _block(_name(actor), "blocked", Order(by=by, reason=reason, request_id=request_id))


def unblock(actor: Named, *, by: str = "", reason: str = "", request_id: str | None = None) -> Event:
    """Hand tasks of a blocked actor out again. Returns the audit record.

    Raises NotBlocked, InvalidActorName, RequestIdTaken, InvalidOrder.
    """
    name = _name(actor)
    return _unblock(name, "unblocked", Order(by=by, reason=reason, request_id=request_id), lambda: ready_actors([name]))


def pause_everything(*, by: str = "", reason: str = "", request_id: str | None = None) -> Event:
    """Hand nothing out any more, of whatever actor. Starts are still accepted, and registered.

    Returns the audit record. Raises AlreadyBlocked, RequestIdTaken, InvalidOrder.
    """
    return _block(EVERYTHING, "everything_paused", Order(by=by, reason=reason, request_id=request_id))


def resume_everything(*, by: str = "", reason: str = "", request_id: str | None = None) -> Event:
    """End what `pause_everything` began. Actors that are blocked and processes that are paused for themselves stay so.

    Returns the audit record. Raises NotBlocked, RequestIdTaken, InvalidOrder.
    """
    order = Order(by=by, reason=reason, request_id=request_id)
    return _unblock(EVERYTHING, "everything_resumed", order, lambda: unpolled_actors(timedelta(0)))


def status_of(name: str) -> ActorStatus:
    """What is known of an actor, or of `EVERYTHING`; a row not yet written where nothing is."""
    return ActorStatus.objects.filter(name=name).first() or ActorStatus(name=name)


def check_not_blocked(status: ActorStatus) -> None:
    """Raise AlreadyBlocked for an actor that is blocked."""
    if status.blocked_at is not None:
        raise AlreadyBlocked(status.name, f"since {status.blocked_at}")


def blocked_since(status: ActorStatus) -> datetime:
    """Since when an actor is blocked. Raises NotBlocked."""
    if status.blocked_at is None:
        raise NotBlocked(status.name)
    return status.blocked_at


def _name(actor: Named) -> str:
    return str(ActorName.parse(actor)) if isinstance(actor, str) else str(actor.actor_name)


def _block(name: str, kind: str, order: Order) -> Event:
    def do() -> Mapping[str, object]:
        check_not_blocked(_locked(name))
        ActorStatus.objects.filter(name=name, blocked_at__isnull=True).update(
            blocked_at=Now(), clock_stopped_at=_clock(name)
        )
        return {}

    return perform(Act(kind=kind, order=order, actor=name), do)


def _unblock(name: str, kind: str, order: Order, ready: Callable[[], Iterable[str]]) -> Event:
    def do() -> Mapping[str, object]:
        since = blocked_since(_locked(name))
        ActorStatus.objects.filter(name=name, blocked_at__isnull=False).update(
            blocked_at=None,
            clock_stopped_at=None,
            blocked_for=F("blocked_for") + (_clock(name) - F("clock_stopped_at")),
        )
        bell.ring(ready())
        return {"blocked_at": since.isoformat()}

    return perform(Act(kind=kind, order=order, actor=name), do)


def _clock(name: str) -> Now | InstallationClock:
    """The clock in which that of `name` runs: for all actors the installation's, and for that the time itself."""
    return Now() if name == EVERYTHING else InstallationClock(Now())


def _locked(name: str) -> ActorStatus:
    """The status row of an actor, locked; made where it is missing."""
    ActorStatus.objects.bulk_create([ActorStatus(name=name)], ignore_conflicts=True)
    return ActorStatus.objects.select_for_update(no_key=True).get(name=name)
