"""Reads of processes: one by its name, many by what they have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from processes.errors import NoSuchProcess
from processes.models import Event, Process
from processes.states import FINAL_STATES, STANDSTILLS, ProcessState


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
    older_than: timedelta | None = None,
    attributes: Mapping[str, object] | None = None,
) -> QuerySet[Process]:
    """The processes for which all that is given holds; `older_than` since they were created."""
    processes = Process.objects.all()
    if state is not None:
        processes = processes.filter(state=state)
    if actor is not None:
        processes = processes.filter(actor=actor)
    if older_than is not None:
        processes = processes.filter(created_at__lt=Now() - older_than)
    if attributes:
        processes = processes.filter(attributes__contains=dict(attributes))
    return processes


def no_longer_moving(ids: Collection[UUID]) -> set[UUID]:
    """Those of the processes that have ended or stand still. One index probe each; no processes cost nothing."""
    if not ids:
        return set()
    return set(Process.objects.filter(id__in=ids, state__in=(*FINAL_STATES, *STANDSTILLS)).values_list("id", flat=True))


def _uuid(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        return None
