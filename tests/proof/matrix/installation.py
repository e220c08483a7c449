"""One installation of a storm's own: embedded servers, workers, beat, clients, steering, and links between them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from orchestrator.local.django_programs import beat, in_project, wait_until_it_says, worker
from orchestrator.local.postgres import DATABASE, USER
from orchestrator.local.programs import LaunchError, Program
from orchestrator.local.servers import Servers
from tests.proof.matrix.leashed import Leashed
from tests.proof.matrix.links import Link, Loop
from tests.proof.matrix.messages import Messages
from tests.proof.matrix.moments import Held, Moments
from tests.proof.matrix.observing import Observer

WHOLE_SECONDS = 60.0
CLIENTS_SECONDS = 60.0
CALM_SECONDS = 180.0
TICK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Scale:
    """How large an installation is, and how much it has to do."""

    workers: int = 2
    children: int = 16
    """Of each worker."""
    clients: int = 6
    live: int = 20
    """Each client keeps so many processes going."""
    starts_per_second: float = 0.8
    """Of each client, at most."""
    acts_per_second: float = 2.0
    """Of the steering."""
    profile: str = "drowsy"
    """Of the flows: tasks that sleep hold leases for little work."""
    probes: bool = False
    """Whether the steering asks at the end, when all is calm, how soon starts are heard of."""


class Site:
    """What runs, by name, and how it is reached. `installing` makes it."""

    def __init__(self, folder: Path, servers: Servers, scale: Scale, seed: str, proxied: frozenset[str]) -> None:
        assert servers.postgres is not None
        assert servers.broker is not None
        self.folder, self.scale = folder, scale
        self.postgres, self.broker = servers.postgres, servers.broker
        self.moments = Moments(folder)
        self.messages = Messages()
        self._observers = threading.local()
        self.links: dict[tuple[str, str], Link] = {}
        self._servers, self._seed, self._proxied = servers, seed, proxied
        self._loop = Loop()
        self.workers = {
            name: worker(servers.ownership, self.environ(name), name=name, concurrency=scale.children, restart=True)
            for name in (f"worker-{number}" for number in range(1, scale.workers + 1))
        }
        self.beat = beat(servers.ownership, self.environ("beat"), restart=True)
        self.clients = {name: self._client(name, number) for number, name in self._client_names()}
        self.steering = Leashed(
            "steering",
            [
                *(sys.executable, "-m", "tests.proof.workload.steering", "--rate", str(scale.acts_per_second)),
                *(["--probe"] if scale.probes else []),
            ],
            in_project(self.environ("steering")),
            servers.folder / "steering.log",
        )

    @property
    def programs(self) -> dict[str, Program]:
        """All programs that may be struck, by name."""
        return {**self.workers, **self.clients, "beat": self.beat}

    @property
    def observer(self) -> Observer:
        """Looks at the database from outside; each thread has one of its own."""
        if not hasattr(self._observers, "mine"):
            self._observers.mine = Observer(self.database_url)
        mine: Observer = self._observers.mine
        return mine

    @property
    def database_url(self) -> str:
        """Where the database is reached without a link."""
        return self.postgres.url

    def environ(self, program: str) -> dict[str, str]:
        """The environment of one program, which reaches the servers over its own links."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ORCHESTRATOR_", "DATABASE_URL"))
        }
        return {
            **kept,
            **self._servers.urls,
            **self._urls(program),
            "SECRET_KEY": "a-secret-of-a-storm-that-is-kept-nowhere-and-guards-nothing",
            "ORCHESTRATOR_APPS": "tests.proof.workload",
            "ORCHESTRATOR_HEARTBEAT_SECONDS": "2",
            "ORCHESTRATOR_WAKEUP_LOST_SECONDS": "2",
            "ORCHESTRATOR_REGISTRATION_STUCK_SECONDS": "2",
            "ORCHESTRATOR_LOG_LEVEL": "WARNING",
            "PROOF_FOLDER": str(self.folder),
            "PROOF_PROGRAM": program,
            "PROOF_SEED": self._seed,
        }

    def start(self) -> None:
        """Start everything. Returns when the workers take messages. Raises LaunchError."""
        (self.folder / "cures").mkdir(exist_ok=True)
        (self.folder / "history").mkdir(exist_ok=True)
        for program in self.programs.values():
            program.start()
        self.steering.start()
        for each in self.workers.values():
            wait_until_it_says(each, " ready.")

    def wait_until_whole(self) -> None:
        """Wait until each worker has all its children. Raises LaunchError if that takes too long."""
        until = monotonic() + WHOLE_SECONDS
        while any(len(self.children(each)) < self.scale.children for each in self.workers.values()):
            if monotonic() > until:
                raise LaunchError("a worker does not get its children back")
            sleep(TICK_SECONDS)

    def children(self, program: Program) -> list[int]:
        """The process ids of the children of a program; none where it does not run."""
        with suppress(LaunchError, FileNotFoundError, ProcessLookupError):
            pid = program.pid
            return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def held(self) -> list[Held]:
        """Who stands still at which moment."""
        names: dict[int, str] = {}
        for name, program in self.programs.items():
            with suppress(LaunchError):
                names |= dict.fromkeys([program.pid, *self.children(program)], name)
        if self.steering.pid is not None:
            names[self.steering.pid] = "steering"
        return [Held(moment, pid, names.get(pid, "")) for moment, pid in self.moments.held()]

    def wait_until_leases_end(self, pids: list[int], seconds: float) -> None:
        """Wait until none of these processes holds a lease any more, or for so long."""
        workers = {f"{socket.gethostname()}:{pid}" for pid in pids}
        until = monotonic() + seconds
        while monotonic() < until and any(lease.worker in workers for lease in self.observer.leases()):
            sleep(0.2)

    def write_strike(self, fault: str, victims: Sequence[Held], leases: int | None, at: float) -> None:
        """Write down a strike that began at `at` and has ended now; `leases` is how many were held, where it counts."""
        line = {
            "at": at,
            "until": time.time(),
            "fault": fault,
            "moments": sorted({each.moment for each in victims}),
            "leases": leases,
            "victims": sorted({each.program for each in victims}),
        }
        with open(self.folder / "strikes.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")

    def injected(self) -> dict[str, int]:
        """What the links have done to what passed through them."""
        lost = sum(link.lost for link in self.links.values())
        return {"answers to commits lost": lost, "messages lost, doubled or delayed": self.messages.changed}

    def calm_down(self) -> list[str]:
        """Start and steer no more, and wait until nothing goes on; return what went wrong with that."""
        (self.folder / "stop").touch()
        wrong = [f"{name} does not end" for name in self.clients if not self._ends(self.clients[name])]
        status = self.steering.wait(CALM_SECONDS)
        if status is None:
            wrong.append(f"the steering does not end within {CALM_SECONDS:.0f} s")
        elif status:
            wrong.append(f"the steering ended with {status}: {self.steering.last_words()}")
        return wrong

    def end(self) -> None:
        """Stop all programs."""
        self.moments.let_go()
        self.steering.kill()
        for program in self.programs.values():
            with suppress(LaunchError, ProcessLookupError, PermissionError):
                program.send_to_all(signal.SIGCONT)
            program.stop()
        self.observer.close()
        self._loop.close()

    def _urls(self, program: str) -> dict[str, str]:
        urls = {}
        if "postgres" in self._proxied:
            link = self._link(program, "postgres", str(self.postgres.socket_path))
            urls["DATABASE_URL"] = f"postgresql://{USER}@127.0.0.1:{link.port}/{DATABASE}"
        if "broker" in self._proxied:
            link = self._link(program, "broker", str(self.broker.socket_path))
            urls["CELERY_BROKER_URL"] = f"redis://127.0.0.1:{link.port}/0"
        return urls

    def _link(self, program: str, server: str, upstream: str) -> Link:
        if (program, server) not in self.links:
            new_filter = self.messages.new_filter if server == "broker" else None
            self.links[program, server] = self._loop.open(upstream, new_filter)
        return self.links[program, server]

    def _client_names(self) -> Iterator[tuple[int, str]]:
        return ((number, f"client-{number}") for number in range(1, self.scale.clients + 1))

    def _client(self, name: str, number: int) -> Program:
        scale = self.scale
        words = ["--number", str(number), "--live", str(scale.live), "--rate", str(scale.starts_per_second)]
        words += ["--profile", scale.profile]
        command = [sys.executable, "-m", "tests.proof.workload.client", *words]
        environ = in_project(self.environ(name))
        return Program(name, self._servers.ownership, command, environ=environ, restart=True)

    def _ends(self, client: Program) -> bool:
        """Whether a client ends by itself; what its guardian starts then has nothing to do."""
        until = monotonic() + CLIENTS_SECONDS
        with suppress(LaunchError):
            pid = client.pid
            while Path(f"/proc/{pid}").exists():
                if monotonic() > until:
                    return False
                sleep(TICK_SECONDS)
        client.stop()
        return True
