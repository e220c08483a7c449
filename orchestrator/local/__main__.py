"""The command line: `python -m orchestrator.local {run,up,clean}`."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

from orchestrator.local.django_programs import ROOT, beat, in_project, start_worker, web, worker
from orchestrator.local.programs import LaunchError, stop_guarded
from orchestrator.local.servers import Servers

LOCAL = ROOT / ".local"


def main() -> int:
    """Do what the command line says; a LaunchError becomes one line and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="run a command with servers, then stop them")
    run_parser.add_argument("--name", default="run", help="the folder below .local")
    run_parser.add_argument("--migrate", action="store_true", help="migrate the database first")
    run_parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    up_parser = commands.add_parser("up", help="run everything until Ctrl-C")
    up_parser.add_argument("--port", type=int, default=0, help="of the web server; default: a free one")
    commands.add_parser("clean", help="stop what runs and remove what was made")
    options = parser.parse_args()
    try:
        if options.command == "run":
            return run(
                options.name, options.words[1:] if options.words[:1] == ["--"] else options.words, options.migrate
            )
        return up(options.port) if options.command == "up" else clean()
    except LaunchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        return 1


def run(name: str, command: Sequence[str], migrate: bool) -> int:
    """Run a command in an environment that names the servers; return its exit status."""
    with Servers(LOCAL / name, os.environ) as servers:
        environ = environment(servers)
        if migrate:
            migrate_database(environ)
        process = subprocess.Popen(list(command), env=environ)
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


def up(port: int) -> int:
    """Run servers, two workers, beat and the web server until Ctrl-C; tell where the admin is."""
    port = port or free_port()
    check_port(port)
    with Servers(LOCAL / "up", os.environ) as servers:
        environ = {**environment(servers), "DEBUG": "true", "ALLOWED_HOSTS": "127.0.0.1,localhost"}
        migrate_database(environ)
        password = make_superuser(environ)
        programs = [
            worker(servers.ownership, environ, name="worker-1", restart=True),
            beat(servers.ownership, environ, restart=True),
            web(servers.ownership, environ, port),
        ]
        for program in programs:
            if program.name.startswith("worker"):
                start_worker(program)
            else:
                program.start()
        print(f"admin: http://127.0.0.1:{port}/admin/  user: admin  password: {password}", flush=True)
        print(f"logs: {servers.folder}/*.log  Ctrl-C stops everything", flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        stopped = signal.sigwait({signal.SIGINT, signal.SIGTERM})
        print(f"\nstopping ({signal.Signals(stopped).name})", flush=True)
        for program in reversed(programs):
            program.stop()
    return 0


def clean() -> int:
    """Stop what runs, remove data after asking, and what was made besides."""
    if LOCAL.exists():
        if not may_delete():
            print(f"kept {LOCAL}: answer yes, or set CONFIRM=yes, to delete its data")
            return 1
        stop_guardians()
        shutil.rmtree(LOCAL)
    for name in (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    return 0


def may_delete() -> bool:
    """Whether a person agrees that the data below .local is deleted."""
    if os.environ.get("CONFIRM") == "yes":
        return True
    return sys.stdin.isatty() and input(f"delete all data below {LOCAL}? (yes/no) ") == "yes"


def stop_guardians() -> None:
    """Stop everything that runs below .local."""
    for lock in LOCAL.glob("*/*.lock"):
        if lock.name != "owners.lock":
            stop_guarded(lock.parent, lock.stem)


def environment(servers: Servers) -> dict[str, str]:
    """The environment of what runs beside the servers: their URLs, and a secret for this run."""
    return in_project({"SECRET_KEY": secrets.token_urlsafe(48), **os.environ, **servers.urls})


def migrate_database(environ: dict[str, str]) -> None:
    """Bring the database up to date. Raises LaunchError."""
    _manage(environ, "migrate", "--verbosity", "0")


def make_superuser(environ: dict[str, str]) -> str:
    """Give the user `admin` a new password and return it."""
    password = secrets.token_urlsafe(12)
    with_password = {**environ, "DJANGO_SUPERUSER_PASSWORD": password}
    script = (
        "import os; from django.contrib.auth.models import User; "
        "user, _ = User.objects.update_or_create(username='admin', defaults={'is_staff': True, 'is_superuser': True}); "
        "user.set_password(os.environ['DJANGO_SUPERUSER_PASSWORD']); user.save()"
    )
    _manage(with_password, "shell", "--no-imports", "-c", script)
    return password


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_port(port: int) -> None:
    """Raise LaunchError where a port of 127.0.0.1 is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise LaunchError(f"port {port} of 127.0.0.1 cannot be used: {error}") from error


def _manage(environ: dict[str, str], *words: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words], env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise LaunchError(f"manage.py {words[0]}: {lines[-1] if lines else 'failed'}")


if __name__ == "__main__":
    sys.exit(main())
