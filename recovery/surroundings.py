"""What surrounds a task, as far as it explains why it does not move: workers, blocks, bells, scans."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import cast

from django.conf import settings
from django.db import connection

from processes.models import Event, Process
from recovery.causes import Cause, Explanation
from recovery.lateness import late_scans
from tasks import bell
from tasks.models import EVERYTHING, ActorStatus, Task
from tasks.policies import ActorName
from tasks.presence import UNSEEN, last_seen_serving, live_workers, serving
from tasks.registry import ACTORS

PATIENCE = timedelta(seconds=15)
"""So long after its time something may still be done by itself: a few periods of the scans, and the lost bell's."""
NOTHING = "Nothing needs to be done."


class Surroundings:
    """What is the same for all tasks that one question looks at is read once."""

    def why_registering(self, process: Process) -> Explanation:
        """Why a process is REGISTERING."""
        ids = {"process": str(process.id)}
        told = f"Process {process.id} waits since {at(process.created_at)} to be registered"
        stuck = timedelta(seconds=settings.ORCHESTRATOR_REGISTRATION_STUCK_SECONDS) + PATIENCE
        if self.now - process.created_at < stuck:
            return Explanation(Cause.REGISTERING, f"{told}, which takes a moment.", NOTHING, ids)
        action = "Start a worker that serves the queues registration and recovery; see manage.py check_health."
        return Explanation(Cause.REGISTRATION_LATE, f"{told}, and no worker does.", action, ids)

    def why_leased(self, task: Task) -> Explanation:
        """Why a task is POLLED."""
        ids = named(task) | {"worker": task.worker or ""}
        overdue = self.now - (task.lease_ends_at or self.now)
        if overdue > PATIENCE and self.late & {"task_heartbeat", "task_poll_to_end"}:
            told = f"The lease of {task.worker} on task {task.id} ended {span(overdue)} ago, and no scan took it back."
            return Explanation(Cause.BEAT_LATE, told, self.start_beat, ids)
        heard = self.now - max(task.polled_at or self.now, (task.lease_ends_at or self.now) - task.heartbeat)
        told = (
            f"Task {task.id} of {task.actor} is leased by {task.worker} since {at(task.polled_at)}, "
            f"until {at(task.poll_ends_at)} at the latest; last heartbeat {span(heard)} ago."
        )
        return Explanation(Cause.LEASED, told, NOTHING, ids)

    def why_overdue(self, task: Task) -> Explanation | None:
        """Why a DELAYED task is not enqueued although its time has come; None where it has not, or only just."""
        overdue = self.now - (task.due_at or self.now)
        if overdue <= PATIENCE or "due" not in self.late:
            return None
        told = f"Task {task.id} of {task.actor} was due {span(overdue)} ago, and no scan enqueued it."
        return Explanation(Cause.BEAT_LATE, told, self.start_beat, named(task))

    def why_enqueued(self, task: Task) -> Explanation:
        """Why a task that workers should claim is ENQUEUED."""
        blocked = self._why_blocked(task)
        if blocked is not None:
            return blocked
        actor = ACTORS.find(ActorName.parse(task.actor))
        if actor is not None and actor.remote:
            return self._why_not_polled(task)
        live = list(serving(task.actor, live_workers()))
        if not live:
            return self._why_no_worker(task)
        waiting = self.now - (task.enqueued_at or self.now)
        polled = self.last_polled(task.actor)
        silent = self.now - polled if polled is not None else waiting
        idle = [worker.name for worker in live if not worker.held]
        if min(waiting, silent) > PATIENCE and idle:
            told = f"{_ready(task)}; {idle[0]} serves it and is idle, but hears no bell."
            action = "Look whether broker and beat run and that worker is connected: manage.py check_health"
            return Explanation(Cause.BROKER_DEAF, told, action, named(task) | {"worker": idle[0]})
        told = f"{_ready(task)}; {len(live)} live worker processes serve it."
        return Explanation(Cause.READY, told, NOTHING, named(task))

    def last_polled(self, actor: str) -> datetime | None:
        """When somebody last polled for an actor."""
        return ActorStatus.objects.filter(name=actor).values_list("last_polled_at", flat=True).first()

    def _why_blocked(self, task: Task) -> Explanation | None:
        blocks = dict(
            ActorStatus.objects.filter(name__in=[task.actor, EVERYTHING], blocked_at__isnull=False).values_list(
                "name", "blocked_at"
            )
        )
        if EVERYTHING in blocks:
            told = f"Everything is paused since {at(blocks[EVERYTHING])}{ordered('everything_paused', EVERYTHING)}."
            action = "Resume: manage.py steer resume-everything"
            return Explanation(Cause.EVERYTHING_PAUSED, told, action, named(task))
        if task.actor in blocks:
            told = f"{task.actor} is blocked since {at(blocks[task.actor])}{ordered('blocked', task.actor)}."
            action = f"Unblock it: manage.py steer unblock {task.actor}"
            return Explanation(Cause.ACTOR_BLOCKED, told, action, named(task))
        return None

    def _why_no_worker(self, task: Task) -> Explanation:
        code = ActorName.parse(task.actor).code
        seen = last_seen_serving(task.actor)
        is_known = live_workers().filter(actors__contains=[code]).exists()
        if not is_known and live_workers().exists():
            told = f"{_ready(task)}, and no live worker has code for {code}."
            return Explanation(Cause.UNKNOWN_ACTOR, told, f"Deploy workers that have {code}.", named(task))
        since = f"since {at(seen)}" if seen is not None else "yet"
        told = f"{_ready(task)}; no live worker has served it {since}."
        queue = bell.for_actor(task.actor).queue
        return Explanation(Cause.NO_LIVE_WORKER, told, f"Start a worker that serves the queue {queue}.", named(task))

    def _why_not_polled(self, task: Task) -> Explanation:
        polled = self.last_polled(task.actor)
        if polled is not None and self.now - polled < UNSEEN + PATIENCE:
            told = f"{_ready(task)}; its program polled at {at(polled)}."
            return Explanation(Cause.READY, told, NOTHING, named(task))
        since = f"since {at(polled)}" if polled is not None else "yet"
        told = f"{_ready(task)}; nobody has polled for it {since}."
        return Explanation(Cause.NO_LIVE_WORKER, told, f"Start the program that polls for {task.actor}.", named(task))

    @cached_property
    def now(self) -> datetime:
        """The database's clock, as the first who asks finds it."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            [now] = cursor.fetchone()
        return cast(datetime, now)

    @cached_property
    def late(self) -> frozenset[str]:
        """The scans that are late."""
        return frozenset(late_scans())

    @property
    def start_beat(self) -> str:
        """What helps against late scans."""
        return f"Start celery beat, and a worker that serves the queue recovery; late: {', '.join(sorted(self.late))}."


def _ready(task: Task) -> str:
    return f"Task {task.id} of {task.actor} is ready since {at(task.enqueued_at)}"


def named(task: Task) -> dict[str, str]:
    """The ids that an explanation about a task names."""
    return {"process": str(task.process_id), "task": str(task.id), "actor": task.actor}


def ordered(kind: str, actor: str) -> str:
    """By whose order an actor was blocked, and why."""
    act = Event.objects.filter(kind=kind, detail__actor=actor).order_by("-id").first()
    return told_of(act)


def told_of(act: Event | None) -> str:
    """Who gave an order, and why; nothing where that is not known."""
    if act is None:
        return ""
    by = f" by {act.by}" if act.by else ""
    return by + (f" ({act.detail['reason']})" if act.detail.get("reason") else "")


def at(moment: datetime | None) -> str:
    """A moment, as people read it."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else "an unknown time"


def span(duration: timedelta) -> str:
    """A duration, as people read it."""
    return str(timedelta(seconds=max(0, round(duration.total_seconds()))))
