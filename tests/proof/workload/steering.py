"""Steers processes at random: `python -m tests.proof.workload.steering --rate R`, R acts in a second.

It also answers the tasks that wait for an answer from outside, as their modes say; with `--rate 0` it does nothing
else. Once it is told to stop (with `--calm` at once) it ends blocks and pauses, but leaves a share of the processes
paused, waits until nothing goes on any more, and asks of every process that is not final why it does not move.
Ends with 3 where it does not get quiet.
"""

from __future__ import annotations

import argparse
import os
import sys
from random import Random
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import django
import orjson

django.setup()

from django.db import Error, connection  # noqa: E402  # Django must be set up first

from processes.models import Process, ProcessState  # noqa: E402
from processes.states import FINAL_STATES  # noqa: E402
from tasks.models import EVERYTHING, ActorStatus, Task, TaskState  # noqa: E402
from tests.proof.evaluating import FAILED_OUTSIDE  # noqa: E402
from tests.proof.language import digest  # noqa: E402
from tests.proof.workload.actors import ACTORS, draw_nonce, form  # noqa: E402
from tests.proof.workload.acts import Acts  # noqa: E402
from tests.proof.workload.calls import Stop  # noqa: E402
from tests.proof.workload.probing import probe  # noqa: E402

TICK_SECONDS = 0.2
QUIET_SECONDS = 120.0
RECENT = 60
BLOCK_SECONDS, PAUSE_SECONDS = 1.5, 1.0
LEFT_PAUSED = 5
"""One in so many processes is left paused in the end."""
NOT_QUIET = 3
CHANCES = {
    "pause": 26,
    "resume": 24,
    "abort": 3,
    "restart_process": 3,
    "restart_failed_tasks": 14,
    "restart_task": 8,
    "cure": 12,
    "block": 3,
    "pause_everything": 1,
    "nonsense": 6,
}
SUITED = {
    "pause": [ProcessState.RUNNING],
    "resume": [ProcessState.PAUSED],
    "abort": [ProcessState.REGISTERING, ProcessState.RUNNING, ProcessState.PAUSED, ProcessState.FAILED],
    "restart_process": list(ProcessState),
    "restart_failed_tasks": [ProcessState.FAILED, ProcessState.PAUSED],
    "restart_task": [ProcessState.FAILED, ProcessState.PAUSED],
    "cure": [ProcessState.FAILED],
    "nonsense": list(ProcessState),
}
"""The states of the processes that an act is tried on. They change meanwhile: then it is refused."""


class Steering:
    """Steers at random, and calms down."""

    def __init__(self, seed: str) -> None:
        self.random = Random(f"{seed} steering")
        self.acts = Acts(self.random, f"steering-{os.getpid()}")
        self.blocked: dict[str, float] = {}
        """What is blocked, and until when (monotonic seconds)."""

    def steer(self, rate: float, stop: Stop) -> None:
        """Act until it is time to stop."""
        last, due = monotonic(), 0.0
        while not stop.is_wanted():
            sleep(TICK_SECONDS)
            now = monotonic()
            due = min(due + (now - last) * rate, 10.0)
            last = now
            with _Patience():
                self.acts.repeat_unanswered()
                self.answer_forms()
                self.unblock(now)
                while due >= 1.0:
                    due -= 1.0
                    self.act_at_random()

    def act_at_random(self) -> None:
        """Do one thing to one process, task or actor."""
        [act] = self.random.choices(list(CHANCES), list(CHANCES.values()))
        if act == "block":
            self.block(str(self.random.choice([*ACTORS.values()]).actor_name), BLOCK_SECONDS)
        elif act == "pause_everything":
            self.block(EVERYTHING, PAUSE_SECONDS)
        else:
            self.act_on_process(act)

    def act_on_process(self, act: str) -> None:
        """Do one thing to a recent process whose state suits."""
        recent = list(
            Process.objects.filter(state__in=SUITED[act]).order_by("-id").values_list("id", flat=True)[:RECENT]
        )
        if not recent:
            return
        process = self.random.choice(recent)
        match act:
            case "restart_task":
                self.restart_task(process)
            case "cure":
                self.acts.cure(process)
                self.acts.act("restart_failed_tasks", process=process)
            case "nonsense":
                self.acts.act(self.random.choice(["pause", "resume", "restart_failed_tasks"]), process=process)
            case _:
                self.acts.act(act, process=process)

    def restart_task(self, process: UUID) -> None:
        """Restart one failed task of a process; now and then one whose failure was accepted."""
        failed = Task.objects.filter(process_id=process, state=TaskState.FAILED)
        if self.random.random() < 0.8:
            failed = failed.filter(failure_accepted=False)
        tasks = list(failed.values_list("id", flat=True))
        if tasks:
            self.acts.act("restart_task", process=process, task=self.random.choice(tasks))

    def block(self, actor: str, seconds: float) -> None:
        """Block an actor, or everything, for some seconds."""
        self.blocked[actor] = monotonic() + seconds
        if actor == EVERYTHING:
            self.acts.act("pause_everything")
        else:
            self.acts.act("block", actor=actor)

    def unblock(self, now: float) -> None:
        """Unblock what is blocked and has been so for long enough, whoever blocked it."""
        for actor in ActorStatus.objects.filter(blocked_at__isnull=False).values_list("name", flat=True):
            if self.blocked.get(actor, now) > now:
                continue
            if actor == EVERYTHING:
                self.acts.act("resume_everything")
            else:
                self.acts.act("unblock", actor=actor)

    def answer_forms(self) -> None:
        """Complete and fail the tasks that wait for it, as their modes say, in processes that run or are paused."""
        waiting = Task.objects.filter(
            actor=str(form.actor_name),
            state__in=[TaskState.ENQUEUED, TaskState.HELD],
            process__state__in=[ProcessState.RUNNING, ProcessState.PAUSED],
        )
        for task in waiting.only("id", "process_id", "arguments"):
            self.answer_form(task, orjson.loads(task.arguments))

    def answer_form(self, task: Task, arguments: dict[str, Any]) -> None:
        """Answer one of them."""
        told = {"process": task.process_id, "task": task.id}
        match arguments["call"]["mode"]:
            case "completed":
                value = [digest(arguments["key"], []), draw_nonce()]
                self.acts.act("complete_task", **told, value=value)
            case "failed":
                self.acts.act("fail_task", **told, type=FAILED_OUTSIDE)

    def calm_down(self) -> bool:
        """End what keeps everybody from working and wait until nothing goes on; tell whether it got quiet."""
        until = monotonic() + QUIET_SECONDS
        while monotonic() < until:
            with _Patience():
                self.unblock(float("inf"))
                all_answered = self.acts.repeat_unanswered()
                self.answer_forms()
                self.resume_most()
                if all_answered and not something_goes_on():
                    return True
            sleep(TICK_SECONDS)
        return False

    def resume_most(self) -> None:
        """Resume what is paused, but for a share."""
        for process in Process.objects.filter(state=ProcessState.PAUSED).values_list("id", flat=True):
            if process.int % LEFT_PAUSED:
                self.acts.act("resume", process=process)

    def ask_why(self) -> None:
        """Ask of every process that is not final why it does not move."""
        for process in Process.objects.exclude(state__in=FINAL_STATES):
            self.acts.ask_why(process)


class _Patience:
    """Bears that the database is away: the next look comes soon."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        if kind is None or not issubclass(kind, Error):
            return False
        connection.close()
        return True


def something_goes_on() -> bool:
    """Whether anything may still change by itself."""
    on_their_way = [ProcessState.REGISTERING, ProcessState.RUNNING]
    if Process.objects.filter(state__in=on_their_way).exists():
        return True
    unfinished = Task.objects.filter(state__in=[TaskState.POLLED, TaskState.DELAYED])
    return unfinished.exclude(process__state__in=FINAL_STATES).exists()


def main() -> int:
    """Steer until told to stop, calm down, ask."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.workload.steering", description=__doc__)
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--probe", action="store_true", help="ask at the end how soon starts are heard of")
    options = parser.parse_args()
    seed = os.environ.get("PROOF_SEED", "0")
    steering = Steering(seed)
    if not options.calm:
        steering.steer(options.rate, Stop())
    is_quiet = steering.calm_down()
    if is_quiet and options.probe:
        probe(seed)
        is_quiet = steering.calm_down()
    steering.ask_why()
    if not is_quiet:
        print(f"it does not get quiet within {QUIET_SECONDS:g} s", file=sys.stderr, flush=True)
    return 0 if is_quiet else NOT_QUIET


if __name__ == "__main__":
    sys.exit(main())
