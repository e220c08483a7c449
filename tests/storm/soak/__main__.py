"""Soaks the engine for some minutes on servers of its own: `python -m tests.storm.soak --minutes 10 --seed 1`.

One of two workers is killed every 20 seconds, one is frozen in every minute, the broker is flushed every 30 seconds,
while processes of all shapes are started, paused, resumed, restarted and aborted at random. At the end what is not
final must be exactly what the soak's own ledger left paused or failed. Prints what happened and exits with 1 where
anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import monotonic

from orchestrator.local.django_programs import ROOT, beat, in_project, start_worker, worker
from orchestrator.local.programs import Program
from orchestrator.local.servers import Servers
from tests.proof.checker.calls import KINDS
from tests.storm.observing import STATES, Observer
from tests.storm.soak.checking import CHECKS
from tests.storm.soak.faults import Faults, listed
from tests.storm.soak.ledger import DONE, Ledger
from tests.storm.soak.shapes import SHAPES

STARTS_PER_SECOND = 10.0
PROCESSES_PER_MINUTE = 500
KILLS_PER_MINUTE = 2.5
LONGEST_STALL_SECONDS = 30.0
TASKS = "SELECT count(*) FROM tasks_task"
LATE = "SELECT count(*) FROM processes_event WHERE kind = 'release_refused'"
INTERRUPTED = 130
TOLD = 20
"""So many of the things that are wrong are told; the others are counted."""


def main() -> int:
    """Soak, check, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="o-"))
    try:
        wrong = soak(folder, options.seed, options.minutes)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        return INTERRUPTED
    for sentence in wrong[:TOLD]:
        print(f"WRONG {sentence}")
    print(f"{len(wrong)} things are wrong; see {folder}" if wrong else "nothing is wrong")
    if not wrong:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if wrong else 0


def soak(folder: Path, seed: int, minutes: float) -> list[str]:
    """Run one soak and print its summary; return what is wrong."""
    ledger = Ledger(folder / "ledger")
    with Servers(folder, {}) as servers:
        assert servers.postgres is not None
        assert servers.broker is not None
        observer = Observer(servers.postgres.url, folder / "log")
        environ = environment(servers)
        with workers_of(servers, environ) as workers:
            faults = Faults(workers, servers.broker, observer, Random(f"{seed} faults"))
            calm_seconds = steer(environ, ledger, seed, faults, minutes)
            ledger.read()
            print(summary(ledger, observer, faults, calm_seconds), flush=True)
            wrong = [
                *rejected(workers),
                *too_little(ledger, faults, minutes),
                *(each for check in CHECKS for each in check(ledger, observer)),
            ]
            observer.close()
    return wrong


def environment(servers: Servers) -> dict[str, str]:
    """The environment of everything that runs in this soak."""
    (servers.folder / "cures").mkdir()
    (servers.folder / "log").touch()
    return in_project(
        {
            **{name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")},
            **servers.urls,
            "SECRET_KEY": secrets.token_hex(32),
            "STORM_LOG": str(servers.folder / "log"),
            "SOAK_CURES": str(servers.folder / "cures"),
            "ORCHESTRATOR_APPS": "tests.storm,tests.storm.soak",
            "ORCHESTRATOR_HEARTBEAT_SECONDS": "3",
            "ORCHESTRATOR_LOG_LEVEL": "WARNING",
        }
    )


@contextmanager
def workers_of(servers: Servers, environ: dict[str, str]) -> Iterator[list[Program]]:
    """Two workers of two children each, and beat; each is started again whenever it ends."""
    subprocess.run([sys.executable, str(ROOT / "manage.py"), "migrate", "-v0"], env=environ, check=True, timeout=60)
    clock = beat(servers.ownership, environ, restart=True)
    workers = [worker(servers.ownership, environ, name=name, concurrency=2, restart=True) for name in ("one", "two")]
    try:
        clock.start()
        for each in workers:
            start_worker(each)
        yield workers
    finally:
        for program in (clock, *workers):
            program.stop()


def steer(environ: dict[str, str], ledger: Ledger, seed: int, faults: Faults, minutes: float) -> float:
    """Steer at random while faults strike, then calmly; return how many seconds the calm took."""
    words = ["-m", "tests.storm.soak.steering", str(ledger.path), str(seed), str(STARTS_PER_SECOND)]
    steering = subprocess.Popen([sys.executable, *words], env=environ, stdin=subprocess.PIPE, cwd=ROOT)
    assert steering.stdin is not None
    try:
        faults.strike(minutes * 60, steering)
        steering.stdin.close()
        began = monotonic()
        while steering.poll() is None:
            faults.watch()
        if steering.returncode:
            raise SystemExit(f"the steering ended with {steering.returncode}")
        return monotonic() - began
    finally:
        if steering.poll() is None:
            steering.kill()
        steering.wait()


def summary(ledger: Ledger, observer: Observer, faults: Faults, calm_seconds: float) -> str:
    """What happened, for people."""
    rescued = observer.ask(
        "SELECT kind, count(*) FROM processes_event WHERE kind LIKE '%TIMEOUT' GROUP BY kind ORDER BY 1"
    )
    acts: dict[str, Counter[str]] = {}
    for (kind, answer), count in sorted(ledger.acts.items()):
        acts.setdefault(kind, Counter())[answer] = count
    whys = Counter(code for code, _ in ledger.whys.values())
    return "\n".join(
        [
            f"{len(ledger.accounts)} processes started: {listed(observer.ask(STATES))}",
            f"{observer.number(TASKS)} tasks; rescued: {listed(rescued)}; {observer.number(LATE)} refused as late",
            *(
                f"{kind}: {answers.pop(DONE, 0)} done, {answers.total()} refused ({listed(answers.items())})"
                for kind, answers in acts.items()
            ),
            f"why {len(ledger.whys)} are left: {listed(sorted(whys.items()))}",
            f"{faults}; calm after {calm_seconds:.1f} s",
        ]
    )


def rejected(workers: list[Program]) -> Iterator[str]:
    """What workers tried to write and constraints of the database forbade: the engine is wrong, if not the rows."""
    for each in workers:
        for line in each.log_path.read_text(errors="replace").splitlines():
            if "violates" in line and "constraint" in line:
                yield f"worker {each.name}: {line.strip()}"


def too_little(ledger: Ledger, faults: Faults, minutes: float) -> Iterator[str]:
    """What a soak of so many minutes must have gone through."""
    if len(ledger.accounts) < PROCESSES_PER_MINUTE * minutes:
        yield f"only {len(ledger.accounts)} processes were started"
    if missing := SHAPES.keys() - {account.shape.actor for account in ledger.accounts.values()}:
        yield f"no process had the shape {' or '.join(sorted(missing))}"
    if missing := set(KINDS.values()) - {kind for kind, answer in ledger.acts if answer == DONE}:
        yield f"nothing was {' or '.join(sorted(missing))}"
    if missing := {"failed", "paused"} - {code for code, _ in ledger.whys.values()}:
        yield f"at the end nothing was {' or '.join(sorted(missing))}"
    if faults.kills_with_leases < int(KILLS_PER_MINUTE * minutes):
        yield f"only {faults.kills_with_leases} kills struck a worker that held leases"
    if faults.longest_stall > LONGEST_STALL_SECONDS:
        yield f"the work stood still for {faults.longest_stall:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
