"""Writes down what the engine does in this process: claims, releases and heartbeats, each where the engine calls it.

Nothing of the engine is replaced: what is called is called, with a line of the history before and after it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from tasks import draining, leases, transactional, worker
from tasks.claiming import Claimer
from tasks.outcomes import Lease, Outcome
from tasks.releasing import Released
from tests.proof import history
from tests.proof.workload.wrapping import wrap

Release = Callable[[Sequence[Outcome]], Released]


class _Within(threading.local):
    """The release that takes part in a transaction of user code, and has not committed yet."""

    outcomes: Sequence[Outcome] = ()
    began = 0.0

    def forget(self) -> None:
        """Take part in none."""
        self.outcomes = ()


_within = _Within()


def install() -> None:
    """Record from now on, in this process and in those that it forks."""
    wrap(Claimer, "_claim", _recorded_claim)
    wrap(worker, "release", _recorded_release)
    wrap(transactional, "release", _recorded_release)
    wrap(transactional, "release_within", _recorded_release_within)
    wrap(draining, "execute_transactionally", _recorded_transaction)
    wrap(leases, "fetch", _recorded_heartbeat)


def _recorded_claim(claim: Callable[..., list[Lease]]) -> Callable[..., list[Lease]]:
    def recorded(claimer: Claimer, *asked: Any) -> list[Lease]:
        began = time.time()
        claimed = claim(claimer, *asked)
        if claimed:
            told = [[each.task_id, each.process_id, each.attempt] for each in claimed]
            history.write("claimed", began=began, actor=claimer.actor, leases=told)
        return claimed

    return recorded


def _recorded_release(release: Release) -> Release:
    def recorded(outcomes: Sequence[Outcome]) -> Released:
        _within.forget()
        began = _announce(outcomes)
        released = release(outcomes)
        _tell(began, outcomes, released)
        return released

    return recorded


def _recorded_release_within(release_within: Release) -> Release:
    """Announced here; told once its transaction has committed."""

    def recorded(outcomes: Sequence[Outcome]) -> Released:
        _within.outcomes = outcomes
        _within.began = _announce(outcomes)
        return release_within(outcomes)

    return recorded


def _recorded_transaction(execute: Callable[..., Released]) -> Callable[..., Released]:
    def recorded(*arguments: Any) -> Released:
        _within.forget()
        released = execute(*arguments)
        if _within.outcomes:
            _tell(_within.began, _within.outcomes, released)
        return released

    return recorded


def _recorded_heartbeat(fetch: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    def recorded(name: str, /, **parameters: Any) -> list[Any]:
        began = time.time()
        rows = fetch(name, **parameters)
        if name == "heartbeat":
            held = [[each["id"], each["attempt"]] for each in orjson.loads(parameters["held"])]
            history.write("heartbeat", began=began, tasks=held, extended=[row[0] for row in rows])
        return rows

    return recorded


def _announce(outcomes: Sequence[Outcome]) -> float:
    began = time.time()
    if outcomes:
        told = [[each.lease.task_id, each.lease.attempt, each.state] for each in outcomes]
        history.write("releasing", at=began, outcomes=told)
    return began


def _tell(began: float, outcomes: Sequence[Outcome], released: Released) -> None:
    if outcomes:
        history.write(
            "released",
            began=began,
            answers={str(task_id): answer for task_id, answer in released.answers.items()},
            attempts={str(each.lease.task_id): each.lease.attempt for each in outcomes},
        )
