"""One storm: an installation of its own, and faults that strike it at all their moments, one after the other.

    python -m tests.proof.matrix.storm --fault worker_killed --seed 1 --folder /tmp/storm [--seconds 40]

A strike arms all moments that still need a hit, waits until they are held and enough is leased, strikes, and lets go.
Without `--seconds` the storm ends when each moment has been hit often enough. Then everything calms down, and the
checker looks at all that happened. Exits with 1 where anything is wrong, and tells what.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from random import Random
from threading import Timer
from time import monotonic, sleep

from orchestrator.local.programs import LaunchError
from tests.proof.matrix.cells import LEAST_LEASES, LEAST_PROCESSES, Result
from tests.proof.matrix.faults import FAULTS, Fault
from tests.proof.matrix.installation import Scale, Site
from tests.proof.matrix.installing import installed
from tests.proof.matrix.judging import judged, rejected
from tests.proof.matrix.moments import ALL, START
from tests.proof.matrix.observing import LIVE, PROCESSES, TASKS, Recoveries, Recovery, Unreachable

LONGEST_SECONDS = 240.0
"""A fault without a bound of its own strikes no longer than this."""
UNSTRUCK = "none"
"""The storm without a fault asks at its end how soon starts are heard of."""
WARM_UP_SECONDS = 30.0
WARM_LIVE = 12
HELD_SECONDS = 1.2
"""How long a strike waits for its moments to be held, in each of two waves."""
LEASED_SECONDS = 3.0
"""How long those who are held wait for enough leases; none of them is held for more than 15 s."""
RECOVERED_SECONDS, LOAD_SECONDS = 12.0, 8.0
"""How long the next strike waits for all to get over the last one, and then for some load."""
RECOVER_SECONDS = 60.0
TICK_SECONDS, LOOK_SECONDS = 0.1, 0.5
LEAST_ARMED = 6
KEEPING = ("claim.after_commit", "user_code", "user_code.transactional", "release.before_commit")
"""Who is held there holds leases: armed in every strike, whoever is struck."""
TOLD = 20
ABANDONED = 3


def main() -> int:
    """Run one storm and tell what came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.matrix.storm", description=__doc__)
    parser.add_argument("--fault", type=lambda text: text.split(","), required=True, help="one, or several by commas")
    parser.add_argument("--seed", default=str(secrets.randbelow(10**6)))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, help="strike for so long; else until each moment was hit often enough")
    parser.add_argument("--moments", type=lambda text: tuple(text.split(",")), default=ALL)
    parser.add_argument("--template", type=Path, help="a folder with a migrated database, to be copied")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if unknown := set(options.fault) - FAULTS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    print(f"{', '.join(options.fault)}: seed {options.seed}, {options.folder}", flush=True)
    give_up_after((options.seconds or LONGEST_SECONDS) * len(options.fault) + 420)
    results = run(options.fault, options.seed, options.folder, options.seconds, options.moments, options.template)
    if options.json:
        options.json.write_text(json.dumps([result.told() for result in results], indent=1))
    for sentence in dict.fromkeys(chain.from_iterable(result.wrong for result in results)):
        print(f"WRONG {sentence}")
    print(*(f"SLOW {each}" for result in results for each in result.slow), *results, sep="\n", flush=True)
    return 1 if any(result.wrong for result in results) else 0


def give_up_after(seconds: float) -> None:
    """Never hang: the guardians of all programs end them when this one is gone."""
    timer = Timer(seconds, lambda: (print(f"given up after {seconds:.0f} s", flush=True), os._exit(ABANDONED)))
    timer.daemon = True
    timer.start()


def run(
    names: Sequence[str],
    seed: str,
    folder: Path,
    seconds: float | None = None,
    moments: Sequence[str] = ALL,
    template: Path | None = None,
) -> list[Result]:
    """Let faults strike one installation, one after the other, in a folder that is not there yet; a result for each.

    What is wrong at the end may come from any of them: each of the results tells it.
    """
    faults = [FAULTS[name] for name in names]
    results = [Result(each.name, seed, [moment for moment in each.moments if moment in moments]) for each in faults]
    wrong: list[str] = []
    began = monotonic()
    try:
        proxied = frozenset[str]().union(*(each.proxied for each in faults))
        with installed(folder, f"{seed} {names[0]}", proxied, Scale(probes=UNSTRUCK in names), template) as site:
            recoveries = Recoveries()
            for fault, result in zip(faults, results, strict=True):
                storm = Storm(site, fault, Random(f"{seed} {fault.name} strikes"), result, recoveries)
                storm.warm_up()
                storm.rage(seconds)
            wrong += site.calm_down()
            wrong += storm.settle()
            wrong += rejected(site)
            checked = judged(site, wrong) | site.injected()
    except (LaunchError, Unreachable) as error:
        wrong.append(f"harness: {type(error).__name__} {error}")
        checked = {}
    for result in results:
        result.checked, result.seconds = checked, monotonic() - began
        result.wrong = wrong + (result.missing() if seconds is None else [])
    return results


class Storm:
    """The strikes of one fault on one installation."""

    def __init__(
        self,
        site: Site,
        fault: Fault,
        random: Random,
        result: Result,
        recoveries: Recoveries,
        leases: int = LEAST_LEASES,
    ) -> None:
        self.site, self.fault, self.random, self.result = site, fault, random, result
        self._recoveries = recoveries
        self._least = leases

    def warm_up(self) -> None:
        """Wait until a good deal is going."""
        self._wait(lambda: self.site.observer.number(LIVE) >= WARM_LIVE, WARM_UP_SECONDS)

    def strike_times(self, times: int, seconds: float) -> None:
        """Strike so often, no longer than this."""
        until = monotonic() + seconds
        while self.result.strikes < times and monotonic() < until:
            self.strike()
        self._wait(lambda: not self._recoveries.open, RECOVER_SECONDS / 2)

    def rage(self, seconds: float | None) -> None:
        """Strike for so long, or until each moment was hit often enough and enough was started."""
        before = self._started()
        until = monotonic() + (seconds or LONGEST_SECONDS)
        while monotonic() < until and (seconds is not None or self._is_needed()):
            self.strike()
            self.result.processes, self.result.tasks = (
                now - then for now, then in zip(self._started(), before, strict=True)
            )
        self._wait(lambda: not self._recoveries.open, RECOVER_SECONDS / 2)

    def strike(self) -> None:
        """Strike once, if enough is leased and somebody is held whom the fault concerns."""
        self._wait_for_load()
        self._hold(self._chosen())
        self._wait(lambda: len(self.site.observer.leases()) >= self._least, LEASED_SECONDS)
        leases = self.site.observer.leases()
        victims = self.fault.victims(self.site.held(), self.result.needed(), self.random)
        if len(leases) < self._least or not victims:
            self.site.moments.let_go()
            self.result.vain["nobody was held" if not victims else "too little was leased"] += 1
            return
        began_at, at = monotonic(), time.time()
        for _ in self.fault.strike(self.site, victims):
            self.site.moments.let_go()
        moments = sorted({each.moment for each in victims})
        self._recoveries.open.append(Recovery(leases, moments, self.result, began_at))
        self.result.hit(moments, len(leases))
        self.site.write_strike(self.fault.name, victims, len(leases), at)

    def settle(self) -> Iterator[str]:
        """Wait until all that was leased at any strike, of any fault, has gone on; tell what does not."""
        self._wait(lambda: not self._recoveries.open, RECOVER_SECONDS)
        for each in self._recoveries.open:
            left = len(self.site.observer.left(each.leases))
            yield f"harness: {left} tasks leased at a strike at {', '.join(each.moments)} do not go on"

    def _wait_for_load(self) -> None:
        """Wait until the last strike is got over, and enough goes on for the next one, or some time has passed.

        Half of the leases are enough: those who are held, and what waits behind them, add the rest.
        """
        self.site.wait_until_whole()
        self._wait(lambda: not self._recoveries.open, RECOVERED_SECONDS)
        self._wait(lambda: len(self.site.observer.leases()) >= self._least // 2, LOAD_SECONDS)

    def _chosen(self) -> list[str]:
        """The moments to arm: those that need a hit, a few more if these are few, and those that keep leases."""
        chosen = self.result.needed()
        others = [each for each in self.result.cells if each not in chosen]
        chosen += self.random.sample(others, min(len(others), max(LEAST_ARMED - len(chosen), 0)))
        return list(dict.fromkeys([*chosen, *KEEPING]))

    def _hold(self, moments: Sequence[str]) -> None:
        """Arm moments and wait until they are held; those of starts last, for without starts others are not reached."""
        for wave in ([each for each in moments if each not in START], [each for each in moments if each in START]):
            self.site.moments.arm(wave)
            self._wait(lambda: set(moments_held(self.site)).issuperset(wave), HELD_SECONDS if wave else 0)  # noqa: B023

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so, no longer than this; meanwhile look who recovers. Tell whether it is so."""
        until = monotonic() + seconds
        while not (is_so := condition()) and monotonic() < until:
            sleep(TICK_SECONDS)
            self._look()
        return is_so

    def _look(self) -> None:
        if monotonic() >= self._next_look:
            self._next_look = monotonic() + LOOK_SECONDS
            self._recoveries.look(self.site.observer)

    _next_look = 0.0

    def _is_needed(self) -> bool:
        return bool(self.result.needed()) or self.result.processes < LEAST_PROCESSES

    def _started(self) -> tuple[int, int]:
        return self.site.observer.number(PROCESSES), self.site.observer.number(TASKS)


def moments_held(site: Site) -> list[str]:
    """Which moments hold somebody."""
    return [moment for moment, _ in site.moments.held()]


if __name__ == "__main__":
    sys.exit(main())
