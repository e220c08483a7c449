"""Stops a process at a named moment, so that it can be struck exactly there.

The moments (`tests.proof.matrix.moments` lists them) are `<act>.<before or after>_<commit or publish>` of the acts
start, registration, claim and release, and `user_code` and `user_code.transactional`. The COMMITs that release the task
of a transactional worker are moments of their own: `release.transactional.before_commit`, and after it. A claim is one
statement without a transaction of its own: before it is sent stands for before its COMMIT. What a claim publishes are
its bells for help; what a release publishes are the bells for the actors that it feeds, and those with which its drain
hands over.

A moment is armed by a file `moments/armed/<moment>` in the folder of the run. The first process that gets there
renames it to `moments/held/<moment>.<pid>` and waits until that is gone. Whoever finds nothing armed goes on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from tasks import bell, draining, registration, starting, transactional, worker
from tasks.bell import Bell, Message, Publisher
from tasks.claiming import Claimer
from tests.proof import history
from tests.proof.workload.wrapping import wrap

LONGEST_SECONDS = 15.0
TICK_SECONDS = 0.005
TRANSACTIONAL_RELEASE = "release.transactional"
UNTOUCHED = ("steering",)
"""Programs that stop at no moment: nobody strikes them."""


class _Acts(threading.local):
    """What the engine is at in this thread: the act that a COMMIT belongs to, and the one that a bell belongs to."""

    committing: str | None = None
    ringing: str | None = None


_acts = _Acts()
_rung: dict[Message, str] = {}
"""For which act a message was rung last; the thread of the bell publishes it."""


def install() -> None:
    """Stop at armed moments from now on, in this process and in those that it forks."""
    if os.environ.get(history.PROGRAM) in UNTOUCHED:
        return
    for state in ("armed", "held"):
        Path(os.environ[history.FOLDER], "moments", state).mkdir(parents=True, exist_ok=True)
    wrap(BaseDatabaseWrapper, "_commit", _committed)
    wrap(Publisher, "_publish", _published)
    wrap(Bell, "ring", _rung_by)
    wrap(Claimer, "_claim", _claimed)
    wrap(starting, "_start_committed", partial(_acting, committing="start"))
    wrap(bell, "ring_for_registration", partial(_acting, ringing="start"))
    wrap(registration, "register", partial(_acting, committing="registration", ringing="registration"))
    wrap(draining, "drain", partial(_acting, ringing="release"))
    wrap(bell, "ring_for_help", partial(_acting, ringing="claim"))
    wrap(worker, "release", partial(_acting, committing="release"))
    wrap(transactional, "release", partial(_acting, committing=TRANSACTIONAL_RELEASE))
    wrap(transactional, "release_within", _joined)
    wrap(draining, "execute_transactionally", _parted)


def reach(moment: str) -> None:
    """Be at a moment: wait there, at most 15 seconds, if it is armed."""
    folder = os.environ.get(history.FOLDER)
    if folder is None:
        return
    place = f"{folder}/moments/held/{moment}.{os.getpid()}"
    try:
        os.rename(f"{folder}/moments/armed/{moment}", place)  # noqa: PTH104  # on the hot path, where nothing is armed
    except FileNotFoundError:
        return
    held = Path(place)
    until = monotonic() + LONGEST_SECONDS
    while held.exists() and monotonic() < until:
        sleep(TICK_SECONDS)
    held.unlink(missing_ok=True)


@contextmanager
def _at(**acts: str) -> Iterator[None]:
    before = {name: getattr(_acts, name) for name in acts}
    for name, act in acts.items():
        setattr(_acts, name, act)
    try:
        yield
    finally:
        for name, act in before.items():
            setattr(_acts, name, act)


def _acting(function: Callable[..., Any], **acts: str) -> Callable[..., Any]:
    def acting(*arguments: Any, **named: Any) -> Any:
        with _at(**acts):
            return function(*arguments, **named)

    return acting


def _committed(commit: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def committed(connection: Any) -> Any:
        act = _acts.committing
        if act is None or connection.connection is None:
            return commit(connection)
        reach(f"{act}.before_commit")
        result = commit(connection)
        reach(f"{act}.after_commit")
        return result

    return committed


def _claimed(claim: Callable[..., Sequence[Any]]) -> Callable[..., Sequence[Any]]:
    def claimed(claimer: Claimer, *asked: Any) -> Sequence[Any]:
        reach("claim.before_commit")
        leases = claim(claimer, *asked)
        if leases:
            reach("claim.after_commit")
        return leases

    return claimed


def _rung_by(ring: Callable[[Bell, Message], None]) -> Callable[[Bell, Message], None]:
    def rung(bell_: Bell, message: Message) -> None:
        if _acts.ringing is None:
            _rung.pop(message, None)
        else:
            _rung[message] = _acts.ringing
        ring(bell_, message)

    return rung


def _published(publish: Callable[[Publisher, Message], bool]) -> Callable[[Publisher, Message], bool]:
    def published(publisher: Publisher, message: Message) -> bool:
        act = _rung.get(message)
        if act is None:
            return publish(publisher, message)
        reach(f"{act}.before_publish")
        answer = publish(publisher, message)
        reach(f"{act}.after_publish")
        return answer

    return published


def _joined(release_within: Callable[..., Any]) -> Callable[..., Any]:
    """From here on the transaction of user code commits a release."""

    def joined(*arguments: Any) -> Any:
        _acts.committing = TRANSACTIONAL_RELEASE
        return release_within(*arguments)

    return joined


def _parted(execute: Callable[..., Any]) -> Callable[..., Any]:
    def parted(*arguments: Any) -> Any:
        try:
            return execute(*arguments)
        finally:
            _acts.committing = None

    return parted
