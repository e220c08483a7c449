"""The links between programs and servers: TCP proxies that can be cut, half open, or lose the answers to commits.

One thread with an event loop of its own serves all links of an installation; what is said here may be said from any
other thread. `tests.proxies` is the simple proxy of tests that have one connection.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

HOLE_SECONDS = 20.0
"""A connection into which bytes vanish is reset after so long: the `tcp_user_timeout` of the settings. The kernel
of this machine acknowledges what the proxy swallows, so it cannot find out itself."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of a socket that says RST when it is closed."""
PATIENCE_SECONDS = 10.0


class Filter(Protocol):
    """Looks at what one client says on its way, and says what goes on to the server."""

    def feed(self, data: bytes) -> bytes:
        """What goes on now, given that this has come."""


Rule = Callable[[bytes], bool]
"""Looks at bytes on their way to a server, and tells whether their answer is to be lost."""


class Loop:
    """The thread that serves links."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._thread.start()
        self._links: list[Link] = []

    def open(self, upstream: str, new_filter: Callable[[], Filter] | None = None) -> Link:
        """A new link to a server: `host:port`, or the path of a socket. Each connection gets a filter of its own."""
        link = Link(self, upstream, new_filter)
        self.call(link.listen())
        self._links.append(link)
        return link

    def call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Have the thread do something, and wait for it."""
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_SECONDS)

    def close(self) -> None:
        """End all links, then the thread."""
        for link in self._links:
            self.call(link.end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()


class Link:
    """One link. It is whole until something is done to it."""

    def __init__(self, loop: Loop, upstream: str, new_filter: Callable[[], Filter] | None) -> None:
        self.upstream = upstream
        self.new_filter = new_filter
        self.is_cut = False
        self.is_half_open = False
        self.loses: Rule | None = None
        self.lost = 0
        """How many answers it has lost."""
        self.port = 0
        self.connections: set[ClientSide] = set()
        self._loop = loop
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections on a free port of 127.0.0.1."""
        self._server = await asyncio.get_running_loop().create_server(lambda: ClientSide(self), "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def end(self) -> None:
        """Take no more connections, and end those that there are."""
        if self._server is not None:
            self._server.close()
        await self._reset_all()
        # What was reset is closed in the next round of the loop.
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Reset all connections, and refuse new ones."""
        self.is_cut = True
        self._loop.call(self._reset_all())

    def half_open(self) -> None:
        """Let everything vanish that is said on any connection, old or new; neither side hears of it."""
        self.is_half_open = True
        self._loop.call(self._make_holes())

    def lose(self, rule: Rule | None) -> None:
        """Reset each connection on which `rule` fits what a client says, before the answer gets through."""
        self.loses = rule

    def mend(self) -> None:
        """Be whole again: new connections work. What was swallowed stays lost."""
        self.is_cut = self.is_half_open = False
        self.loses = None

    async def _reset_all(self) -> None:
        for each in list(self.connections):
            each.reset()

    async def _make_holes(self) -> None:
        for each in list(self.connections):
            each.become_a_hole()


class ClientSide(asyncio.Protocol):
    """A connection of a client, together with its own one to the server."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._filter = link.new_filter() if link.new_filter else None
        self._waiting: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._server: asyncio.Transport | None = None
        self._is_hole = False
        self._answer_is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._link.connections.add(self)
        if self._link.is_cut:
            self.reset()
        elif self._link.is_half_open:
            self.become_a_hole()
        else:
            asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self._is_hole:
            return
        if self._filter is not None:
            data = self._filter.feed(data)
        if self._link.loses is not None and self._link.loses(data):
            self._answer_is_lost = True
        if self._server is None:
            self._waiting.append(data)
        else:
            self._server.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        # The server does not hear of a client that goes while nothing gets through.
        if not self._is_hole:
            self.reset()

    def answer(self, data: bytes) -> None:
        """Pass on what the server says, unless it is lost."""
        if self._is_hole or self._transport is None:
            return
        if self._answer_is_lost:
            self._link.lost += 1
            self.reset()
        else:
            self._transport.write(data)

    def server_has_gone(self) -> None:
        """Tell the client, if anything gets through to it."""
        if not self._is_hole:
            self.reset()

    def become_a_hole(self) -> None:
        """Swallow everything from now on, until both sides find out."""
        self._is_hole = True
        asyncio.get_running_loop().call_later(HOLE_SECONDS, self.reset)

    def reset(self) -> None:
        """End both connections, without a farewell."""
        self._link.connections.discard(self)
        for transport in (self._transport, self._server):
            if transport is not None and not transport.is_closing():
                with suppress(OSError, AttributeError):
                    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                transport.abort()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            if "/" in self._link.upstream:
                self._server, _ = await loop.create_unix_connection(lambda: ServerSide(self), self._link.upstream)
            else:
                host, _, port = self._link.upstream.rpartition(":")
                self._server, _ = await loop.create_connection(lambda: ServerSide(self), host, int(port))
        except OSError:
            self.reset()
            return
        if self not in self._link.connections:
            self.reset()
            return
        for data in self._waiting:
            self._server.write(data)
        self._waiting.clear()


class ServerSide(asyncio.Protocol):
    """The connection to the server that belongs to one client."""

    def __init__(self, client: ClientSide) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.answer(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.server_has_gone()
