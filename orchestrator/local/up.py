"""Runs everything until it is told to stop: servers, workers, beat and the web server."""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep

from orchestrator.local.django_programs import beat, start_worker, web, worker
from orchestrator.local.programs import LaunchError, Program, alone
from orchestrator.local.running import environment, manage, migrate_database
from orchestrator.local.servers import Servers

WEB_SECONDS = 30.0
TICK_SECONDS = 0.2


def up(folder: Path, port: int = 0) -> None:
    """Run everything until Ctrl-C or SIGTERM; tell where the admin is. Raises LaunchError."""
    check_port(port)
    refusal = f"everything runs already in {folder}: stop it there, with Ctrl-C"
    with Servers(folder, os.environ) as servers, alone(folder / "up.alone", refusal=refusal):
        port = port or free_port()
        environ = environment(servers.urls)
        migrate_database(environ)
        password = make_superuser(environ)
        serving = worker(servers.ownership, environ, name="worker", restart=True)
        clock = beat(servers.ownership, environ, restart=True)
        site = web(servers.ownership, {**environ, "ALLOWED_HOSTS": "127.0.0.1,localhost"}, port)
        programs = [serving, clock, site]
        try:
            start_worker(serving)
            clock.start()
            site.start()
            wait_until_it_listens(site, port)
            print(f"admin: http://127.0.0.1:{port}/admin/  user: admin  password: {password}", flush=True)
            print(f"logs: {folder}/*.log  Ctrl-C stops everything", flush=True)
            stopped_by = wait_for_a_signal(programs)
            print(f"\nstopping ({stopped_by.name})", flush=True)
        finally:
            for program in reversed(programs):
                program.stop()


def wait_for_a_signal(programs: Sequence[Program]) -> signal.Signals:
    """Wait for Ctrl-C or SIGTERM; raise LaunchError if one of the programs ends before."""
    received: list[int] = []
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda number, _: received.append(number))
    while not received:
        for program in programs:
            if not program.is_running():
                raise LaunchError(f"{program.name} has ended: {program.last_words()}")
        sleep(TICK_SECONDS)
    return signal.Signals(received[0])


def make_superuser(environ: Mapping[str, str]) -> str:
    """Give the user `admin` a new password and return it."""
    password = secrets.token_urlsafe(12)
    with_password = {**environ, "DJANGO_SUPERUSER_PASSWORD": password}
    script = (
        "import os; from django.contrib.auth.models import User; "
        "user, _ = User.objects.update_or_create(username='admin', defaults={'is_staff': True, 'is_superuser': True}); "
        "user.set_password(os.environ['DJANGO_SUPERUSER_PASSWORD']); user.save()"
    )
    manage(with_password, "shell", "--no-imports", "-c", script)
    return password


def wait_until_it_listens(site: Program, port: int) -> None:
    """Wait until the web server takes connections. Raises LaunchError if it does not, or ends."""
    until = monotonic() + WEB_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if not site.is_running() or monotonic() > until:
                raise LaunchError(f"the web server does not start: {site.last_words()}") from error
        sleep(TICK_SECONDS)


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_port(port: int) -> None:
    """Raise LaunchError where a port of 127.0.0.1 is taken (0: any will do)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise LaunchError(f"port {port} of 127.0.0.1 cannot be used: {error}") from error
