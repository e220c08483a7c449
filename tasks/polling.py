"""Polls from outside: whoever serves several actors takes tasks of one of them, and may ask again for an answer lost.

Tasks that are claimed together share the fate of their holder, so one poll takes those of one actor: a task that is
marked to be claimed alone stays alone.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import lru_cache

from django.db import transaction

from tasks.claiming import Claimer
from tasks.leases import held_by
from tasks.outcomes import Lease
from tasks.queries import ready_actors
from tasks.statements import fetch


def poll(actors: Collection[str], limit: int, worker: str) -> list[Lease]:
    """Take up to `limit` tasks of one of the actors (full names), whosever turn it is; none where none has any."""
    ready = sorted(ready_actors(actors))
    random.shuffle(ready)
    return next((leases for each in ready if (leases := _claimer(each).claim(limit, worker))), [])


def poll_again(actors: Collection[str], limit: int, worker: str) -> list[Lease]:
    """What `worker` holds of the actors; where that is nothing, as `poll`. Its polls wait for each other."""
    with transaction.atomic(durable=True):
        fetch("lock_poll", worker=worker)
        return held_by(worker, actors) or poll(actors, limit, worker)


@lru_cache(maxsize=1000)
def _claimer(actor: str) -> Claimer:
    """One for all who poll for an actor: floors, and the turns of urgent and less urgent tasks, go on between polls."""
    return Claimer(actor, "rest")
