"""The faults: each with the moments it has, whom it concerns, and how it strikes (`tests.proof.matrix.strikes`)."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from tests.proof.matrix import strikes
from tests.proof.matrix.messages import Delay, doubling, dropping
from tests.proof.matrix.moments import ALL, START, WORKER, Held
from tests.proof.matrix.strikes import Strike

DELAY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault."""

    name: str
    strike: Strike
    target: str
    """What it strikes: one fault at a time strikes the same."""
    moments: tuple[str, ...] = ALL
    concerns: str = ""
    """It concerns the programs whose names begin so."""
    one_program: bool = False
    """It strikes one of them at a time."""
    proxied: frozenset[str] = frozenset()
    """It needs links to these servers."""

    def victims(self, held: Sequence[Held], needed: Sequence[str], random: Random) -> list[Held]:
        """Whom of those who are held it strikes; of several programs the one in which most of the needed is held."""
        concerned = [each for each in held if each.program.startswith(self.concerns) and each.moment in self.moments]
        if not self.one_program or not concerned:
            return concerned
        programs = sorted({each.program for each in concerned})
        random.shuffle(programs)
        chosen = max(programs, key=lambda name: sum(e.program == name and e.moment in needed for e in concerned))
        return [each for each in concerned if each.program == chosen]


def _worker(name: str, strike: Strike, *, whole: bool) -> Fault:
    return Fault(name, strike, "workers", moments=WORKER, concerns="worker", one_program=whole)


def _links() -> Iterator[Fault]:
    moments = {"worker": WORKER, "client": START, "beat": ALL}
    for program, its_moments in moments.items():
        for server in ("postgres", "broker"):
            for name, strike in (("cut", strikes.cut), ("half_open", strikes.half_open)):
                is_beat = program == "beat"
                yield Fault(
                    f"{program}_{server}_{name}",
                    partial(strike, server, "beat" if is_beat else ""),
                    "links",
                    moments=its_moments,
                    concerns="" if is_beat else program,
                    one_program=program == "worker",
                    proxied=frozenset({server}),
                )


_BROKER, _POSTGRES = frozenset({"broker"}), frozenset({"postgres"})

FAULTS = {
    fault.name: fault
    for fault in (
        Fault("none", strikes.nothing, "none"),
        _worker("worker_child_killed", partial(strikes.send_to_each, signal.SIGKILL), whole=False),
        _worker("worker_child_terminated", partial(strikes.send_to_each, signal.SIGTERM), whole=False),
        _worker("worker_child_stopped", strikes.stop_each, whole=False),
        _worker("worker_killed", strikes.kill_programs, whole=True),
        _worker("worker_terminated", strikes.terminate_programs, whole=True),
        _worker("worker_stopped", strikes.stop_programs, whole=True),
        Fault("beat_killed", strikes.kill_beat, "beat"),
        Fault("client_killed", strikes.kill_programs, "clients", moments=START, concerns="client"),
        Fault("broker_killed", strikes.kill_broker, "broker"),
        Fault("broker_flushed", strikes.flush_broker, "broker"),
        Fault("broker_frozen", strikes.freeze_broker, "broker"),
        Fault(
            "messages_dropped",
            partial(strikes.change_messages, lambda _: dropping(Random(1))),
            "messages",
            proxied=_BROKER,
        ),
        Fault("messages_doubled", partial(strikes.change_messages, lambda _: doubling), "messages", proxied=_BROKER),
        Fault(
            "messages_delayed",
            partial(strikes.change_messages, lambda site: Delay(DELAY_SECONDS, site.broker.client)),
            "messages",
            proxied=_BROKER,
        ),
        Fault("postgres_restarted_fast", partial(strikes.restart_postgres, signal.SIGINT), "postgres"),
        Fault("postgres_restarted_immediate", partial(strikes.restart_postgres, signal.SIGQUIT), "postgres"),
        Fault("connections_killed", strikes.kill_connections, "postgres"),
        Fault("postgres_frozen", strikes.freeze_postgres, "postgres"),
        Fault("commit_answers_lost", strikes.lose_commit_answers, "links", proxied=_POSTGRES),
        *_links(),
    )
}

SERIES: tuple[tuple[str, ...], ...] = (
    ("worker_postgres_half_open", "worker_broker_half_open", "worker_postgres_cut", "worker_broker_cut"),
    ("worker_child_stopped", "worker_child_killed", "worker_child_terminated"),
    ("worker_stopped", "worker_killed", "worker_terminated"),
    ("postgres_frozen", "postgres_restarted_fast", "postgres_restarted_immediate"),
    ("beat_postgres_half_open", "beat_broker_half_open", "beat_postgres_cut", "beat_broker_cut"),
    ("client_postgres_half_open", "client_broker_half_open", "client_postgres_cut", "client_broker_cut"),
    ("messages_delayed", "messages_dropped", "messages_doubled", "commit_answers_lost"),
    ("broker_frozen", "broker_killed", "broker_flushed"),
    ("none", "beat_killed", "client_killed", "connections_killed"),
)
"""Each storm of the matrix: faults that strike one installation, one after the other. Those that take longest first."""
