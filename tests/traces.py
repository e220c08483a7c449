"""Removes what a run of tests leaves at the broker: everything there that has its prefix."""

from __future__ import annotations

from typing import Any

import redis
from celery import current_app
from django.conf import settings


def remove_traces() -> None:
    """Delete the queues of this run. Raises what the broker raises."""
    with current_app.connection_for_write() as broker:
        channel: Any = broker.default_channel
        if settings.BROKER_IS_AMQP:
            for queue in current_app.amqp.queues.values():
                bound = queue(channel)
                bound.delete()
                bound.exchange.delete()
        else:
            with redis.Redis(connection_pool=channel.client.connection_pool) as keys:
                for key in keys.scan_iter(f"{settings.ORCHESTRATOR_BROKER_PREFIX}:*", count=1000):
                    keys.delete(key)
