"""A Redis broker that goes away with a message under way does not end the worker."""

from __future__ import annotations

import logging
from typing import IO

from kombu.transport import redis

log = logging.getLogger(__name__)


class QoS(redis.QoS):
    """What Celery has taken from the broker and not acknowledged yet.

    When its connection breaks, kombu 5.7 puts that back through the very connection that broke: the error ends the
    whole worker. What is not put back comes again after Celery's visibility timeout, and a bell may as well be lost.
    """

    def restore_unacked_once(self, stderr: IO[str] | None = None) -> None:
        """Put back what is not acknowledged, as far as the broker can be reached."""
        try:
            super().restore_unacked_once(stderr)
        # Whatever a broken connection raises there: redis-py's errors, AttributeError, OSError.
        except Exception as error:  # noqa: BLE001
            log.warning(
                "messages under way could not be put back",
                extra={"event": "messages_not_put_back", "count": len(self._delivered or ()), "reason": repr(error)},
            )


def survive_broken_brokers() -> None:
    """Have all Redis connections of this process keep their messages so."""
    redis.Channel.QoS = QoS
