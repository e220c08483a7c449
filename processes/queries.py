"""Reads of processes: one by its name, many by what they have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from processes.errors import NoSuchProcess
from processes.models import Event, Process
from processes.states import NOT_MOVING, ProcessState

LARGE_COLUMNS = ("arguments", "options", "result", "failure")


def find(word: str, request_id: str | None = None) -> UUID:
    """The id of the process that has this id or this custom id. Raises NoSuchProcess.

    A restart hands the custom id on. Where it was done under this `request_id`, the process that was restarted is
    found, so that repeating the request finds its first answer.
    """
    if request_id is not None:
        answered = Event.objects.filter(request_id=request_id).values("process_id")
        first = Process.objects.filter(id__in=answered, former_custom_id=word).first()
        if first is not None:
            return first.id
    for names in ({"id": _uuid(word)}, {"custom_id": word}):
        found = Process.objects.filter(**names).only("id").first()
        if found is not None:
            return found.id
    raise NoSuchProcess(word)


def matching(
    *,
    state: ProcessState | None = None,
    actor: str | None = None,
    custom_id_prefix: str | None = None,
    older_than: timedelta | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    attributes: Mapping[str, object] | None = None,
) -> QuerySet[Process]:
    """The processes for which all that is given holds; created at `created_after` or later, before `created_before`."""
    processes = Process.objects.all()
    if state is not None:
        processes = processes.filter(state=state)
    if actor is not None:
        processes = processes.filter(actor=actor)
    if older_than is not None:
        processes = processes.filter(created_at__lt=Now() - older_than)
    if custom_id_prefix:
        processes = processes.filter(custom_id__startswith=custom_id_prefix)
    if created_after is not None:
        processes = processes.filter(created_at__gte=created_after)
    if created_before is not None:
        processes = processes.filter(created_at__lt=created_before)
    if attributes:
        processes = processes.filter(attributes__contains=dict(attributes))
    return processes


WALKED = 10_000
"""So many rows a page of a list looks at, at most."""
CLOCKS_DIFFER = timedelta(days=1)
"""So far the time in an id may be from `created_at`: clocks differ, and transactions take their time."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some processes, newest first, and the id below which the next page begins; None: there is no next one."""

    processes: list[Process]
    next_below: UUID | None


def newest_first(
    *,
    below: UUID | None,
    limit: int,
    state: ProcessState | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    **wanted: Any,
) -> Page:
    """Some of the processes that `matching` names, with ids `below` this one.

    Walks down the primary key, or `process_by_state` where a state is wanted, and looks at 10 000 rows at most,
    whatever else is wanted: so a page may hold fewer than `limit` and yet have a next one. Large columns are left out.
    """
    walk = matching(state=state)
    if below is not None:
        walk = walk.filter(id__lt=below)
    if created_after is not None:
        walk = walk.filter(id__gte=_first_id_at(created_after, -CLOCKS_DIFFER))
    if created_before is not None:
        walk = walk.filter(id__lt=_first_id_at(created_before, CLOCKS_DIFFER))
    walk = walk.order_by("-id")
    wanted |= {"created_after": created_after, "created_before": created_before}
    is_asked_more = any(each is not None for each in wanted.values())
    last = walk.values_list("id", flat=True)[WALKED - 1 : WALKED].first() if is_asked_more else None
    rows = walk & matching(**wanted)
    found = list((rows.filter(id__gte=last) if last else rows).defer(*LARGE_COLUMNS)[: limit + 1])
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else last)


def _first_id_at(time: datetime, offset: timedelta) -> UUID:
    """The smallest UUIDv7 made so long after this time."""
    milliseconds = int((time.timestamp() + offset.total_seconds()) * 1000)
    return UUID(int=max(0, milliseconds) << 80)


def no_longer_moving(ids: Collection[UUID]) -> set[UUID]:
    """Those of the processes that have ended or stand still. One index probe each; no processes cost nothing."""
    if not ids:
        return set()
    return set(Process.objects.filter(id__in=ids, state__in=NOT_MOVING).values_list("id", flat=True))


def _uuid(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        return None
