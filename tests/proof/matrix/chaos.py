"""Everything at random on one installation: `python -m tests.proof.matrix.chaos --seconds 1800 --seed 1`.

Faults strike at random moments and at random times, several at once, while processes of all shapes are started and
steered. One worker is spared from signals: its memory must stay flat. At the end everything calms down, and the checker
looks at all that happened. Writes a report, and exits with 1 on violations, on processes that are stuck, and where the
memory of the spared worker grows.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic, sleep

from orchestrator.local.programs import LaunchError
from tests.proof.matrix.installation import Scale, Site
from tests.proof.matrix.installing import installed
from tests.proof.matrix.judging import judged, rejected
from tests.proof.matrix.memory import Growth, Memory
from tests.proof.matrix.observing import PROCESSES, TASKS, Unreachable
from tests.proof.matrix.storm import TOLD, give_up_after
from tests.proof.matrix.strikers import Strikers
from tests.proof.matrix.tables import Table, tables
from tests.proof.matrix.watching import Watch
from tests.storm.observing import STATES

SCALE = Scale(workers=3, children=8, clients=3, live=30, starts_per_second=1.0, acts_per_second=4.0, profile="mixed")
SPARED = "worker-3"
STRIKERS = 3
MOST_MIB_AN_HOUR = 1.0
WARM_UP_FRACTION, LONGEST_WARM_UP = 1 / 4, 400.0
SAMPLE_SECONDS = 5.0
LEAST_JUDGED_SECONDS = 400.0
"""The memory of a process is judged where it was watched for so long after its warm-up: less tells nothing about an
hour, and not every process lives as long as the run."""
LONG_RUN_SECONDS = 1500.0
PROXIED = frozenset({"postgres", "broker"})


def main() -> int:
    """Rage, check, write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.matrix.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", default=str(secrets.randbelow(10**6)))
    parser.add_argument("--report", type=Path, default=Path("docs/chaos.md"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="o-"))
    print(f"chaos: seed {options.seed}, {options.seconds:.0f} s, {folder}", flush=True)
    give_up_after(options.seconds + 900)
    chaos = Chaos(options.seed, options.seconds)
    chaos.run(folder / "chaos")
    options.report.write_text(chaos.report())
    if options.json:
        options.json.write_text(json.dumps(chaos.told(), indent=1) + "\n")
    print(chaos.report())
    if chaos.wrong:
        print(f"see {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


class Chaos:
    """One run, and what came out of it."""

    def __init__(self, seed: str, seconds: float) -> None:
        self.seed, self.seconds = seed, seconds
        self.wrong: list[str] = []
        self.strikes: Counter[str] = Counter()
        self.moments: Counter[str] = Counter()
        self.most_at_once = 0
        self.states: list[tuple[str, int]] = []
        self.processes = self.tasks = 0
        self.longest_stall = 0.0
        self.growths: list[Growth] = []
        self.memory: dict[str, list[tuple[int, float]]] = {}
        self.tables: list[Table] = []
        self.checked: dict[str, object] = {}

    @property
    def warm_up(self) -> float:
        """How long memory may grow at first, in seconds."""
        return min(self.seconds * WARM_UP_FRACTION, LONGEST_WARM_UP)

    def run(self, folder: Path) -> None:
        """Let everything strike for so long, then calm down and look."""
        try:
            with installed(folder, f"{self.seed} chaos", PROXIED, SCALE) as site:
                self._rage(site)
                self.wrong += site.calm_down()
                self._look(site)
        except (LaunchError, Unreachable) as error:
            self.wrong.append(f"harness: {type(error).__name__} {error}")
        self.wrong += self._growing()

    def _growing(self) -> list[str]:
        """Whose memory grows; a long run must be able to tell."""
        if not self.growths and self.seconds >= LONG_RUN_SECONDS:
            return [f"no process of {SPARED} lived long enough for its memory to be judged"]
        return [
            f"the memory of {each.name} grows by {each.mib_an_hour:.2f} MiB an hour"
            for each in self.growths
            if each.mib_an_hour > MOST_MIB_AN_HOUR
        ]

    def _rage(self, site: Site) -> None:
        memory, watch = Memory(), Watch(site)
        began = monotonic()
        with Strikers(site, STRIKERS, self.seed, SPARED) as strikers:
            next_sample = began
            while (elapsed := monotonic() - began) < self.seconds:
                watch.look()
                if monotonic() >= next_sample:
                    next_sample += SAMPLE_SECONDS
                    self._sample(site, memory, elapsed)
                sleep(0.5)
        self.strikes, self.moments, self.most_at_once = strikers.strikes, strikers.moments, strikers.most_at_once
        self.wrong += strikers.wrong
        self.longest_stall = watch.longest_stall
        self.growths = memory.growths(self.warm_up, LEAST_JUDGED_SECONDS)
        self.memory = memory.told()

    def _sample(self, site: Site, memory: Memory, at: float) -> None:
        program = site.workers[SPARED]
        try:
            memory.sample(at, f"{SPARED} parent", program.pid)
        except LaunchError:
            return
        for pid in site.children(program):
            memory.sample(at, f"{SPARED} child", pid)

    def _look(self, site: Site) -> None:
        self.states = [(str(state), int(count)) for state, count in site.observer.ask(STATES)]
        self.processes, self.tasks = site.observer.number(PROCESSES), site.observer.number(TASKS)
        self.tables = tables(site.observer, self.processes)
        self.wrong += rejected(site)
        self.checked = judged(site, self.wrong) | site.injected()

    def told(self) -> dict[str, object]:
        """For JSON."""
        return {
            "seed": self.seed,
            "seconds": self.seconds,
            "violations": self.wrong,
            "strikes": dict(self.strikes),
            "moments": dict(self.moments),
            "processes": self.processes,
            "tasks": self.tasks,
            "states": dict(self.states),
            "longest_stall": round(self.longest_stall, 1),
            "mib_an_hour": {each.name: round(each.mib_an_hour, 2) for each in self.growths},
            "memory": self.memory,
            "checked": self.checked,
        }

    def report(self) -> str:
        """For people."""
        struck = "\n".join(f"| {name} | {count} |" for name, count in sorted(self.strikes.items()))
        grown = "\n".join(
            f"| {each.name} | {each.first_mib:.1f} | {each.last_mib:.1f} | {each.mib_an_hour:+.2f} |"
            for each in self.growths
        )
        sizes = "\n".join(
            f"| {each.name} | {each.rows} | {each.mib:.1f} | {each.bytes_a_process:.0f} |" for each in self.tables
        )
        wrong = "\n".join(f"- {sentence}" for sentence in self.wrong[:TOLD]) or "None."
        return REPORT.format(
            seconds=self.seconds,
            seed=self.seed,
            total=self.strikes.total(),
            most=self.most_at_once,
            moments=self.moments.total(),
            processes=self.processes,
            tasks=self.tasks,
            states=", ".join(f"{count} {state}" for state, count in self.states),
            stall=self.longest_stall,
            violations=len(self.wrong),
            wrong=wrong,
            struck=struck,
            warm_up=self.warm_up,
            grown=grown,
            sizes=sizes,
            checked=", ".join(f"{name} {count}" for name, count in self.checked.items()),
        )


REPORT = """# Chaos

Written by `make chaos SECONDS={seconds:.0f} SEED={seed}`: every fault of the matrix at random, several at once, while
processes of all shapes are started and steered; then everything calms down and the checker looks at all of it.

- {total} strikes, up to {most} at once; {moments} times somebody was struck who stood still at a chosen moment.
- {processes} processes ({states}), {tasks} tasks.
- Longest time for which tasks could be claimed and nothing moved: {stall:.1f} s.
- Checked: {checked}.
- Violations: {violations}.

## Violations

{wrong}

## What struck

| fault | strikes |
| --- | --- |
{struck}

## Memory of the worker that was spared from signals

Anonymous resident memory of each of its processes that lived long enough, after {warm_up:.0f} s of its own.
The slope is the median of the slopes between all pairs of samples.

| process | MiB at first | MiB at last | MiB an hour |
| --- | --- | --- | --- |
{grown}

## Tables at the end

| table | rows | MiB | bytes a process |
| --- | --- | --- | --- |
{sizes}
"""


if __name__ == "__main__":
    sys.exit(main())
