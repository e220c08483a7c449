"""Deletes a process that has ended; its identity stays behind."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from processes.errors import NoSuchProcess, NotEnded
from processes.models import Event, Process, Tombstone
from processes.states import FINAL_STATES
from processes.values import canonical
from tasks.models import Dependency, Task
from tasks.transactions import repeated_or_within
from tasks.transitions import lock_processes


def delete_process(process: Process | UUID) -> None:
    """Delete a final process with its tasks and history. With a `custom_id` it leaves a tombstone, for ever.

    Inside a caller's transaction the deletion commits with it. Raises NoSuchProcess, or NotEnded for a process
    that is not final; both leave everything as it is.
    """
    process_id = process.id if isinstance(process, Process) else process
    repeated_or_within(lambda: _delete(process_id))


def arguments_hash(arguments: str) -> str:
    """What a tombstone remembers of arguments (JSON text): the SHA-256 of their canonical form, in hex."""
    return sha256(canonical(arguments).encode()).hexdigest()


def _delete(process_id: UUID) -> None:
    state = lock_processes([process_id]).get(process_id)
    if state is None:
        raise NoSuchProcess(process_id)
    if state not in FINAL_STATES:
        raise NotEnded(process_id, state)
    process = Process.objects.get(id=process_id)
    if process.custom_id is not None:
        Tombstone.objects.create(
            custom_id=process.custom_id,
            process_id=process.id,
            actor=process.actor,
            arguments_hash=arguments_hash(process.arguments),
            state=process.state,
        )
    Dependency.objects.filter(awaited__process_id=process_id).delete()
    Task.objects.filter(process_id=process_id).delete()
    Event.objects.filter(process_id=process_id).delete()
    Process.objects.filter(id=process_id).delete()
