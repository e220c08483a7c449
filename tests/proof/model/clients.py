"""A start in its statements: insert, look for a tombstone, commit, answer; or meet a conflict, and look who it is."""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.model import settings, starting
from tests.proof.model.settings import Setting
from tests.proof.model.world import Client, World

BEGIN, BURIED, COMMIT, COMMITTED = "to begin", "to look for a tombstone", "to commit", "committed"
EXISTING, GRAVEYARD, ANSWERED = "to look who it is", "to look whether it is buried", "answered"

Step = tuple[str, World, bool]


def moves_of_clients(world: World, setting: Setting) -> Iterator[Step]:
    """What the clients may do next."""
    for place, client in enumerate(world.clients):
        if client.step == ANSWERED:
            continue
        if not (client.step == BEGIN and _must_wait(world, client)) and _has_place(world, client, setting):
            label, after = _next(world, place, client)
            yield f"client {place} {label}", after, True
        if settings.DIES in setting.may and client.step != BEGIN and not client.has_crashed:
            again = client._replace(step=BEGIN, has_crashed=True)
            yield f"client {place} crashes and starts again", _with(world, place, again), True


def _must_wait(world: World, client: Client) -> bool:
    """Whether the row of another open transaction has the custom id."""
    return any(each is not client and each.has_inserted and each.name == client.name for each in world.clients)


def _has_place(world: World, client: Client, setting: Setting) -> bool:
    return client.step != COMMIT or len(world.processes) < setting.places


def _next(world: World, place: int, client: Client) -> tuple[str, World]:
    if client.step == BEGIN:
        is_free = world.named(client.name) is None
        step = BURIED if is_free else EXISTING
        return "inserts" if is_free else "meets a conflict", _with(world, place, client._replace(step=step))
    if client.step == BURIED:
        return _looked_for_tombstone(
            world, place, client, starting.answer_of_tombstone(world, client.flow, client.name)
        )
    if client.step == COMMIT:
        after = starting.create(world, client.flow, client.name)
        created = client._replace(step=COMMITTED, place=len(world.processes))
        return "commits", _with(after, place, created)
    if client.step == COMMITTED:
        return "is told: created", _with(world, place, client._replace(step=ANSWERED, code=starting.CREATED))
    is_first = client.step == EXISTING
    look = starting.answer_of_process if is_first else starting.answer_of_tombstone
    answer = look(world, client.flow, client.name)
    if answer is None:
        step = GRAVEYARD if is_first else BEGIN
        return "finds nobody", _with(world, place, client._replace(step=step))
    return "is told who it is", _answered(world, place, client, answer)


def _looked_for_tombstone(
    world: World, place: int, client: Client, answer: tuple[int, int] | None
) -> tuple[str, World]:
    if answer is None:
        return "finds no tombstone", _with(world, place, client._replace(step=COMMIT))
    return "finds a tombstone and withdraws", _answered(world, place, client, answer)


def _answered(world: World, place: int, client: Client, answer: tuple[int, int]) -> World:
    code, named = answer
    return _with(world, place, client._replace(step=ANSWERED, code=code, place=named))


def _with(world: World, place: int, client: Client) -> World:
    return world._replace(clients=(*world.clients[:place], client, *world.clients[place + 1 :]))
