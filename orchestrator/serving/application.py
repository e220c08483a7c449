"""The ASGI application: reads a request, has Django answer it, lets it wait where its view says so."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

import orjson

from orchestrator.api.answering import PROBLEM
from orchestrator.serving.bridge import Answer, BodyTooLarge, Bridge, ClientGone, Receive, Scope, Send, read
from orchestrator.serving.waiting_room import WaitingRoom
from processes.problems import BODY_TOO_LARGE, Rejected
from processes.waiting import HEADER

NOT_SENT = HEADER.lower().encode()


class Application:
    """A WSGI application behind a bridge, with a waiting room in front of it."""

    def __init__(self, bridge: Bridge, room: WaitingRoom, body_limit: int) -> None:
        self._bridge, self._room, self._body_limit = bridge, room, body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert scope["type"] == "http", scope["type"]
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        except Rejected as rejected:
            answer = answer_of(rejected)
        headers = [each for each in answer.headers if each[0] != NOT_SENT]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            request = await read(scope, receive, self._body_limit)
        except BodyTooLarge:
            raise Rejected(BODY_TOO_LARGE, f"more than {self._body_limit} bytes") from None

        async def ask(repeated: bool) -> Answer:
            return await self._bridge.ask(request, repeated=repeated)

        return await self._room.answer(ask, caller_of(scope), receive)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        when_told_to_stop(self._room.close)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})


def caller_of(scope: Scope) -> int:
    """Something that tells callers apart by their tokens; who is signed in without one counts as one caller."""
    return hash(tuple(dict(scope["headers"]).get(b"authorization", b"").split()[-1:]))


def answer_of(rejected: Rejected) -> Answer:
    """The problem document of a request that the views do not see."""
    body = orjson.dumps(rejected.problem.model_dump())
    headers = {"content-type": PROBLEM, "content-length": str(len(body)), **rejected.headers}
    return Answer(
        rejected.kind.status, [(name.lower().encode(), value.encode()) for name, value in headers.items()], body
    )


def when_told_to_stop(act: Callable[[], None]) -> None:
    """Have `act` run in this event loop once the server gets a signal to stop, besides what the server does itself.

    Servers tell their application that they stop only after the last answer, so waiters would hold that up.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if callable(handler):
            signal.signal(number, partial(_stop, loop, act, handler))


def _stop(
    loop: asyncio.AbstractEventLoop,
    act: Callable[[], None],
    handler: Callable[[int, FrameType | None], object],
    number: int,
    frame: FrameType | None,
) -> None:
    loop.call_soon_threadsafe(act)
    handler(number, frame)
