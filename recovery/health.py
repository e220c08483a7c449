"""Tells what is wrong with the system: checks by name, each in bounded time, each trouble with a number of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from functools import partial
from typing import TypeVar

from celery import current_app
from django.db import Error, connection
from django.db.models import Max, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Now

from recovery.lateness import late_scans
from tasks.models import WorkerProcess
from tasks.presence import last_seen_serving, live_workers, serving
from tasks.queries import unpolled_actors

T = TypeVar("T")

ANSWER_SECONDS = 10.0
"""What takes longer to answer counts as unreachable."""
PING_SECONDS = 5.0
WAITING = timedelta(seconds=30)
"""Work that nobody has polled for so long should have been heard of by now: bells are rung again every few seconds."""
SOLO = "solo"


class Ailment(IntEnum):
    """What can be wrong, the worst first. The number is the exit code of `manage.py check_health`."""

    DATABASE_UNREACHABLE = 10
    BROKER_UNREACHABLE = 11
    NO_WORKER = 12
    WORKER_DEAF = 13
    ACTOR_WITHOUT_WORKER = 14
    BEAT_LATE = 15


@dataclass(frozen=True, order=True, slots=True)
class Trouble:
    """One thing that is wrong, told in one line."""

    ailment: Ailment
    told: str

    def __str__(self) -> str:
        return f"{self.ailment.value} {self.ailment.name.lower()}: {self.told}"


def troubles(checks: Collection[str], *, here: bool = False) -> list[Trouble]:
    """What the checks find, the worst first; with `here`, only workers of this host are looked at.

    What a check needs is looked at before it: where that is unreachable, the check is left out.
    """
    needed = {need for name in checks for need in NEEDS.get(name, ())}
    found: list[Trouble] = []
    for name, check in CHECKS.items():
        lacking = {trouble.ailment for trouble in found} & {UNREACHABLE[need] for need in NEEDS.get(name, ())}
        if name in needed.union(checks) and not lacking:
            found += check(here)
    return sorted(found)


def check_database(_: bool) -> Iterable[Trouble]:
    """Whether a new connection to the database answers."""
    return _ask_database(_select)


def check_broker(_: bool) -> Iterable[Trouble]:
    """Whether a new connection to the broker is taken."""
    return _ask_broker(_connect_to_broker)


def check_workers(here: bool) -> Iterable[Trouble]:
    """Whether there are live workers, and whether each answers a ping and hears the bell of work that waits."""
    nodes: set[str] = set()
    yield from _ask_database(partial(_look_at_workers, here, nodes))
    if nodes:
        yield from _ask_broker(partial(_ping, nodes))


def check_actors(_: bool) -> Iterable[Trouble]:
    """Whether somebody serves each actor that has had work for a while."""
    return _ask_database(_look_at_actors)


def check_beat(_: bool) -> Iterable[Trouble]:
    """Whether every scan ran within three of its periods."""
    return _ask_database(_look_at_scans)


CHECKS: dict[str, Callable[[bool], Iterable[Trouble]]] = {
    "database": check_database,
    "broker": check_broker,
    "workers": check_workers,
    "actors": check_actors,
    "beat": check_beat,
}
NEEDS = {"workers": ("database", "broker"), "actors": ("database",), "beat": ("database",)}
UNREACHABLE = {"database": Ailment.DATABASE_UNREACHABLE, "broker": Ailment.BROKER_UNREACHABLE}


def _select() -> list[Trouble]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return []


def _connect_to_broker() -> list[Trouble]:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
    return []


def _look_at_workers(here: bool, to_be_pinged: set[str]) -> list[Trouble]:
    workers = live_workers().filter(host=socket.gethostname()) if here else live_workers()
    if not workers.exists():
        return [Trouble(Ailment.NO_WORKER, f"no worker {'of this host ' if here else ''}gives signs of life")]
    # A solo worker listens to nobody while it works.
    to_be_pinged |= set(workers.exclude(pool=SOLO, held__gt=0).values_list("node", flat=True))
    deaf = {node for actor in unpolled_actors(WAITING) for node in _idle_nodes(serving(actor, workers))}
    return [Trouble(Ailment.WORKER_DEAF, f"{node} hears no bell, and what it serves waits") for node in deaf]


def _idle_nodes(workers: QuerySet[WorkerProcess]) -> Iterable[str]:
    """The nodes none of whose processes holds a task, nor has heard a message for a while."""
    return (
        workers.values("node")
        .annotate(all_held=Sum("held"), last_heard_at=Max(Coalesce("heard_at", "started_at")))
        .filter(Q(all_held=0, last_heard_at__lt=Now() - WAITING))
        .values_list("node", flat=True)
    )


def _ping(nodes: set[str]) -> list[Trouble]:
    with current_app.connection_for_write() as broker:
        asked = current_app.control.inspect(sorted(nodes), timeout=PING_SECONDS, connection=broker, limit=len(nodes))
        answers = asked.ping() or {}
    return [
        Trouble(Ailment.WORKER_DEAF, f"{node} gives signs of life and does not answer") for node in nodes - set(answers)
    ]


def _look_at_actors() -> list[Trouble]:
    return [
        Trouble(Ailment.ACTOR_WITHOUT_WORKER, f"{actor} has work, and no live worker serves it ({_last_seen(actor)})")
        for actor in unpolled_actors(WAITING)
        if not serving(actor, live_workers()).exists()
    ]


def _last_seen(actor: str) -> str:
    seen_at = last_seen_serving(actor)
    return "none was seen for a day" if seen_at is None else f"the last one was seen at {seen_at:%Y-%m-%d %H:%M:%S %Z}"


def _look_at_scans() -> list[Trouble]:
    late = ", ".join(
        f"{name} ({'never ran' if age is None else f'ran {age.total_seconds():.0f} s ago'})"
        for name, age in sorted(late_scans().items())
    )
    return [Trouble(Ailment.BEAT_LATE, f"late recovery scans: {late}. Is celery beat running?")] if late else []


def _ask_database(look: Callable[[], list[Trouble]]) -> list[Trouble]:
    try:
        return _answer_in_time(look)
    except (Error, TimeoutError) as error:
        return [Trouble(Ailment.DATABASE_UNREACHABLE, _in_one_line(error))]


def _ask_broker(look: Callable[[], list[Trouble]]) -> list[Trouble]:
    try:
        return _answer_in_time(look)
    # Every transport has errors of its own; whatever it is, the broker cannot be used.
    except Exception as error:  # noqa: BLE001
        return [Trouble(Ailment.BROKER_UNREACHABLE, _in_one_line(error))]


def _answer_in_time(look: Callable[[], T]) -> T:
    """What `look` returns or raises; TimeoutError where that takes too long. It runs on a connection of its own."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(look())
        except Exception as error:  # noqa: BLE001  # raised where it was asked for
            answer.set_exception(error)
        finally:
            connection.close()

    # A thread that hangs in a socket must not keep the program from ending.
    threading.Thread(target=run, name="health", daemon=True).start()
    return answer.result(ANSWER_SECONDS)


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or f"no answer within {ANSWER_SECONDS:.0f} s"
