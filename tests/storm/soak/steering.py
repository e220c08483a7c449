"""Starts processes of all shapes and steers them at random: `python -m tests.storm.soak.steering LEDGER SEED RATE`.

RATE is how many start in a second. Every start and act goes into the ledger with its answer. When standard input ends
it starts and steers no more, ends blocks, answers external tasks, waits until what can end has ended, asks
why the rest has not, and exits.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from random import Random
from time import monotonic, sleep

import django

django.setup()

from processes.models import Process, ProcessState  # noqa: E402  # Django must be set up first
from processes.states import FINAL_STATES  # noqa: E402
from recovery.why import why  # noqa: E402
from tasks.actors import (  # noqa: E402
    Code,
    StartRequest,
    block,
    pause_everything,
    resume_everything,
    start_processes,
    unblock,
)
from tasks.models import Task, TaskState  # noqa: E402
from tasks.policies import ActorName  # noqa: E402
from tasks.registry import ACTORS  # noqa: E402
from tests.storm.feeding import stop_at_end_of_input  # noqa: E402
from tests.storm.soak.acts import Acts  # noqa: E402
from tests.storm.soak.ledger import Ledger  # noqa: E402
from tests.storm.soak.shapes import SHAPES  # noqa: E402

TICK_SECONDS = 0.05
BLOCK_EVERY, BLOCK_FOR = 17.0, 2.0
PAUSE_EVERY, PAUSE_FOR = 41.0, 1.0
"""How often an actor is blocked, and everything is paused, and for how long; in seconds."""
MOST_GOING = 400
"""No more are started while so many run: the machine is slower than the rate."""
QUIET_SECONDS = 180.0


class Steering:
    """Starts, steers, and calms down."""

    def __init__(self, ledger: Ledger, random: Random, rate: float) -> None:
        self.ledger = ledger
        self.random = random
        self.rate = rate
        self.acts = Acts(ledger, random)
        self.started = 0
        self.blocked: str | None = None
        self.is_paused = False

    def run(self, stopped: threading.Event) -> None:
        """Start and steer until `stopped` is set."""
        last = began = monotonic()
        due = 0.0
        while not stopped.wait(TICK_SECONDS):
            now = monotonic()
            due += (now - last) * self.rate
            last = now
            if going() < MOST_GOING:
                self.start(int(due) - self.started)
            else:
                due = float(self.started)
            self.block_now_and_then(now - began)
            if self.started:
                self.acts.something()

    def start(self, count: int) -> None:
        """Start so many processes, each of a random shape; now and then ask twice."""
        if count <= 0:
            return
        shapes = list(SHAPES.values())
        weights = [2 if shape.fate == "completes" else 1 for shape in shapes]
        numbers = range(self.started, self.started + count)
        chosen = self.random.choices(shapes, weights, k=count)
        requests = [
            StartRequest(
                actor=ACTORS.get(ActorName.parse(f"{shape.module}.{shape.actor}")),
                args=(number if shape.module == "soak" else f"{number}.0",),
                custom_id=f"soak-{number}",
                start_to_end=shape.start_to_end,
            )
            for number, shape in zip(numbers, chosen, strict=True)
        ]
        answers = start_processes(requests)
        for number, shape, answer in zip(numbers, chosen, answers, strict=True):
            assert answer.code == Code.CREATED, answer
            self.ledger.write(
                what="started",
                process=str(answer.process_id),
                shape=shape.actor,
                number=number,
                custom_id=f"soak-{number}",
            )
        if self.random.random() < 0.1:
            again = start_processes(requests)
            assert all(each.code == Code.EXISTS for each in again), again
            assert [each.process_id for each in again] == [each.process_id for each in answers]
        self.started += count

    def block_now_and_then(self, elapsed: float) -> None:
        """Block an actor, or pause everything, for a while each time; end it when the while is over."""
        if self.blocked is None and elapsed % BLOCK_EVERY > BLOCK_EVERY - BLOCK_FOR:
            self.blocked = self.random.choice([name for name in ACTORS.names() if name.startswith("soak.")])
            self.acts.act(block, self.blocked)
        elif self.blocked is not None and elapsed % BLOCK_EVERY < BLOCK_EVERY - BLOCK_FOR:
            self.acts.act(unblock, self.blocked)
            self.blocked = None
        if not self.is_paused and elapsed % PAUSE_EVERY > PAUSE_EVERY - PAUSE_FOR:
            self.is_paused = self.acts.act(pause_everything)
        elif self.is_paused and elapsed % PAUSE_EVERY < PAUSE_EVERY - PAUSE_FOR:
            self.is_paused = not self.acts.act(resume_everything)

    def calm_down(self) -> None:
        """End what keeps everybody from working, answer who waits, and wait until nothing goes on any more."""
        if self.blocked is not None:
            self.acts.act(unblock, self.blocked)
        if self.is_paused:
            self.acts.act(resume_everything)
        until = monotonic() + QUIET_SECONDS
        while monotonic() < until and (self.acts.answer(only_running=True) or something_goes_on()):
            sleep(TICK_SECONDS)

    def ask_why(self) -> None:
        """Ask of every process that is not final why it does not move."""
        for process in Process.objects.exclude(state__in=FINAL_STATES):
            answer = why(process)
            self.ledger.write(what="why", process=str(process.id), code=answer.code, sentence=answer.sentence)


def going() -> int:
    """How many processes are on their way."""
    return Process.objects.filter(state__in=[ProcessState.REGISTERING, ProcessState.RUNNING]).count()


def something_goes_on() -> bool:
    """Whether anything may still change by itself."""
    return going() > 0 or Task.objects.filter(state__in=[TaskState.POLLED, TaskState.DELAYED]).exists()


def main() -> None:
    """Steer until standard input ends."""
    path, seed, rate = sys.argv[1:]
    stopped = threading.Event()
    threading.Thread(target=stop_at_end_of_input, args=(stopped,), daemon=True).start()
    steering = Steering(Ledger(Path(path)), Random(f"{seed} steering"), float(rate))
    steering.run(stopped)
    steering.calm_down()
    steering.ask_why()


if __name__ == "__main__":
    main()
