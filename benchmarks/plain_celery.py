"""The same five steps as a Celery `chain`, tuned as Celery's documentation recommends for short tasks.

Prefetch 16, no results, no events, JSON, early acknowledgement, transient messages not wanted by Redis anyway.
The worker is started without gossip, mingle and heartbeat. Needs CELERY_BROKER_URL, of the Redis protocol.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import redis
from celery import Celery, chain

if TYPE_CHECKING:
    from celery.canvas import Signature

BROKER_URL = os.environ["CELERY_BROKER_URL"]
ENDED_KEY = "benchmark:ended"

app = Celery("benchmarks.plain_celery", broker=BROKER_URL)
app.conf.update(
    task_default_queue="benchmark",
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=16,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"global_keyprefix": "plain-celery:"},
)


@app.task
def first(number: int) -> int:
    """Count one up."""
    return number + 1


@app.task
def second(number: int) -> int:
    """Count one up."""
    return number + 1


@app.task
def third(number: int) -> int:
    """Count one up."""
    return number + 1


@app.task
def fourth(number: int) -> int:
    """Count one up."""
    return number + 1


@app.task
def fifth(number: int) -> int:
    """Count one up, and tell that a chain has ended."""
    counter().incr(ENDED_KEY)
    return number + 1


def count_to_five() -> Signature:
    """The five steps in sequence, not yet sent."""
    return chain(first.s(0), second.s(), third.s(), fourth.s(), fifth.s())


@cache
def counter() -> redis.Redis:
    """The connection on which the end of chains is counted."""
    parts = urlsplit(BROKER_URL)
    if parts.scheme == "redis+socket":
        [number] = parse_qs(parts.query).get("virtual_host", ["0"])
        return redis.Redis(unix_socket_path=parts.path, db=int(number))
    return redis.Redis.from_url(BROKER_URL)
