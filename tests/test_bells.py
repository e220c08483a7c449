"""Which bells a drain rings: read from the broker, in exact numbers, with nobody there to answer them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest
from celery import current_app
from django.test import override_settings
from kombu import Queue

from processes.models import Process, ProcessState
from tasks import bell, draining
from tasks.draining import drain
from tasks.models import Task
from tasks.states import TaskState
from tests.by_hand import registered
from tests.flows.actors import echo, five_actors, nap, spread
from tests.messages import queue_name

pytestmark = pytest.mark.usefixtures("rows", "nothing_learned", "silence")
NAP, SPREAD, ECHO = (str(actor.actor_name) for actor in (nap, spread, echo))


@pytest.fixture
def nothing_learned() -> Iterator[None]:
    """A worker process that has not worked yet: it claims one task at a time, and rings at once."""
    draining._paces.clear()
    yield
    draining._paces.clear()


@pytest.fixture
def silence(rows: None) -> Iterator[None]:
    """No message in the queue, before and after."""
    rung()
    yield
    rung()


def rung() -> list[tuple[str, float | None]]:
    """Take the drain messages out of the queue: the actor of each, and when it expires."""
    assert bell.flush(10)
    with current_app.connection_for_read() as connection:
        name = queue_name("actors")
        queue = Queue(name, routing_key=name)(connection.default_channel)
        queue.declare()
        messages = list(iter(lambda: queue.get(no_ack=True), None))
    return [(message.payload[0][0], expiry(message.headers)) for message in messages]


def expiry(headers: Mapping[str, str | None]) -> float | None:
    """The moment at which a message expires, in seconds of the epoch; None if it never does."""
    expires = headers["expires"]
    return None if expires is None else datetime.fromisoformat(expires).timestamp()


def test_a_drain_that_ends_with_work_left_hands_it_over_by_a_bell_that_does_not_expire() -> None:
    registered(echo, 1)
    rung()
    with override_settings(ORCHESTRATOR_DRAIN_SECONDS=0):
        drain(ECHO)
        drain(NAP)
    assert Task.objects.get().state == TaskState.ENQUEUED
    assert rung() == [(ECHO, None)]


def test_a_drain_that_leaves_nothing_rings_for_nobody() -> None:
    process = registered(five_actors, 0)
    rung()
    drain(str(five_actors.actor_name))
    assert Process.objects.get(id=process.id).state == ProcessState.COMPLETED
    assert rung() == []


def test_help_is_rung_for_once_and_expires(folder: Path) -> None:
    registered(spread, str(folder / "naps"), 4, 0.0)
    rung()
    before = datetime.now().astimezone().timestamp()
    drain(SPREAD)
    [(actor, expires)] = rung()
    after = datetime.now().astimezone().timestamp()
    assert actor == NAP
    assert expires is not None
    assert before + bell.HELP_EXPIRES_SECONDS <= expires <= after + bell.HELP_EXPIRES_SECONDS
    assert bell.HELP_EXPIRES_SECONDS == 1.0


def test_a_feed_larger_than_a_claim_rings_at_once_however_far_apart_the_bells_had_come(folder: Path) -> None:
    for _ in range(6):
        draining._paces[NAP].rang_for_help()
    assert not draining._paces[NAP].may_ring_for_help()
    registered(spread, str(folder / "naps"), 4, 0.0)
    rung()
    drain(SPREAD)
    assert [actor for actor, _ in rung()] == [NAP]


def test_where_bells_have_come_far_apart_a_drain_rings_for_no_more_help(folder: Path) -> None:
    for _ in range(4):
        registered(nap, str(folder / "naps"), 0.0)
    for _ in range(6):
        draining._paces[NAP].rang_for_help()
    rung()
    drain(NAP)
    assert Task.objects.filter(state=TaskState.COMPLETED).count() == 4
    assert rung() == []


def test_what_a_drain_feeds_in_another_task_list_is_rung_for_and_left_to_others(folder: Path) -> None:
    registered(spread, str(folder / "naps"), 1, 0.0)
    Task.objects.update(actor=f"{SPREAD}@elsewhere")
    rung()
    drain(f"{SPREAD}@elsewhere")
    assert Task.objects.get(actor=NAP).state == TaskState.ENQUEUED
    assert rung() == [(NAP, None)]
