"""Looks whether there is anything for those who wait: one thread, one connection, two queries for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from django.db import Error, connection

from processes.queries import no_longer_moving
from processes.waiting import Awaited
from tasks.queries import ready_actors

log = logging.getLogger(__name__)


class Lookout:
    """Looks for everybody at once, on a thread of its own, so that no request holds it up."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lookout")
        self._is_blind = False

    async def look(self, awaited: Collection[Awaited]) -> set[Awaited]:
        """The actors that have work, and the processes that no longer move. None while the database is away."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look, awaited)

    def _look(self, awaited: Collection[Awaited]) -> set[Awaited]:
        processes = [each for each in awaited if isinstance(each, UUID)]
        actors = [each for each in awaited if isinstance(each, str)]
        try:
            seen: set[Awaited] = {*ready_actors(actors), *no_longer_moving(processes)}
        except Error as error:
            connection.close()
            if not self._is_blind:
                log.warning("waiters are not called", extra={"event": "lookout_blind", "reason": str(error).strip()})
            self._is_blind = True
            return set()
        self._is_blind = False
        return seen
