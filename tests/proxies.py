"""A TCP proxy on 127.0.0.1 that can cut connections, stand still, or drop an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from django.db import connections

Rule = Callable[[bytes], bool]
"""Looks at bytes on their way and tells whether the connections are to be cut now."""


def never(_: bytes) -> bool:
    """The rule that cuts nothing."""
    return False


def upstream() -> str:
    """Where the tests' PostgreSQL is: host and port, or its socket."""
    database = connections["default"].settings_dict
    host, port = database["HOST"] or "/var/run/postgresql", database["PORT"] or "5432"
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else f"{host}:{port}"


class Proxy:
    """Passes bytes between clients and a server: `host:port`, or the path of a socket.

    `cut_before` looks at bytes from the client and cuts before the server gets them, `cut_after` once the server has
    got them: its answer is dropped. `frozen` lets everything stand still, with connections open.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.cut_before: Rule = never
        self.cut_after: Rule = never
        self.refuse = False
        self._drop_answers = False
        self._go = threading.Event()
        self._go.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Pass nothing on any more."""
        self._go.clear()

    def thaw(self) -> None:
        """Go on."""
        self._go.set()

    def cut(self) -> None:
        """Cut all connections."""
        self._drop_answers = False
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for each in pair:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut all connections and take no more."""
        self._listener.close()
        self._go.set()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.refuse:
                    raise ConnectionRefusedError
                server = self._connect()
            except OSError:
                client.close()
                continue
            pair = (client, server)
            self._pairs.append(pair)
            threading.Thread(target=self._pass, args=(*pair, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _connect(self) -> socket.socket:
        if "/" in self.upstream:
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.upstream)
            return server
        host, _, port = self.upstream.rpartition(":")
        return socket.create_connection((host, int(port)))

    def _pass(self, source: socket.socket, target: socket.socket, from_client: bool) -> None:
        with suppress(OSError), source, target:
            while data := source.recv(65536):
                self._go.wait()
                if from_client and self.cut_before(data):
                    self.cut()
                    return
                if not from_client and self._drop_answers:
                    self.cut()
                    return
                if from_client and self.cut_after(data):
                    self._drop_answers = True
                target.sendall(data)
