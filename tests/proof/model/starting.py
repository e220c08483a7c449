"""Starts, restarts and deletions: the transactions that concern identities and so more than one row."""

from __future__ import annotations

from tests.proof.model import acts, guards
from tests.proof.model.acts import DONE
from tests.proof.model.shapes import Flow
from tests.proof.model.world import ABORTED, TIMED_OUT, Process, Tombstone, World

CREATED, EXISTS, NOT_CREATED = 0, 1, 2
ENDED_EARLY = (ABORTED, TIMED_OUT)


def start(world: World, flow: Flow, name: str | None, *, again: bool = False) -> tuple[World, int, int | None]:
    """Start a process in one step; the world, the code of the answer, and the place that it names."""
    if name is None:
        return create(world, flow, name), CREATED, len(world.processes)
    freed = free_name(world, flow, name) if again else world
    existing = answer_of_process(freed, flow, name) or answer_of_tombstone(freed, flow, name)
    if existing is not None:
        return world, *existing
    return create(freed, flow, name), CREATED, len(world.processes)


def create(world: World, flow: Flow, name: str | None) -> World:
    """Commit a new process. It is wrong where the custom id had a process that it was not taken from."""
    wrong = "two processes of one custom id" if name in world.created else world.wrong
    created = world.created if name is None else world.created | {name}
    return world._replace(processes=(*world.processes, Process.new(flow, name)), created=created, wrong=wrong)


def answer_of_process(world: World, flow: Flow, name: str) -> tuple[int, int] | None:
    """The answer where a process has the custom id."""
    place = world.named(name)
    process = None if place is None else world.processes[place]
    if place is None or process is None:
        return None
    return EXISTS if process.flow is flow else NOT_CREATED, place


def answer_of_tombstone(world: World, flow: Flow, name: str) -> tuple[int, int] | None:
    """The answer where a deleted process had the custom id."""
    tombstone = world.buried(name)
    if tombstone is None or not guards.bars(tombstone):
        return None
    return EXISTS if tombstone.flow is flow else NOT_CREATED, tombstone.place


def free_name(world: World, flow: Flow, name: str) -> World:
    """Take the custom id from an equal process that was aborted or timed out, deleted or not."""
    place, tombstone = world.named(name), world.buried(name)
    process = None if place is None else world.processes[place]
    if place is not None and process is not None:
        if process.flow is not flow or process.state not in ENDED_EARLY or process.restarted:
            return world
        world = world.with_process(place, acts.give_up_name(process))
    elif tombstone is not None and tombstone.flow is flow and tombstone.state in ENDED_EARLY:
        world = world._replace(tombstones=world.tombstones - {tombstone})
    else:
        return world
    return world._replace(created=world.created - {name})


def restart_process(world: World, place: int) -> tuple[World, str]:
    """Start a process anew from the same flow; the new one takes over the custom id."""
    process = world.processes[place]
    if process is None:
        return world, "no_such_process"
    ended, told = acts.restart_process(process)
    if told != DONE:
        return world, told
    processes = world.with_process(place, ended).processes
    return world._replace(processes=(*processes, Process.new(process.flow, process.name))), DONE


def delete_process(world: World, place: int) -> tuple[World, str]:
    """Delete a process that has ended; with a custom id it leaves a tombstone."""
    process = world.processes[place]
    if process is None:
        return world, "no_such_process"
    if not process.is_final:
        return world, "not_ended"
    if process.name is not None:
        buried = Tombstone(process.name, process.flow, process.state, place)
        world = world._replace(tombstones=world.tombstones | {buried})
    return world.with_process(place, None), DONE


def block(world: World, actor: str) -> tuple[World, str]:
    """Hand nothing of an actor out any more."""
    if actor in world.blocked:
        return world, "already_blocked"
    return world._replace(blocked=world.blocked | {actor}), DONE


def unblock(world: World, actor: str) -> tuple[World, str]:
    """Hand tasks of an actor out again."""
    if actor not in world.blocked:
        return world, "not_blocked"
    return world._replace(blocked=world.blocked - {actor}), DONE
