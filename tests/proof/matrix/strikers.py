"""Several threads that strike at random: at a moment at which somebody is held, or just now, whoever it is."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from random import Random
from time import sleep
from types import TracebackType
from typing import Self

from orchestrator.local.programs import LaunchError
from tests.proof.matrix.faults import FAULTS, Fault
from tests.proof.matrix.installation import Site
from tests.proof.matrix.moments import Held

PAUSE_SECONDS = 3.0
"""Between two strikes of one thread, on average."""
HELD_SECONDS = 1.0
MOST_MOMENTS = 6
AT_ANY_TIME = "any time"


class Strikers:
    """The threads, as a context manager; leaving it waits until the last strike has ended."""

    def __init__(self, site: Site, count: int, seed: str, spared: str) -> None:
        self.strikes: Counter[str] = Counter()
        self.moments: Counter[str] = Counter()
        self.most_at_once = 0
        self.wrong: list[str] = []
        self._site, self._spared = site, spared
        self._at_once = 0
        self._changed = threading.Lock()
        self._aiming = threading.Lock()
        self._targets: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._strike_on, args=(Random(f"{seed} striker {number}"),), daemon=True)
            for number in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _strike_on(self, random: Random) -> None:
        faults = [fault for name, fault in FAULTS.items() if name != "none"]
        while not self._ended.wait(random.expovariate(1 / PAUSE_SECONDS)):
            fault = random.choice(faults)
            target = self._targets[fault.target]
            if not target.acquire(blocking=False):
                continue
            try:
                self._strike(fault, random)
            except (LaunchError, OSError) as error:
                self.wrong.append(f"harness: {fault.name} {type(error).__name__} {error}")
            finally:
                target.release()

    def _strike(self, fault: Fault, random: Random) -> None:
        victims = self._aimed(fault, random) if random.random() < 0.6 else self._anybody(fault, random)
        if not victims:
            return
        self._note(fault, victims)
        at = time.time()
        try:
            for _ in fault.strike(self._site, victims):
                self._site.moments.release(victims)
        finally:
            with self._changed:
                self._at_once -= 1
                self._site.write_strike(fault.name, victims, None, at)

    def _aimed(self, fault: Fault, random: Random) -> list[Held]:
        """Those who are held at some moments at random; one thread aims at a time."""
        with self._aiming:
            moments = random.sample(fault.moments, random.randint(1, min(MOST_MOMENTS, len(fault.moments))))
            self._site.moments.arm(moments)
            sleep(HELD_SECONDS)
            held = self._site.held()
            victims = fault.victims([each for each in held if each.program != self._spared], moments, random)
            self._site.moments.let_go({each.pid for each in victims})
            return victims

    def _anybody(self, fault: Fault, random: Random) -> list[Held]:
        """One process that a fault concerns, wherever it is now."""
        names = [name for name in self._site.programs if name.startswith(fault.concerns) and name != self._spared]
        if not names:
            return []
        program = random.choice(names)
        try:
            pids = self._site.children(self._site.programs[program]) or [self._site.programs[program].pid]
        except LaunchError:
            return []
        return [Held(AT_ANY_TIME, random.choice(pids), program)]

    def _note(self, fault: Fault, victims: list[Held]) -> None:
        with self._changed:
            self.strikes[fault.name] += 1
            self.moments.update(each.moment for each in victims if each.moment != AT_ANY_TIME)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
