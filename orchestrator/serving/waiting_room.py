"""Where requests wait that found nothing yet: without a thread, a connection or a query of their own.

One lookout looks for all of them, every 40 ms while anybody waits. It sees that an actor has work, not how much: so it
calls one waiter at a time, and whoever found something calls the next.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from orchestrator.serving.bridge import Answer, ClientGone, Receive
from orchestrator.serving.lookout import Lookout
from processes.problems import RETRY_AFTER, TOO_MANY_WAITING, WAITING_ROOM_FULL, Rejected
from processes.waiting import HEADER, LONGEST_SECONDS, Awaited, Wish

LOOK_EVERY_SECONDS = 0.04

Ask = Callable[[bool], Coroutine[Any, Any, Answer]]
"""Asks the view, for the first time (False) or again (True)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may wait at once: of one caller, and in all."""

    of_a_caller: int
    in_all: int


class Waiter:
    """A request that waits."""

    def __init__(self, wish: Wish, caller: int) -> None:
        self.awaited, self.caller = wish.awaited, caller
        self.called_for: Awaited | None = None
        self.has_ended = False
        self._bell = asyncio.Event()

    def call(self, awaited: Awaited) -> None:
        """Have it ask again: this may have come."""
        self.called_for = awaited
        self._bell.set()

    def end(self) -> None:
        """Have it ask for the last time."""
        self.has_ended = True
        self._bell.set()

    async def wait(self) -> None:
        """Wait for a call or the end."""
        self.called_for = None
        if not self.has_ended:
            self._bell.clear()
            await self._bell.wait()


class WaitingRoom:
    """Holds requests; lives in one event loop."""

    def __init__(self, lookout: Lookout, limits: Limits) -> None:
        self._lookout, self._limits = lookout, limits
        self._waiters: set[Waiter] = set()
        self._callers: Counter[int] = Counter()
        self._lines: dict[Awaited, dict[Waiter, None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._is_closed = False

    def close(self) -> None:
        """Let nobody wait any longer: the server stops."""
        self._is_closed = True
        for waiter in self._waiters:
            waiter.end()

    async def answer(self, ask: Ask, caller: int, receive: Receive) -> Answer:
        """What the view answers in the end. Raises Rejected where too many wait, and ClientGone."""
        began = asyncio.get_running_loop().time()
        answer = await ask(False)
        wish = wish_of(answer)
        if wish is None or self._is_closed:
            return answer
        self._check_room(caller)
        with self._entered(Waiter(wish, caller)) as waiter, watched(receive, waiter) as gone:
            end = asyncio.get_running_loop().call_at(began + min(wish.seconds, LONGEST_SECONDS), waiter.end)
            try:
                return await self._until_found(waiter, ask, gone)
            finally:
                end.cancel()

    async def _until_found(self, waiter: Waiter, ask: Ask, gone: asyncio.Task[Any]) -> Answer:
        while True:
            await waiter.wait()
            if gone.done():
                raise ClientGone
            is_last = waiter.has_ended
            answer = await ask(True)
            has_found = wish_of(answer) is None
            if has_found and waiter.called_for is not None:
                self._call(waiter.called_for)
            if has_found or is_last:
                return answer

    def _check_room(self, caller: int) -> None:
        if self._callers[caller] >= self._limits.of_a_caller:
            raise Rejected(TOO_MANY_WAITING, headers=RETRY_AFTER)
        if len(self._waiters) >= self._limits.in_all:
            raise Rejected(WAITING_ROOM_FULL, headers=RETRY_AFTER)

    @contextmanager
    def _entered(self, waiter: Waiter) -> Iterator[Waiter]:
        self._waiters.add(waiter)
        self._callers[waiter.caller] += 1
        for each in waiter.awaited:
            self._lines.setdefault(each, {})[waiter] = None
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield waiter
        finally:
            self._leave(waiter)

    def _leave(self, waiter: Waiter) -> None:
        self._waiters.remove(waiter)
        self._callers[waiter.caller] -= 1
        self._callers += Counter()  # forgets those of whom nobody waits
        for each in set(waiter.awaited):
            del self._lines[each][waiter]
            if not self._lines[each]:
                del self._lines[each]

    async def _look(self) -> None:
        while self._lines:
            for awaited in await self._lookout.look(tuple(self._lines)):
                self._call(awaited)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _call(self, awaited: Awaited) -> None:
        """Call everybody who waits for this process, or of those who wait for this actor the first."""
        line = self._lines.get(awaited, {})
        idle = (each for each in line if each.called_for is None and not each.has_ended)
        for waiter in list(idle) if isinstance(awaited, UUID) else list(islice(idle, 1)):
            line[waiter] = line.pop(waiter)  # at the end of the line
            waiter.call(awaited)


def wish_of(answer: Answer) -> Wish | None:
    """What the view asks the waiting room to wait for, if it does."""
    value = dict(answer.headers).get(HEADER.lower().encode())
    return Wish.parse(value.decode("latin-1")) if value is not None else None


@contextmanager
def watched(receive: Receive, waiter: Waiter) -> Iterator[asyncio.Task[Any]]:
    """A task that is done as soon as the client has gone; the waiter then ends."""

    async def leave() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.create_task(leave())
    gone.add_done_callback(lambda _: waiter.end())
    try:
        yield gone
    finally:
        gone.cancel()
