"""Requests that wait: who is called, when, and what waiting costs; on a real web server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import pytest
from django.db import connection
from django.test import RequestFactory

from orchestrator.access.making import create_token
from orchestrator.api.credentials import Bearer
from processes.models import Process
from processes.problems import Rejected
from processes.states import ProcessState
from processes.waiting import REPEATED, Wish
from tasks.actors import pause
from tests.by_hand import registered, run_to_standstill, wait_until
from tests.conftest import environ_of_workers
from tests.flows.actors import add, echo
from tests.proxies import Proxy, upstream
from tests.served.serving import Answered, Site, serving

pytestmark = pytest.mark.usefixtures("rows")

ECHO, ADD = str(echo.actor_name), str(add.actor_name)
SOON_SECONDS = 5.0
"""Far below the time that the requests of these tests are willing to wait."""


@pytest.fixture(scope="module")
def shared_site(django_db_setup: None) -> Iterator[Site]:
    with TemporaryDirectory(prefix="o-") as folder, serving(Path(folder), environ_of_workers()) as site:
        yield site


@pytest.fixture
def waiting() -> Iterator[Callable[..., Future[Answered]]]:
    """Runs what waits in threads."""
    with ThreadPoolExecutor(64) as pool:
        yield pool.submit


class Asked:
    """Counts how often views were asked since then."""

    def __init__(self, site: Site) -> None:
        self._site, self._before = site, site.counts()

    def __call__(self) -> tuple[int, int]:
        first, again = self._site.counts()
        return first - self._before[0], again - self._before[1]


@contextmanager
def soon() -> Iterator[None]:
    began = monotonic()
    yield
    assert monotonic() - began < SOON_SECONDS


def held(asked: Asked, count: int) -> None:
    """Wait until so many requests have been asked for the first time; a moment later they wait."""
    wait_until(lambda: asked()[0] == count)
    sleep(0.2)


def backends() -> int:
    """How many connections this database has, beside the tests' own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_a_poll_that_found_nothing_is_answered_as_soon_as_there_is_a_task(shared_site: Site, waiting: Any) -> None:
    asked = Asked(shared_site)
    polled = waiting(shared_site.poll, ADD, ECHO)
    held(asked, 1)
    assert (polled.done(), asked()) == (False, (1, 0))
    process = registered(echo, 1)
    with soon():
        answered = polled.result()
    assert (answered.status, answered.json) == (200, {"task": str(process.id)})
    assert answered.headers["X-Orchestrator-Wait"] is None
    assert asked() == (1, 1)


def test_when_the_time_is_over_the_view_is_asked_for_the_last_time(shared_site: Site) -> None:
    asked = Asked(shared_site)
    began = monotonic()
    answered = shared_site.poll(ECHO, seconds=0.7)
    assert 0.7 <= monotonic() - began < SOON_SECONDS
    assert (answered.status, answered.json, asked()) == (200, {"task": None}, (1, 1))
    assert answered.headers["X-Orchestrator-Wait"] is None


def test_one_waiter_is_called_for_one_task_and_those_who_find_something_call_others(
    shared_site: Site, waiting: Any
) -> None:
    asked = Asked(shared_site)
    polls = [waiting(shared_site.poll, ECHO, seconds=8) for _ in range(12)]
    held(asked, 12)
    first = registered(echo, 1)
    with soon():
        wait_until(lambda: any(each.done() for each in polls))
    sleep(0.3)
    assert [each.result().json for each in polls if each.done()] == [{"task": str(first.id)}]
    assert asked()[1] <= 6  # the one that found it, the one that it called, and one for each look meanwhile
    more = {str(registered(echo, number).id) for number in range(5)}
    with soon():
        wait_until(lambda: sum(each.done() for each in polls) == 6)
    assert {each.result().json["task"] for each in polls if each.done()} == {*more, str(first.id)}
    assert [each.result().json for each in polls].count({"task": None}) == 6


def test_everybody_who_waits_for_a_process_hears_of_its_end(shared_site: Site, waiting: Any) -> None:
    asked = Asked(shared_site)
    process, other = registered(echo, 1), registered(add, 1)
    path = "/served/processes/{}?wait_seconds={}"
    watchers = [waiting(shared_site.ask, "GET", path.format(process.id, 30)) for _ in range(3)]
    beside = waiting(shared_site.ask, "GET", path.format(other.id, 2))
    held(asked, 4)
    pause(other)
    with soon():
        assert beside.result().json == {"state": "PAUSED"}
    assert not any(each.done() for each in watchers)
    run_to_standstill()
    assert Process.objects.get(id=process.id).state == ProcessState.COMPLETED
    with soon():
        assert [each.result().json for each in watchers] == [{"state": "COMPLETED"}] * 3
    assert asked() == (4, 4)


def test_who_has_gone_is_not_called_and_makes_room(folder: Path, environ: dict[str, str], waiting: Any) -> None:
    with serving(folder, environ, ORCHESTRATOR_WAITING_LIMIT="1") as site:
        asked = Asked(site)
        gone = site.connect()
        gone.request("POST", "/served/poll", f'{{"actors": ["{ECHO}"], "seconds": 30}}')
        held(asked, 1)
        gone.close()
        sleep(0.2)
        polled = waiting(site.poll, ECHO)
        held(asked, 2)
        process = registered(echo, 1)
        with soon():
            assert polled.result().json == {"task": str(process.id)}
        assert asked() == (2, 1)


def test_more_than_may_wait_are_refused_at_once(folder: Path, environ: dict[str, str], waiting: Any) -> None:
    limits = {"ORCHESTRATOR_TOKEN_WAITING_LIMIT": "2", "ORCHESTRATOR_WAITING_LIMIT": "3"}
    with serving(folder, environ, **limits) as site:
        asked = Asked(site)
        for token in ("a", "a", "b"):
            waiting(site.poll, ECHO, seconds=3, token=token)
        held(asked, 3)
        with soon():
            refused = [site.poll(ECHO, token="a"), site.poll(ECHO, token="b")]
        assert [(each.status, each.json["type"], each.headers["Retry-After"]) for each in refused] == [
            (429, "urn:orchestrator:problem:too_many_waiting", "1"),
            (503, "urn:orchestrator:problem:waiting_room_full", "1"),
        ]
        assert site.poll(ECHO, seconds=0, token="c").status == 503
        registered(echo, 1)
        with soon():
            wait_until(lambda: asked()[1] >= 1)
            wait_until(lambda: site.poll(ADD, seconds=0.1, token="b").status == 200)


def test_a_server_that_is_told_to_stop_answers_all_who_wait(
    folder: Path, environ: dict[str, str], waiting: Any
) -> None:
    with serving(folder, environ) as site:
        asked = Asked(site)
        polls = [waiting(site.poll, ECHO) for _ in range(20)]
        held(asked, 20)
        with soon():
            site.program.stop()
            assert {(each.result().status, each.result().body) for each in polls} == {(200, b'{"task": null}')}


def test_a_hundred_who_wait_cost_no_thread_no_connection_and_no_query_each(
    folder: Path, environ: dict[str, str]
) -> None:
    before = backends()
    with serving(folder, environ) as site, ThreadPoolExecutor(100) as pool:
        asked = Asked(site)
        polls = [pool.submit(site.poll, ECHO, ADD, seconds=4) for _ in range(100)]
        held(asked, 100)
        assert (site.process.num_threads(), asked()[1]) == (5, 0)
        assert backends() - before == 4
        assert {each.result().status for each in polls} == {200}


def test_who_waits_waits_on_while_the_database_is_away(
    folder: Path, environ: dict[str, str], waiting: Any, proxies: Callable[[str], Proxy]
) -> None:
    proxy = proxies(upstream())
    parts = urlsplit(environ["DATABASE_URL"])
    query = dict(parse_qsl(parts.query)) | {"host": "127.0.0.1", "port": str(proxy.port)}
    with serving(folder, {**environ, "DATABASE_URL": f"postgresql://{parts.path}?{urlencode(query)}"}) as site:
        asked = Asked(site)
        polled = waiting(site.poll, ECHO)
        held(asked, 1)
        proxy.refuse = True
        proxy.cut()
        wait_until(lambda: "lookout_blind" in site.program.log_path.read_text())
        sleep(0.3)
        assert (polled.done(), site.ask("GET", "/served/echo").status) == (False, 200)
        proxy.refuse = False
        process = registered(echo, 1)
        with soon():
            assert (polled.result().status, polled.result().json) == (200, {"task": str(process.id)})
        assert asked() == (1, 1)
        assert site.program.log_path.read_text().count("lookout_blind") == 1


def test_what_the_waiting_room_asks_again_is_not_counted_against_the_rate_of_its_token() -> None:
    token = create_token(client="shop", scopes=["read"], requests_per_second=1, by="ann").text
    assert token is not None
    request, again = RequestFactory().get("/"), RequestFactory().get("/")
    again.META[REPEATED] = True
    bearer = Bearer()
    assert bearer.authenticate(request, token) is not None
    assert all(bearer.authenticate(again, token) for _ in range(5))
    with pytest.raises(Rejected, match="made its requests"):
        bearer.authenticate(request, token)


@pytest.mark.parametrize("wish", [Wish(0.5, ("a#1.0", "b.c#2@eu")), Wish(55, (uuid4(),))])
def test_a_wish_is_read_as_it_was_written(wish: Wish) -> None:
    assert Wish.parse(str(wish)) == wish


@pytest.mark.parametrize("text", ["", "5", "5 moons a", "x actors a", "5 process a"])
def test_what_is_no_wish_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Wish.parse(text)
