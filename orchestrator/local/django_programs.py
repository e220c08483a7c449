"""The project's own processes: workers, beat, web server; each a program under a guardian."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep

from orchestrator.local.programs import LaunchError, Ownership, Program

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 60.0


def worker(
    ownership: Ownership,
    environ: Mapping[str, str],
    *,
    name: str = "worker",
    concurrency: int = 2,
    pool: str = "prefork",
    queues: Sequence[str] = (),
    options: Sequence[str] = (),
    restart: bool = False,
) -> Program:
    """A Celery worker with `concurrency` children. Its stop signal (TERM) lets running tasks end."""
    command = [
        *(sys.executable, "-m", "celery", "-A", "orchestrator", "worker"),
        *("--concurrency", str(concurrency), "--pool", pool, "--hostname", f"{name}@%h"),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
        *(("--queues", ",".join(queues)) if queues else ()),
        *options,
    ]
    return Program(name, ownership, command, environ=in_project(environ), restart=restart)


def beat(ownership: Ownership, environ: Mapping[str, str], *, name: str = "beat", restart: bool = False) -> Program:
    """Celery beat, which sends the recovery scans."""
    command = [*(sys.executable, "-m", "celery", "-A", "orchestrator", "beat"), "--loglevel", "INFO", "--pidfile="]
    return Program(name, ownership, command, environ=in_project(environ), restart=restart)


def web(ownership: Ownership, environ: Mapping[str, str], port: int) -> Program:
    """The web server on 127.0.0.1. Its stop signal (TERM) lets running requests end, and answers those that wait."""
    command = [
        *(sys.executable, "-m", "uvicorn", "orchestrator.asgi:application", "--host", "127.0.0.1"),
        *("--port", str(port), "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "10"),
    ]
    return Program("web", ownership, command, environ=in_project(environ))


def wait_until_it_says(program: Program, words: str, *, begin: int = 0, seconds: float = READY_SECONDS) -> None:
    """Wait until the log of a program holds `words` after byte `begin`. Raises LaunchError if it does not, or ends."""
    until = monotonic() + seconds
    while not (program.log_path.exists() and words in program.log_path.read_text(errors="replace")[begin:]):
        if not program.is_running():
            raise LaunchError(f"{program.name} does not start: {program.last_words()}")
        if monotonic() > until:
            raise LaunchError(f"{program.name} does not get ready; see {program.log_path}")
        sleep(0.05)


def start_worker(program: Program) -> None:
    """Start a worker and wait until it takes messages."""
    begin = program.log_path.stat().st_size if program.log_path.exists() else 0
    program.start()
    wait_until_it_says(program, " ready.", begin=begin)


def in_project(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the project can be imported from anywhere."""
    paths = [str(ROOT), *(each for each in environ.get("PYTHONPATH", "").split(":") if each)]
    return {**environ, "PYTHONPATH": ":".join(paths), "DJANGO_SETTINGS_MODULE": "orchestrator.settings"}
