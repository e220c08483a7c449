"""The same five steps as a Celery `chain`, tuned as Celery's documentation recommends for many short tasks.

Prefetch 16, early acknowledgement, no results, no events, no remote control; the worker runs without gossip, mingle
and heartbeat. Run as a module it is the client of one round:

    python -m benchmarks.plain_celery PROCESSES WARM_UP

It prints one line of JSON: seconds until all was sent, and until all had ended. Needs CELERY_BROKER_URL, of a
broker that speaks the Redis protocol.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from time import monotonic, sleep
from urllib.parse import parse_qs, urlsplit

import redis
from celery import Celery, chain

BROKER_URL = os.environ["CELERY_BROKER_URL"]
ENDED_KEY = "plain-celery:ended"
LOOK_EVERY_SECONDS = 0.02

app = Celery("benchmarks.plain_celery", broker=BROKER_URL)
app.conf.update(
    task_default_queue="benchmark",
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=16,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
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


@cache
def counter() -> redis.Redis:
    """The connection on which chains that ended are counted."""
    parts = urlsplit(BROKER_URL)
    if parts.scheme == "redis+socket":
        [number] = parse_qs(parts.query).get("virtual_host", ["0"])
        return redis.Redis(unix_socket_path=parts.path, db=int(number))
    return redis.Redis.from_url(BROKER_URL)


def run_chains(count: int) -> dict[str, float]:
    """Send `count` chains and wait until the last has ended."""
    counter().set(ENDED_KEY, 0)
    began_at = monotonic()
    for _ in range(count):
        chain(first.s(0), second.s(), third.s(), fourth.s(), fifth.s()).apply_async()
    started_at = monotonic()
    while int(counter().get(ENDED_KEY) or 0) < count:
        sleep(LOOK_EVERY_SECONDS)
    return {"start": started_at - began_at, "total": monotonic() - began_at}


if __name__ == "__main__":
    processes, warm_up = map(int, sys.argv[1:])
    run_chains(warm_up)
    print(json.dumps(run_chains(processes)))
