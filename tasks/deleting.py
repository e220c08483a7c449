"""Deletes processes that have ended, in short transactions; their identities stay behind.

Dependencies go first, then tasks and events, the process row and its tombstone last and together. A process of
which anything was deleted is marked (`deletion_began_at`) in the same transaction: whoever is killed in between
leaves it to the next run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from hashlib import sha256
from time import monotonic
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from processes.errors import NoSuchProcess, NotEnded
from processes.models import Process, Tombstone
from processes.states import FINAL_STATES
from processes.values import canonical
from tasks.statements import fetch
from tasks.transactions import repeated_or_within
from tasks.transitions import lock_processes

ROWS = 1_000
"""The most dependencies, tasks and events that are deleted in one transaction."""
FIRST_ROWS = 250
"""So many in the first one: small processes go in one, and need no mark."""
LEAST_ROWS = 50
TARGET_SECONDS = 0.03
"""How long a transaction should take. What a row costs depends on its values, so the next one follows from the last."""


def delete_process(process: Process | UUID) -> None:
    """Delete a final process with its tasks and history. With a `custom_id` it leaves a tombstone, for ever.

    Works in short transactions, and goes on with what an earlier call has left; inside a caller's transaction the
    deletion commits with it. Raises NoSuchProcess, or NotEnded for a process that is not final; both leave everything
    as it is.
    """
    process_id = process.id if isinstance(process, Process) else process
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        repeated_or_within(partial(_check_final, process_id))
        for _ in delete_in_steps([process_id], only_free=False):
            pass


def delete_in_steps(ids: Sequence[UUID], *, only_free: bool = True) -> Iterator[int]:
    """Delete final processes, one transaction a step; after each, tells how many processes are gone with it.

    With `only_free`, those that somebody else holds at that moment are left for another time. A caller who stops
    asking leaves the rest marked. Raises IntegrityError where other tables need one of the processes.
    """
    # Neither the arguments nor the lack of a custom_id ever change, so that this takes no time under a lock.
    named = Process.objects.filter(id__in=ids, custom_id__isnull=False).values_list("id", "arguments")
    hashes = {process_id: arguments_hash(arguments) for process_id, arguments in named}

    def step() -> int | None:
        if is_ours:
            fetch("read_by_index")
        return _delete_some(ids, hashes, rows, only_free)

    is_ours = not connection.in_atomic_block
    gone, rows = None, FIRST_ROWS
    while gone is None:
        began_at = monotonic()
        gone = repeated_or_within(step)
        fitting = int(rows * TARGET_SECONDS / (monotonic() - began_at))
        rows = max(min(LEAST_ROWS, ROWS), min(fitting, 2 * rows, ROWS))
        yield gone or 0


def arguments_hash(arguments: str) -> str:
    """What a tombstone remembers of arguments (JSON text): the SHA-256 of their canonical form, in hex."""
    return sha256(canonical(arguments).encode()).hexdigest()


def _check_final(process_id: UUID) -> None:
    state = lock_processes([process_id]).get(process_id)
    if state is None:
        raise NoSuchProcess(process_id)
    if state not in FINAL_STATES:
        raise NotEnded(process_id, state)


def _delete_some(ids: Sequence[UUID], hashes: Mapping[UUID, str], limit: int, only_free: bool) -> int | None:
    """One step; returns how many processes are gone with it, None where more steps are needed."""
    locked = lock_processes(ids, only_free=only_free)
    final = [process_id for process_id, state in locked.items() if state in FINAL_STATES]
    [(deleted,)] = fetch("delete_rows", ids=final, limit=limit)
    if deleted < limit:
        return _bury(final, hashes)
    Process.objects.filter(id__in=final, deletion_began_at__isnull=True).update(deletion_began_at=Now())
    return None


def _bury(ids: Sequence[UUID], hashes: Mapping[UUID, str]) -> int:
    """Delete process rows of which nothing else is left, and keep the identities that they still have."""
    named = Process.objects.filter(id__in=ids).only("id", "custom_id", "actor", "state")
    Tombstone.objects.bulk_create(
        Tombstone(
            custom_id=process.custom_id,
            process_id=process.id,
            actor=process.actor,
            arguments_hash=hashes[process.id],
            state=process.state,
        )
        for process in named
        if process.custom_id is not None
    )
    Process.objects.filter(id__in=ids).delete()
    return len(ids)
