"""How each fault strikes.

A strike is a generator: it begins the fault, yields while the fault goes on (those who were held are then let go),
and ends it. It gets those whom it strikes, each held at a moment.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from random import Random
from time import monotonic, sleep

import psycopg

from orchestrator.local.programs import LaunchError
from tests.proof.matrix.installation import Site
from tests.proof.matrix.messages import Change, untouched
from tests.proof.matrix.moments import Held

Victims = Sequence[Held]
Strike = Callable[[Site, Victims], Iterator[None]]

LEASES_END_SECONDS = 15.0
SHUTDOWN_SECONDS = 90.0
BEAT_AWAY_SECONDS = 6.0
BROKER_AWAY_SECONDS = 3.0
BROKER_FROZEN_SECONDS = 6.0
POSTGRES_FROZEN_SECONDS = 20.0
MESSAGES_SECONDS = 5.0
CUT_SECONDS = 4.0
HALF_OPEN_SECONDS = 7.0
ALL_COMMITS_SECONDS = 0.4
SOME_COMMITS_SECONDS = 1.5
PAUSE_BETWEEN_CONNECTIONS = 0.02
CONNECTIONS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
COMMITS = (b"COMMIT", b"SET state = 'POLLED'")
"""What commits: the word, and the claim, which is one statement that commits by itself."""


def nothing(site: Site, victims: Victims) -> Iterator[None]:
    """The baseline: they stood still for a moment."""
    yield


def send_to_each(number: signal.Signals, site: Site, victims: Victims) -> Iterator[None]:
    """Send a signal to each process that is held."""
    for pid in pids_of(victims):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    yield


def stop_each(site: Site, victims: Victims) -> Iterator[None]:
    """Let each process that is held stand still until its leases have ended, then go on."""
    yield from _stopped(site, pids_of(victims), pids_of(victims))


def kill_programs(site: Site, victims: Victims) -> Iterator[None]:
    """Kill each program in which somebody is held, with its children; its guardian starts it anew."""
    for name in programs_of(victims):
        with suppress(ProcessLookupError, LaunchError):
            site.programs[name].send_to_all(signal.SIGKILL)
    yield


def terminate_programs(site: Site, victims: Victims) -> Iterator[None]:
    """Have each program in which somebody is held end in peace; its guardian starts it anew."""
    before = {name: site.programs[name].pid for name in programs_of(victims)}
    for pid in before.values():
        os.kill(pid, signal.SIGTERM)
    yield
    until = monotonic() + SHUTDOWN_SECONDS
    while any(_is_alive(pid) for pid in before.values()):
        if monotonic() > until:
            raise LaunchError(f"{' and '.join(before)} does not end {SHUTDOWN_SECONDS:.0f} s after SIGTERM")
        sleep(0.05)


def stop_programs(site: Site, victims: Victims) -> Iterator[None]:
    """Let each program in which somebody is held stand still, with its children, until its leases have ended."""
    leaders = [site.programs[name].pid for name in programs_of(victims)]
    children = [pid for name in programs_of(victims) for pid in site.children(site.programs[name])]
    yield from _stopped(site, [*leaders, *children], children)


def kill_beat(site: Site, victims: Victims) -> Iterator[None]:
    """Kill beat, and again whenever it has come back, for a while."""
    site.beat.kill()
    yield
    until = monotonic() + BEAT_AWAY_SECONDS
    while monotonic() < until:
        with suppress(ProcessLookupError, LaunchError):
            site.beat.send_to_all(signal.SIGKILL)
        sleep(0.5)


def kill_broker(site: Site, victims: Victims) -> Iterator[None]:
    """Kill the broker; it comes back empty."""
    site.broker.program.kill()
    yield
    sleep(BROKER_AWAY_SECONDS)
    site.broker.start()


def flush_broker(site: Site, victims: Victims) -> Iterator[None]:
    """Lose all messages and queues."""
    site.broker.flush()
    yield


def freeze_broker(site: Site, victims: Victims) -> Iterator[None]:
    """Let the broker stand still."""
    site.broker.freeze()
    try:
        yield
        sleep(BROKER_FROZEN_SECONDS)
    finally:
        site.broker.thaw()


def change_messages(change: Callable[[Site], Change], site: Site, victims: Victims) -> Iterator[None]:
    """Do something to the messages of all programs for a while."""
    site.messages.change = change(site)
    yield
    sleep(MESSAGES_SECONDS)
    site.messages.change = untouched


def restart_postgres(number: signal.Signals, site: Site, victims: Victims) -> Iterator[None]:
    """Stop PostgreSQL and start it again: fast (SIGINT), or immediately, as if it had crashed (SIGQUIT)."""
    site.postgres.program.stop(number)
    yield
    site.postgres.start()


def kill_connections(site: Site, victims: Victims) -> Iterator[None]:
    """Kill all connections to the database, one by one: those of who is held, then again in the midst of the work."""
    _kill_one_by_one(site)
    yield
    _kill_one_by_one(site)


def freeze_postgres(site: Site, victims: Victims) -> Iterator[None]:
    """Let PostgreSQL stand still."""
    site.observer.close()
    site.postgres.freeze()
    try:
        yield
        sleep(POSTGRES_FROZEN_SECONDS)
    finally:
        site.postgres.thaw()


def lose_commit_answers(site: Site, victims: Victims) -> Iterator[None]:
    """Break connections after the server has got their COMMIT, before its answer is there: all, then one in three."""
    links = [link for (_, server), link in site.links.items() if server == "postgres"]
    random = Random(len(victims))
    for link in links:
        link.lose(is_commit)
    yield
    sleep(ALL_COMMITS_SECONDS)
    for link in links:
        link.lose(lambda data: is_commit(data) and random.randrange(3) == 0)
    sleep(SOME_COMMITS_SECONDS)
    for link in links:
        link.mend()


def cut(server: str, program: str, site: Site, victims: Victims) -> Iterator[None]:
    """Cut the links between programs and a server."""
    links = [site.links[name, server] for name in ([program] if program else programs_of(victims))]
    for link in links:
        link.cut()
    yield
    sleep(CUT_SECONDS)
    for link in links:
        link.mend()


def half_open(server: str, program: str, site: Site, victims: Victims) -> Iterator[None]:
    """Let everything vanish that programs and a server say to each other."""
    links = [site.links[name, server] for name in ([program] if program else programs_of(victims))]
    for link in links:
        link.half_open()
    yield
    sleep(HALF_OPEN_SECONDS)
    for link in links:
        link.mend()


def is_commit(data: bytes) -> bool:
    """Whether this asks the server to commit."""
    return any(each in data for each in COMMITS)


def pids_of(victims: Victims) -> list[int]:
    """Their process ids, each once: one process may be held at two moments, in two threads."""
    return sorted({each.pid for each in victims})


def programs_of(victims: Victims) -> list[str]:
    """The names of their programs."""
    return sorted({each.program for each in victims})


def _stopped(site: Site, pids: Sequence[int], holders: Sequence[int]) -> Iterator[None]:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
        site.wait_until_leases_end(list(holders), LEASES_END_SECONDS)
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def _kill_one_by_one(site: Site) -> None:
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        for (pid,) in connection.execute(CONNECTIONS).fetchall():
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])
            sleep(PAUSE_BETWEEN_CONNECTIONS)
