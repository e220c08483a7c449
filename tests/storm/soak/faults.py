"""Kills and freezes workers, flushes the broker, and watches how long work stands still, on servers of a soak's own."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from time import monotonic, sleep

from orchestrator.local.broker import Broker
from orchestrator.local.programs import LaunchError, Program
from tests.storm.observing import CLAIMABLE, STATES, Observer, names_of_children

KILL_EVERY = 20.0
FLUSH_EVERY = 30.0
TELL_EVERY = 60.0
FREEZE_EVERY, FREEZE_FROM, FREEZE_TO = 60.0, 46.0, 56.0
"""In each minute a worker is frozen between two kills: so long that its leases end and others take its tasks."""
PATIENCE_SECONDS = 10.0
"""How long a kill waits for its victim to hold a lease."""
TICK_SECONDS = 0.1

LEFT_BY = "SELECT count(*) FROM tasks_task WHERE state = 'POLLED' AND worker = ANY('{%s}')"


@dataclass(slots=True)
class Faults:
    """What struck so far."""

    workers: Sequence[Program]
    broker: Broker
    observer: Observer
    random: Random
    kills: list[int] = field(default_factory=list)
    """For each kill, how many leases the victim still held when it was dead."""
    flushes: int = 0
    freezes: int = 0
    """How often a worker that held leases was frozen."""
    frozen: Program | None = None
    longest_stall: float = 0.0
    """The longest time for which some task could be claimed, and no worker did anything; in seconds."""
    _seen: int = -1
    _moved_at: float = 0.0

    def strike(self, seconds: float, steering: subprocess.Popen[bytes]) -> None:
        """Strike for so long, beginning after one interval; no longer than the steering lives."""
        began = monotonic()
        faults = [(self.kill, KILL_EVERY), (self.flush, FLUSH_EVERY), (self.tell, TELL_EVERY)]
        due = [every for _, every in faults]
        while (elapsed := monotonic() - began) < seconds and steering.poll() is None:
            for number, (strike, every) in enumerate(faults):
                if elapsed >= due[number]:
                    strike()
                    due[number] += every
            if not FREEZE_FROM <= elapsed % FREEZE_EVERY < FREEZE_TO:
                self.thaw()
            elif self.frozen is None:
                self.freeze()
            self.watch()
        self.thaw()

    def kill(self) -> None:
        """Kill a worker at random, with its children, while they hold leases.

        It is stopped first: what it holds then it still holds when it is killed.
        """
        victim, children = self._stop_at_work()
        victim.kill()
        self.kills.append(self._held_by(children))

    def flush(self) -> None:
        """Lose all messages."""
        self.broker.flush()
        self.flushes += 1

    def freeze(self) -> None:
        """Let a worker, with its children, stand still while they hold leases, until the thaw."""
        self.frozen, _ = self._stop_at_work()
        self.freezes += 1

    def thaw(self) -> None:
        """Let a frozen worker go on, which knows nothing of what happened."""
        if self.frozen is not None:
            with suppress(LaunchError, ProcessLookupError):
                self.frozen.send_to_all(signal.SIGCONT)
        self.frozen = None

    def tell(self) -> None:
        """Print how it goes."""
        print(f"{listed(self.observer.ask(STATES))}; {self}", flush=True)

    def watch(self) -> None:
        """Look once whether the work goes on."""
        sleep(TICK_SECONDS)
        now, progress = monotonic(), self.observer.progress()
        if progress != self._seen or not self.observer.number(CLAIMABLE):
            self._seen, self._moved_at = progress, now
        self.longest_stall = max(self.longest_stall, now - self._moved_at)

    def __str__(self) -> str:
        return (
            f"{len(self.kills)} kills, {self.kills_with_leases} with leases held; {self.freezes} freezes; "
            f"{self.flushes} flushes; longest stall {self.longest_stall:.1f} s"
        )

    def _stop_at_work(self) -> tuple[Program, list[str]]:
        """Stop a worker at random at a moment at which its children hold leases, as far as there is one."""
        victim = self.random.choice(self.workers)
        until = monotonic() + PATIENCE_SECONDS
        victim.send_to_all(signal.SIGSTOP)
        while not self._held_by(children := names_of_children(victim)) and monotonic() < until:
            victim.send_to_all(signal.SIGCONT)
            sleep(0.02)
            victim.send_to_all(signal.SIGSTOP)
        return victim, children

    def _held_by(self, workers: Sequence[str]) -> int:
        return self.observer.number(LEFT_BY % ",".join(workers))

    @property
    def kills_with_leases(self) -> int:
        """How many kills left leases behind."""
        return sum(left > 0 for left in self.kills)


def listed(pairs: Iterable[tuple[object, ...]]) -> str:
    """Names and numbers in one line."""
    return ", ".join(f"{count} {name}" for name, count in pairs) or "none"
