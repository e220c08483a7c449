"""Scans and registrations in two steps: candidates are found without locks, and looked at again under the lock."""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.model import settings, steps
from tests.proof.model.settings import Setting
from tests.proof.model.world import DELAYED, POLLED, REGISTERING, Ref, Scan, World

LEASES, DUE, REGISTER = "leases", "due", "registration"


def moves_of_scans(world: World, setting: Setting) -> Iterator[tuple[str, World, bool]]:
    """What the scans may do next."""
    for place, scan in enumerate(world.scans):
        if scan is None:
            for found in _findings(world, setting):
                yield f"scan {place} finds {found.kind} {list(found.found)}", _with(world, place, found), True
        else:
            after = world
            for ref in scan.found:
                after = _applied(after, scan.kind, ref)
            yield f"scan {place} goes through {scan.kind} {list(scan.found)}", _with(after, place, None), True


def _findings(world: World, setting: Setting) -> Iterator[Scan]:
    if settings.IN_TWO_STEPS in setting.may:
        for kind, state in ((LEASES, POLLED), (DUE, DELAYED)):
            if late := _late(world, state):
                yield Scan(kind, late)
    if settings.REGISTRATIONS in setting.may:
        waiting = tuple(
            (place, 0) for place, process in enumerate(world.processes) if process and process.state == REGISTERING
        )
        if waiting:
            yield Scan(REGISTER, waiting)


def _late(world: World, state: str) -> tuple[Ref, ...]:
    return tuple(
        (place, index)
        for place, process in enumerate(world.processes)
        if process is not None
        for index, task in process.called()
        if task.state == state and task.late
    )


def _applied(world: World, kind: str, ref: Ref) -> World:
    place, index = ref
    process = world.processes[place]
    if process is None:
        return world
    if kind == REGISTER:
        return world.with_process(place, steps.register(process))
    apply = steps.end_leases if kind == LEASES else steps.enqueue_due
    task = process.task(index)
    after = world.with_process(place, apply(process, (index,)))
    if after != world and not task.late:
        return after._replace(wrong="a scan did something to a task before its time was up")
    return after


def _with(world: World, place: int, scan: Scan | None) -> World:
    return world._replace(scans=(*world.scans[:place], scan, *world.scans[place + 1 :]))
