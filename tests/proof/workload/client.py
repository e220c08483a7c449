"""Starts processes until it is told to stop: `python -m tests.proof.workload.client --number N --live L --rate R`.

It keeps about L processes of its own going and starts R in a second at most, one by one and in batches. A start
without a certain answer is repeated with its `custom_id`, also by the client that is started after this one was killed:
it reads what this one wrote down. Now and then it asks again for what exists, with the same arguments or with others,
and for what can never be started.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import chain
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any

import django

django.setup()

from django.db import Error, connection  # noqa: E402  # Django must be set up first

from processes.models import Process, ProcessState  # noqa: E402
from tasks.actors import Reason, Started, StartRequest, start_process, start_processes  # noqa: E402
from tests.proof import history  # noqa: E402
from tests.proof.flows import PROFILES, flow_of  # noqa: E402
from tests.proof.workload.actors import run  # noqa: E402
from tests.proof.workload.calls import Answer, Stop, call, is_answered  # noqa: E402

TICK_SECONDS = 0.05
MOST_AT_ONCE = 20
RETRYABLE = (Reason.BUSY, Reason.UNREACHABLE)
INVALID = ("not_storable", "no_argument", "long_custom_id", "no_time")
"""What can be wrong with a start that must be refused."""

Start = Mapping[str, Any]
"""The arguments of a start, as histories have them."""


class Client:
    """One client. `open` are the starts without a certain answer, `known` the custom ids that were answered."""

    def __init__(self, number: int, seed: str, profile: str) -> None:
        self.prefix = f"p-{number}"
        self.seed = seed
        self.profile = profile
        self.open: dict[str, Start] = {}
        self.known: list[str] = []
        self.next = 0
        self.remember()
        self.random = Random(f"{seed} client {number} {self.next}")

    def remember(self) -> None:
        """Read what earlier runs of this client asked for, and what they were answered."""
        asked: dict[str, list[Start]] = {}
        paths = Path(os.environ[history.FOLDER], "history").glob(f"{os.environ[history.PROGRAM]}-*.jsonl")
        for line in sorted(chain.from_iterable(map(history.read_file, paths)), key=lambda line: line["at"]):
            if line["what"] == "call":
                asked[line["id"]] = line["arguments"].get("starts", [line["arguments"]])
                self.note_asked(asked[line["id"]])
            elif line["what"] == "answer":
                self.note(asked[line["id"]], line["answer"])

    def note_asked(self, starts: Iterable[Start]) -> None:
        """Note that these starts are under way."""
        for start in starts:
            if start["invalid"] is None and start["variant"] == 0:
                self.open.setdefault(start["custom_id"], start)
                self.next = max(self.next, int(start["custom_id"].rpartition("-")[2]) + 1)

    def note(self, starts: Sequence[Start], answer: Answer) -> None:
        """Note how starts were answered."""
        answers = answer.get("answers", [answer] * len(starts))
        for start, each in zip(starts, answers, strict=True):
            is_certain = is_answered(each) and each["reason"] not in RETRYABLE
            if is_certain and start["variant"] == 0 and self.open.pop(start["custom_id"], None) is not None:
                self.known.append(start["custom_id"])

    def go_on(self, room: int) -> None:
        """Repeat what has no certain answer, then start up to `room` new ones, and ask a question now and then."""
        for custom_id, start in list(self.open.items()):
            self.ask([start])
            if custom_id in self.open:
                return
        new = [self.start(f"{self.prefix}-{number}") for number in range(self.next, self.next + room)]
        while new:
            count = 1 if self.random.random() < 0.5 else self.random.randint(2, MOST_AT_ONCE)
            batch, new = new[:count], new[count:]
            self.ask(batch)
        if room and self.known and self.random.random() < 0.3:
            self.ask([self.odd_start()])

    def start(self, custom_id: str, *, variant: int = 0, invalid: str | None = None) -> Start:
        """The arguments of one start."""
        return start_of(custom_id, self.seed, self.profile, variant=variant, invalid=invalid)

    def odd_start(self) -> Start:
        """A start that creates nothing: one that was answered, with the same or other arguments, or an invalid one."""
        chance = self.random.random()
        if chance < 0.2:
            invalid = self.random.choice(INVALID)
            return self.start(f"x-{self.prefix}-{self.random.randrange(10**9)}", invalid=invalid)
        return self.start(self.random.choice(self.known), variant=1 if chance < 0.5 else 0)

    def ask(self, starts: Sequence[Start]) -> None:
        """Ask for these starts, in one call."""
        self.note_asked(starts)
        if len(starts) == 1:
            answer = call("start", starts[0], lambda: told_of(starts[0]))
        else:
            answer = call("start_many", {"starts": starts}, lambda: _start_many(starts))
        self.note(starts, answer)


def start_of(
    custom_id: str, seed: str, profile: str = "mixed", *, variant: int = 0, invalid: str | None = None
) -> Start:
    """The arguments of one start, as histories have them."""
    return {"custom_id": custom_id, "seed": seed, "profile": profile, "variant": variant, "invalid": invalid}


def told_of(start: Start) -> Answer:
    """Start, and tell what was answered."""
    return _told(_start(request_of(start)))


def request_of(start: Start) -> StartRequest:
    """The request of a start."""
    flow = flow_of(start["seed"], start["custom_id"], start["variant"], start["profile"])
    seconds = flow.get("start_to_end")
    arguments: tuple[object, ...] = {"not_storable": (object(),), "no_argument": ()}.get(start["invalid"], (flow,))
    custom_id = start["custom_id"] * (40 if start["invalid"] == "long_custom_id" else 1)
    if start["invalid"] == "no_time":
        seconds = 0.0
    return StartRequest(
        actor=run,
        args=arguments,
        custom_id=custom_id,
        start_to_end=timedelta(seconds=seconds) if seconds is not None else None,
    )


def _start(request: StartRequest) -> Started:
    return start_process(request.actor, *request.args, custom_id=request.custom_id, start_to_end=request.start_to_end)


def _start_many(starts: Sequence[Start]) -> Answer:
    return {"answers": [_told(started) for started in start_processes(map(request_of, starts))]}


def _told(started: Started) -> Answer:
    return {"code": started.code, "process": started.process_id, "reason": started.reason}


def run_client(client: Client, live: int, rate: float, stop: Stop) -> None:
    """Keep `live` processes going, `rate` new ones in a second at most, until it is time to stop."""
    last, due = monotonic(), 0.0
    while not stop.is_wanted():
        sleep(TICK_SECONDS)
        now = monotonic()
        due = min(due + (now - last) * rate, float(live))
        last = now
        # To count costs more than to wait: only where there is something to start.
        room = max(min(int(due), live - going(client.prefix, live)), 0) if due >= 1.0 else 0
        due -= room
        client.go_on(room)


def going(prefix: str, otherwise: int) -> int:
    """How many processes of a client are on their way; `otherwise` while the database cannot tell."""
    on_their_way = [ProcessState.REGISTERING, ProcessState.RUNNING]
    try:
        return Process.objects.filter(state__in=on_their_way, custom_id__startswith=f"{prefix}-").count()
    except Error:
        connection.close()
        return otherwise


def main() -> None:
    """Start until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.workload.client", description=__doc__)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--live", type=int, default=100)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="mixed")
    options = parser.parse_args()
    client = Client(options.number, os.environ.get("PROOF_SEED", "0"), options.profile)
    run_client(client, options.live, options.rate, Stop())


if __name__ == "__main__":
    main()
