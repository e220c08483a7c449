"""Views of real rows that use the waiting room, without authentication."""

from __future__ import annotations

from uuid import UUID

import orjson
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from processes.models import Process
from processes.states import NOT_MOVING
from processes.waiting import HEADER, REPEATED, Wish
from tasks.claiming import Claimer

asked: list[bool] = []
"""For each time that a view was asked which may wait: whether it was asked again."""


@csrf_exempt
def poll(request: HttpRequest) -> JsonResponse:
    """Claim one task of one of the actors."""
    asked.append(REPEATED in request.META)
    body = orjson.loads(request.body)
    for actor in body["actors"]:
        for lease in Claimer(actor, "served").claim(1):
            return JsonResponse({"task": str(lease.task_id)})
    return JsonResponse({"task": None}, headers=wish(body["seconds"], *body["actors"]))


def process(request: HttpRequest, process_id: UUID) -> JsonResponse:
    """The state of a process."""
    asked.append(REPEATED in request.META)
    state = Process.objects.get(id=process_id).state
    is_moving = state not in NOT_MOVING
    headers = wish(float(request.GET["wait_seconds"]), process_id) if is_moving else {}
    return JsonResponse({"state": state}, headers=headers)


def count(request: HttpRequest) -> JsonResponse:
    """How often views were asked for the first time, and again."""
    return JsonResponse({"first": asked.count(False), "again": asked.count(True)})


@csrf_exempt
def echo(request: HttpRequest, rest: str = "") -> JsonResponse:
    """The request as it arrived."""
    told = {name: value for name, value in request.META.items() if isinstance(value, str) and name.isupper()}
    return JsonResponse({"path": request.path, "query": request.GET.dict(), "meta": told, "bytes": len(request.body)})


def wish(seconds: float, *awaited: UUID | str) -> dict[str, str]:
    """The header with which a view asks to be asked again."""
    return {HEADER: str(Wish(seconds, awaited))}


urlpatterns = [
    path("", include("orchestrator.urls")),
    path("served/poll", poll),
    path("served/processes/<uuid:process_id>", process),
    path("served/count", count),
    path("served/echo/<path:rest>", echo),
    path("served/echo", echo),
]
