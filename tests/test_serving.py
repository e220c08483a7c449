"""Django behind the real web server: what arrives, what is too large, who holds a thread, files of the admin."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import pytest

from tests.conftest import environ_of_workers
from tests.served.serving import Answered, Site, serving

LIMIT = 200_000


@pytest.fixture(scope="module")
def site(django_db_setup: None) -> Iterator[Site]:
    with (
        TemporaryDirectory(prefix="o-") as folder,
        serving(Path(folder), environ_of_workers(), ORCHESTRATOR_BODY_LIMIT_BYTES=str(LIMIT)) as site,
    ):
        yield site


def problem(answered: Answered) -> tuple[int, str | None, str]:
    return answered.status, answered.headers["Content-Type"], answered.json["type"]


TOO_LARGE = (413, "application/problem+json", "urn:orchestrator:problem:body_too_large")


def test_a_request_arrives_as_it_was_sent(site: Site) -> None:
    connection = site.connect()
    connection.putrequest("PUT", "/served/echo/a%2Fb%20%FF%C3%A9?q=%C3%A9&r=1")
    for name, value in (("X-Twice", "1"), ("X-Twice", "2"), ("X_Forwarded_For", "6.6.6.6"), ("Content-Length", "3")):
        connection.putheader(name, value)
    connection.putheader("Content-Type", "text/odd")
    connection.endheaders(b"abc")
    told = Answered(connection.getresponse()).json
    connection.close()
    assert (told["path"], told["query"]) == ("/served/echo/a/b %FFé", {"q": "é", "r": "1"})
    meta = told["meta"]
    assert (meta["REQUEST_METHOD"], meta["CONTENT_TYPE"], meta["CONTENT_LENGTH"], told["bytes"]) == (
        "PUT",
        "text/odd",
        "3",
        3,
    )
    assert (meta["HTTP_X_TWICE"], meta["REMOTE_ADDR"], meta["SERVER_PORT"]) == ("1,2", "127.0.0.1", str(site.port))
    assert "HTTP_X_FORWARDED_FOR" not in meta
    assert "HTTP_CONTENT_LENGTH" not in meta


def test_what_the_proxy_on_this_host_says_of_its_client_counts(site: Site) -> None:
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    assert site.ask("GET", "/served/echo", headers=headers).json["meta"]["REMOTE_ADDR"] == "203.0.113.7"


def test_a_body_as_large_as_allowed_arrives_whole_with_its_length_told_or_not(site: Site) -> None:
    assert site.ask("POST", "/served/echo", b"x" * LIMIT).json["bytes"] == LIMIT
    pieces = (b"x" * 1000 for _ in range(LIMIT // 1000))
    assert site.ask("POST", "/served/echo", pieces).json["bytes"] == LIMIT


def test_a_larger_body_is_refused_and_the_connection_goes_on(site: Site) -> None:
    connection = site.connect()
    connection.request("POST", "/served/echo", b"x" * (LIMIT + 1))
    assert problem(Answered(connection.getresponse())) == TOO_LARGE
    connection.request("POST", "/served/echo", b"abc")
    assert Answered(connection.getresponse()).json["bytes"] == 3
    connection.close()


def test_a_body_that_does_not_tell_its_length_is_refused_before_its_end(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        connection.sendall(b"POST /served/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(LIMIT // 10_000 + 1):
            connection.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_is_only_announced_is_refused_without_being_read(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        connection.sendall(b"POST /served/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_clients_that_send_slowly_hold_no_thread(site: Site) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", site.port), timeout=30))
            connection.sendall(b"POST /served/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nabc")
        began = monotonic()
        assert site.ask("POST", "/served/echo", b"abc").json["bytes"] == 3
        assert monotonic() - began < 5


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/static/admin/css/base.css", "text/css"),
        ("/static/ninja/swagger-ui.css", "text/css"),
        ("/static/ninja/swagger-ui-bundle.js", "text/javascript"),
    ],
)
def test_files_of_the_admin_and_of_the_page_of_the_api_are_served_without_debug(
    site: Site, path: str, content_type: str
) -> None:
    answered = site.ask("GET", path)
    assert (answered.status, (answered.headers["Content-Type"] or "").partition(";")[0]) == (200, content_type)
    assert answered.headers["Content-Length"] == str(len(answered.body)) != "0"
    seen = {"If-Modified-Since": answered.headers["Last-Modified"] or ""}
    again = site.ask("GET", path, headers=seen)
    assert (again.status, again.body) == (304, b"")
    head = site.ask("HEAD", path)
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(answered.body)), b"")


@pytest.mark.parametrize(
    "path", ["/static/nothing.css", "/static/../manage.py", "/static/%2e%2e/manage.py", "/nothing"]
)
def test_what_is_no_such_file_is_not_found(site: Site, path: str) -> None:
    assert site.ask("GET", path).status == 404


def test_the_admin_asks_who_one_is(site: Site) -> None:
    answered = site.ask("GET", "/admin/")
    assert (answered.status, answered.headers["Location"]) == (302, "/admin/login/?next=/admin/")
    assert b"/static/admin/css/base.css" in site.ask("GET", "/admin/login/").body
