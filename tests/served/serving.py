"""Starts real web servers for tests, and asks them."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import psutil

from orchestrator.local.django_programs import in_project, web
from orchestrator.local.programs import Ownership, Program
from orchestrator.local.up import free_port, wait_until_it_listens

PATIENCE_SECONDS = 60.0


class Answered:
    """What a server answered."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers = response.status, response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        """The body."""
        return orjson.loads(self.body)


class Site:
    """A web server on a free port."""

    def __init__(self, program: Program, port: int) -> None:
        self.program, self.port = program, port

    @property
    def process(self) -> psutil.Process:
        """The server's process."""
        return psutil.Process(self.program.pid)

    def connect(self) -> http.client.HTTPConnection:
        """A connection to it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answered:
        """What it answers."""
        connection = self.connect()
        connection.request(method, path, body, dict(headers or {}))
        answered = Answered(connection.getresponse())
        connection.close()
        return answered

    def poll(self, *actors: str, seconds: float = 30, token: str = "t") -> Answered:
        """What a long poll for these actors is answered."""
        body = orjson.dumps({"actors": actors, "seconds": seconds})
        return self.ask("POST", "/served/poll", body, {"Authorization": f"Bearer {token}"})

    def counts(self) -> tuple[int, int]:
        """How often the views that may wait were asked for the first time, and again."""
        told = self.ask("GET", "/served/count").json
        return told["first"], told["again"]


@contextmanager
def serving(folder: Path, environ: Mapping[str, str], **settings: str) -> Iterator[Site]:
    """A web server with the URLs of the tests; settings beside that by name."""
    ownership, port = Ownership(folder / "web"), free_port()
    with_settings = in_project(environ) | {"DJANGO_SETTINGS_MODULE": "tests.served.settings", **settings}
    program = Program("web", ownership, web(ownership, environ, port).command, environ=with_settings)
    program.start()
    try:
        wait_until_it_listens(program, port)
        yield Site(program, port)
    finally:
        program.stop()
        ownership.close()
