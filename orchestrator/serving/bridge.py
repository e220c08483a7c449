"""Hands requests of an ASGI server to a WSGI application, in a fixed pool of threads.

Bodies of requests are read before a thread begins, and answers sent after it is free again: clients that are slow hold
no thread. So both are in memory as a whole, the former up to a limit.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from processes.waiting import REPEATED

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class BodyTooLarge(Exception):
    """The body of a request is larger than allowed."""


class ClientGone(Exception):
    """The client has closed its connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, read to its end."""

    scope: Scope
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a whole; names of headers are in small letters."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Bridge:
    """A WSGI application behind a pool of threads; each keeps its database connection from request to request."""

    def __init__(self, application: Wsgi, threads: int) -> None:
        self._application = application
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")

    async def ask(self, request: Request, *, repeated: bool = False) -> Answer:
        """What the application answers to a request. Raises what it raises."""
        environ = environ_of(request)
        if repeated:
            environ[REPEATED] = True
        return await asyncio.get_running_loop().run_in_executor(self._pool, run, self._application, environ)


async def read(scope: Scope, receive: Receive, limit: int) -> Request:
    """Read a request whose body has at most `limit` bytes.

    Raises BodyTooLarge, at the latest one chunk beyond the limit, and ClientGone.
    """
    told = dict(scope["headers"]).get(b"content-length", b"")
    if told.isdigit() and int(told) > limit:
        raise BodyTooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return Request(scope, bytes(body))


def environ_of(request: Request) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333)."""
    scope = request.scope
    host, port = scope.get("server") or ("", None)
    prefix = scope.get("root_path", "")
    # From the bytes of the path: the server has put something else in the place of those that are not UTF-8.
    path = unquote_to_bytes(scope["raw_path"]).decode("latin-1")
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": prefix,
        "PATH_INFO": path.removeprefix(prefix),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host or "localhost",
        "SERVER_PORT": str(port or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    return environ | headers_of(scope) | {"CONTENT_LENGTH": str(len(request.body))}


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers of a request as WSGI names them; those given more than once in one line."""
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in scope["headers"]:
        name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
        # WSGI writes dashes as underscores: X_Forwarded_For would pass for the proxy's X-Forwarded-For.
        if "_" in name or name in ("content-length", "transfer-encoding"):
            continue
        key = "CONTENT_TYPE" if name == "content-type" else f"HTTP_{name.upper().replace('-', '_')}"
        separator = "; " if name == "cookie" else ","
        headers[key] = f"{headers[key]}{separator}{value}" if key in headers else value
    return headers


def run(application: Wsgi, environ: dict[str, Any]) -> Answer:
    """Run a WSGI application to the end of its answer."""
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], None]:
        begun.append((status, headers))
        return written.append

    chunks = application(environ, start_response)
    try:
        written.extend(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, headers = begun[-1]
    return Answer(
        status=int(status.partition(" ")[0]),
        # Django begins the value of a cookie with a space, at which servers that check headers stop.
        headers=[(name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers],
        body=b"".join(written),
    )
