"""A chain of five steps: this engine beside Celery's own `chain`, in one run on one machine.

    make bench-chain

Both sides run PROCESSES chains of five trivial steps on the same broker with two worker children each, three times
alternating, warm; only one side's worker runs at a time. The engine runs as it is shipped: beat and recovery beside
it, default settings, every commit on disk. A round lasts from the first start to the last end, so starting counts on
both sides: one call of `start_processes` here, a loop of `apply_async` there. Five tasks are counted per chain on
both sides, although the engine executes six (the decider decides). The last line is `ratio=…`: tasks per second of
the engine, divided by those of Celery, each the median of its rounds.

Needs DATABASE_URL and CELERY_BROKER_URL (of a broker that speaks the Redis protocol) and the database migrated;
`orchestrator.local run` brings them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from statistics import median

from orchestrator.local.django_programs import ROOT, beat, in_project, start_worker, worker
from orchestrator.local.programs import LaunchError, Ownership, Program

PROCESSES = 2000
WARM_UP = 300
ROUNDS = 3
STEPS = 5
CHILDREN = 2

Phases = Mapping[str, float]
"""Seconds from the first start on, by what had happened then: `start` (all started), `registered`, `total`."""


def main() -> int:
    """Run all rounds and print what they took; the ratio is the last line."""
    if not os.environ["CELERY_BROKER_URL"].startswith(("redis", "valkey")):
        print("error: this benchmark counts Celery's chains in the broker, which must speak the Redis protocol")
        return 1
    ownership = Ownership(ROOT / ".local" / "bench")
    rounds: dict[str, list[Phases]] = {"celery": [], "orchestrator": []}
    sides: Mapping[str, Callable[[Ownership], Phases]] = {"celery": run_celery, "orchestrator": run_orchestrator}
    try:
        for number in range(1, ROUNDS + 1):
            for side, run in sides.items():
                rounds[side].append(run(ownership))
                print(f"round {number}  {told(side, rounds[side][-1])}", flush=True)
    except LaunchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    medians = {side: middle(phases) for side, phases in rounds.items()}
    for side, phases in medians.items():
        print(f"median   {told(side, phases)}")
    print(f"ratio={rate(medians['orchestrator']) / rate(medians['celery']):.2f}")
    return 0


def run_celery(ownership: Ownership) -> Phases:
    """One round of Celery's own chains."""
    options = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")
    celery = Program(
        "plain-celery",
        ownership,
        [
            *(sys.executable, "-m", "celery", "-A", "benchmarks.plain_celery", "worker"),
            *("--concurrency", str(CHILDREN), *options),
        ],
        environ=in_project(os.environ),
    )
    with ExitStack() as stack:
        stack.callback(celery.stop)
        start_worker(celery)
        return measured("-m", "benchmarks.plain_celery")


def run_orchestrator(ownership: Ownership) -> Phases:
    """One round of the engine, with beat and recovery beside it."""
    ours = worker(ownership, os.environ, concurrency=CHILDREN)
    clock = beat(ownership, os.environ)
    with ExitStack() as stack:
        stack.callback(ours.stop)
        stack.callback(clock.stop)
        start_worker(ours)
        clock.start()
        return measured("manage.py", "run_chains")


def measured(*client: str) -> Phases:
    """Run a client until it ends, and read the phases that it prints. Raises LaunchError where it fails."""
    done = subprocess.run(
        [sys.executable, *client, str(PROCESSES), str(WARM_UP)],
        cwd=ROOT,
        env=in_project(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LaunchError(f"{' '.join(client)}: {done.stderr.strip().splitlines()[-1:]}")
    phases: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return phases


def middle(rounds: list[Phases]) -> Phases:
    """The median of each phase."""
    return {phase: median(each[phase] for each in rounds) for phase in rounds[0]}


def rate(phases: Phases) -> float:
    """Tasks per second, five per chain, from the first start to the last end."""
    return PROCESSES * STEPS / phases["total"]


def told(side: str, phases: Phases) -> str:
    """One line: the rate, and after how many seconds each phase was over."""
    seconds = "  ".join(f"{phase}={value:.2f}s" for phase, value in phases.items())
    return f"{side:<13}{rate(phases):6.0f} tasks/s  {seconds}"


if __name__ == "__main__":
    sys.exit(main())
