"""Runs one command with servers beside it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from orchestrator.local.django_programs import ROOT, in_project
from orchestrator.local.programs import LaunchError, alone
from orchestrator.local.servers import Servers

LEASH = Path(__file__).with_name("leash.py")


def run(folder: Path, command: Sequence[str], *, migrate: bool = False, unshared: bool = False) -> int:
    """Run a command in an environment that names the servers; return its exit status.

    With `unshared` nobody else may run one in `folder` meanwhile. Raises LaunchError.
    """
    if not command:
        raise LaunchError("there is no command to run")
    with Servers(folder, os.environ) as servers:
        refusal = f"another run uses {folder}: wait for its end"
        must_be_alone = unshared and servers.postgres is not None
        with alone(folder / "run.alone", refusal=refusal) if must_be_alone else nullcontext():
            environ = environment(servers.urls)
            if migrate:
                migrate_database(environ)
            return run_leashed(command, environ)


def run_leashed(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command that ends if this program is killed; return its exit status."""
    watched, held = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(LEASH), str(watched), *command], env=environ, pass_fds=[watched]
    )
    os.close(watched)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    status = process.wait()
    os.close(held)
    return status if status >= 0 else 128 - status


def environment(urls: Mapping[str, str]) -> dict[str, str]:
    """The environment of what runs beside the servers: their URLs, and a secret for this run."""
    return in_project({"SECRET_KEY": secrets.token_urlsafe(48), **os.environ, **urls})


def migrate_database(environ: Mapping[str, str]) -> None:
    """Bring the database up to date. Raises LaunchError."""
    manage(environ, "migrate", "--verbosity", "0")


def manage(environ: Mapping[str, str], *words: str) -> None:
    """Run a command of Django's. Raises LaunchError."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words], env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise LaunchError(f"manage.py {words[0]}: {lines[-1] if lines else 'failed'}")
