"""Reads the messages that wait in a queue of the broker, whichever broker it is."""

from __future__ import annotations

from collections.abc import Iterator

from celery import current_app
from django.conf import settings
from kombu import Queue

from tasks import bell


def queue_name(queue: str) -> str:
    """The name that a queue has at the broker."""
    return f"{settings.ORCHESTRATOR_QUEUE_PREFIX}{queue}"


def take_messages(queue: str) -> list[tuple[str, list[object]]]:
    """Take all messages out of a queue: the Celery task of each and its arguments."""
    assert bell.flush(10), "the bell did not reach the broker"
    with current_app.connection_for_read() as connection:
        name = queue_name(queue)
        return list(_take(Queue(name, routing_key=name)(connection.default_channel)))


def _take(queue: Queue) -> Iterator[tuple[str, list[object]]]:
    queue.declare()
    while (message := queue.get(no_ack=True)) is not None:
        yield message.headers["task"], message.payload[0]
