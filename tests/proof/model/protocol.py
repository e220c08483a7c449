"""Who may do what next: the engine in the steps in which others can come between.

A transaction that holds the lock of a process is one step. These are not one step, and are taken apart here: a claim
(it takes no process lock: it sees what is ready, then locks the rows and looks at them again); a worker between its
claim and its release, and between a commit and the answer; a scan between finding and locking; a start, whose insert
and look for a tombstone are two statements; a commit and the bell after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tests.proof.model import guards, settings, starting, steps
from tests.proof.model.clients import moves_of_clients
from tests.proof.model.memory import remembered
from tests.proof.model.moves import moves_of_process
from tests.proof.model.scanning import moves_of_scans
from tests.proof.model.settings import Setting
from tests.proof.model.shapes import EXTERNAL
from tests.proof.model.world import ENQUEUED, EVERYTHING, REGISTRATION, STANDSTILLS, Process, Ref, Worker, World

Step = tuple[str, World, bool]
"""What happens, the world afterwards, and whether it helps."""


def moves(world: World, setting: Setting) -> Iterator[Step]:
    """Everything that can happen next."""
    for place, process in enumerate(world.processes):
        if process is not None:
            for label, moved, helps in moves_of_process(process, setting):
                told = f"process {place}: {label}"
                yield from committed(world, world.with_process(place, moved), told, helps, setting)
            yield from _moves_of_identity(world, place, process, setting)
    for place, worker in enumerate(world.workers):
        yield from _moves_of_worker(world, place, worker, setting)
    for label, after, helps in moves_of_clients(world, setting):
        yield from committed(world, after, label, helps, setting)
    for label, after, helps in moves_of_scans(world, setting):
        yield from committed(world, after, label, helps, setting)
    yield from _moves_of_blocks(world, setting)
    if settings.BELLS in setting.may:
        yield from _moves_of_bells(world, setting)


def committed(before: World, after: World, label: str, helps: bool, setting: Setting) -> Iterator[Step]:
    """After a commit the bell is rung, or whoever should ring it dies first."""
    if after is before or after == before:
        return
    yield label, after, helps
    if settings.BELLS not in setting.may:
        return
    rung = frozenset().union(*map(fed, _processes(before, after), after.processes)) | after.bells
    if rung != after.bells:
        yield f"{label}, and the bell rings", after._replace(bells=rung), helps


@remembered
def fed(before: Process | None, after: Process | None) -> frozenset[str]:
    """The actors that have new work by a transaction; registration for a process that is new."""
    if after is None or before is after:
        return frozenset()
    if before is None:
        return frozenset({REGISTRATION})
    return frozenset(
        facts.actor
        for old, new, facts in zip(before.tasks, after.tasks, after.flow.facts, strict=True)
        if new is not None and new.state == ENQUEUED and facts.kind != EXTERNAL and old != new
    )


@remembered
def ready_tasks(process: Process) -> tuple[tuple[int, str], ...]:
    """The tasks that a claim may take, with their actors."""
    return tuple(
        (index, process.flow.facts[index].actor)
        for index, task in process.called()
        if guards.is_ready(task) and process.flow.facts[index].kind != EXTERNAL
    )


def _processes(before: World, after: World) -> tuple[Process | None, ...]:
    return (*before.processes, *(None,) * (len(after.processes) - len(before.processes)))


def _moves_of_identity(world: World, place: int, process: Process, setting: Setting) -> Iterator[Step]:
    has_place = len(world.processes) < setting.places
    if settings.RESTART in setting.may and has_place and not process.restarted:
        after = starting.restart_process(world, place)[0]
        yield from committed(world, after, f"process {place}: restarted", False, setting)
    if settings.DELETE in setting.may and process.is_final:
        yield f"process {place}: deleted", starting.delete_process(world, place)[0], False


def _moves_of_blocks(world: World, setting: Setting) -> Iterator[Step]:
    actors = ({"work"} if settings.BLOCK in setting.may else set()) | (
        {EVERYTHING} if settings.PAUSE_ALL in setting.may else set()
    )
    for actor in sorted(actors):
        if actor in world.blocked:
            yield f"{actor} unblocked", starting.unblock(world, actor)[0], True
        else:
            yield f"{actor} blocked", starting.block(world, actor)[0], False


def _moves_of_bells(world: World, setting: Setting) -> Iterator[Step]:
    for bell in sorted(world.bells):
        yield f"the bell of {bell} is lost", world._replace(bells=world.bells - {bell}), False
    if settings.NO_SCAN in setting.may:
        return
    for actor in sorted(_ready(world)):
        if actor not in world.bells:
            yield f"{actor} is rung again", world._replace(bells=world.bells | {actor}), True


def _moves_of_worker(world: World, place: int, worker: Worker, setting: Setting) -> Iterator[Step]:
    if worker.seen is not None:
        yield from _finish_claim(world, place, worker, setting)
    elif worker.held:
        yield from _moves_of_holder(world, place, worker, setting)
    elif Worker() not in world.workers[:place]:
        # Idle workers are alike: that the first of them claims says what the others could do.
        yield from _begin_claim(world, place, setting)
    if settings.DIES in setting.may and (worker.held or worker.seen is not None):
        yield f"worker {place} dies", _dropped(world, place, worker, worker.held), True


def _begin_claim(world: World, place: int, setting: Setting) -> Iterator[Step]:
    for actor, refs in _ready(world).items():
        if settings.BELLS in setting.may and actor not in world.bells:
            continue
        if guards.is_blocked(world.blocked, actor):
            continue
        claiming = Worker(seen=tuple(refs), barred=frozenset(ref for ref in refs if _is_barred(world, ref, actor)))
        yield f"worker {place} begins to claim for {actor}", world.with_worker(place, claiming), True


def _finish_claim(world: World, place: int, worker: Worker, setting: Setting) -> Iterator[Step]:
    """Locks what the claim saw and is still ready; a task to be claimed alone comes alone."""
    still = [ref for ref in worker.seen or () if _is_still_ready(world, ref)]
    if not still:
        yield f"worker {place} claims nothing", world.with_worker(place, Worker()), True
    for size in range(1, setting.limit + 1):
        for refs in combinations(still, size):
            if size > 1 and any(_process(world, ref).task(ref[1]).alone for ref in refs):
                continue
            after = world.with_worker(place, Worker(held=refs))
            for number in {ref[0] for ref in refs}:
                indexes = tuple(index for at, index in refs if at == number)
                after = after.with_process(number, steps.claim(_process(world, (number, 0)), indexes, place, size > 1))
            wrong = "claimed in a standstill or a block" if worker.barred & set(refs) else world.wrong
            yield f"worker {place} claims {list(refs)}", after._replace(wrong=wrong), True


def _moves_of_holder(world: World, place: int, worker: Worker, setting: Setting) -> Iterator[Step]:
    for ref in worker.held:
        number, index = ref
        process = world.processes[number]
        if process is None:
            yield f"worker {place} gives up {ref}", _dropped(world, place, worker, (ref,)), True
            continue
        if process.task(index).released == place:
            yield from _repeat(world, place, worker, ref)
            continue
        if process.task(index).late and guards.holds_the_lease(process.task(index), place):
            extended = steps.extend_lease(process, index, place)
            yield f"worker {place} sends a heartbeat for {ref}", world.with_process(number, extended), True
        for outcome in setting.outcomes:
            yield from _release(world, place, worker, ((ref, outcome),), setting)
    if len(worker.held) > 1 and all(_is_fresh(world, ref, place) for ref in worker.held):
        for outcome in setting.outcomes:
            yield from _release(world, place, worker, tuple((ref, outcome) for ref in worker.held), setting)


def _release(
    world: World, place: int, worker: Worker, outcomes: tuple[tuple[Ref, str], ...], setting: Setting
) -> Iterator[Step]:
    """The worker delivers outcomes; its answer comes, or is lost and the worker will deliver again."""
    after, was_accepted = world, False
    for number in {ref[0] for ref, _ in outcomes}:
        deliveries = tuple((index, place, outcome) for (at, index), outcome in outcomes if at == number)
        released, answers = steps.release(_process(world, (number, 0)), deliveries)
        was_accepted = was_accepted or steps.ACCEPTED in answers
        after = after.with_process(number, released)
    label = f"worker {place} releases {', '.join(f'{ref} ({outcome})' for ref, outcome in outcomes)}"
    helps = outcomes[0][1] == steps.SUCCESS or not was_accepted
    forgotten = _dropped(after, place, worker, tuple(ref for ref, _ in outcomes))
    yield from committed(world, forgotten, label, helps, setting)
    if settings.ANSWER_IS_LOST in setting.may and was_accepted:
        yield f"{label}, and its answer is lost", after, helps


def _repeat(world: World, place: int, worker: Worker, ref: Ref) -> Iterator[Step]:
    process = _process(world, ref)
    released, answers = steps.release(process, ((ref[1], place, steps.SUCCESS),))
    is_right = released is process and answers == (steps.ALREADY_ACCEPTED,)
    after = world if is_right else world._replace(wrong="a repeated release was not recognised")
    yield f"worker {place} repeats its release of {ref}", _dropped(after, place, worker, (ref,)), True


def _dropped(world: World, place: int, worker: Worker, refs: tuple[Ref, ...]) -> World:
    """The world in which a worker believes no more to hold these tasks."""
    for number, index in refs:
        process = world.processes[number]
        if process is not None and process.task(index).released == place:
            world = world.with_process(number, steps.forget_release(process, index))
    return world.with_worker(place, Worker(held=tuple(ref for ref in worker.held if ref not in refs)))


def _ready(world: World) -> dict[str, list[Ref]]:
    found: dict[str, list[Ref]] = {}
    for place, process in enumerate(world.processes):
        if process is not None:
            for index, actor in ready_tasks(process):
                found.setdefault(actor, []).append((place, index))
    return found


def _is_barred(world: World, ref: Ref, actor: str) -> bool:
    is_blocked = actor in world.blocked or EVERYTHING in world.blocked
    return is_blocked or _process(world, ref).state in STANDSTILLS


def _is_still_ready(world: World, ref: Ref) -> bool:
    process = world.processes[ref[0]]
    return process is not None and guards.is_ready(process.task(ref[1]))


def _is_fresh(world: World, ref: Ref, place: int) -> bool:
    process = world.processes[ref[0]]
    return process is not None and process.task(ref[1]).released != place


def _process(world: World, ref: Ref) -> Process:
    process = world.processes[ref[0]]
    if process is None:
        raise LookupError(ref)
    return process
