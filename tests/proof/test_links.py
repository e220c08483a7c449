"""The links of the matrix: whole, cut, half open, losing the answers to commits; and what happens to messages."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from random import Random
from time import monotonic, sleep

import psycopg
import pytest
import redis

from orchestrator.local.servers import Servers
from tests.proof.matrix.links import Link, Loop
from tests.proof.matrix.messages import Delay, Messages, doubling, dropping, encode, parse
from tests.proof.matrix.strikes import is_commit


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(tmp_path_factory.mktemp("l"), {}) as servers:
        yield servers


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def opened() -> Iterator[Callable[[Link], psycopg.Connection]]:
    """Connects, and closes at the end what is still open then."""
    made: list[psycopg.Connection] = []

    def connect_to(link: Link) -> psycopg.Connection:
        made.append(connect(link))
        return made[-1]

    yield connect_to
    for each in made:
        each.close()


Opened = Callable[[Link], psycopg.Connection]


@pytest.fixture
def link(place: Servers, loop: Loop) -> Link:
    assert place.postgres is not None
    return loop.open(str(place.postgres.socket_path))


def connect(link: Link) -> psycopg.Connection:
    return psycopg.connect(
        f"postgresql://orchestrator@127.0.0.1:{link.port}/orchestrator", autocommit=True, connect_timeout=2
    )


def test_a_whole_link_passes_everything_on(link: Link) -> None:
    with connect(link) as connection:
        assert connection.execute("SELECT repeat('x', 1000000)").fetchone() == ("x" * 1_000_000,)


def test_a_cut_link_breaks_connections_and_refuses_new_ones_until_it_is_mended(link: Link) -> None:
    with connect(link) as connection:
        link.cut()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        connect(link)
    link.mend()
    with connect(link) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_a_half_open_link_swallows_everything_and_stays_open(link: Link, opened: Opened) -> None:
    connection = opened(link)
    link.half_open()
    connection.pgconn.send_query(b"SELECT 1")
    connection.pgconn.flush()
    sleep(0.3)
    connection.pgconn.consume_input()
    assert connection.pgconn.is_busy()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        connect(link)
    link.mend()
    with connect(link) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)
    connection.pgconn.consume_input()
    assert connection.pgconn.is_busy(), "what was swallowed comes back"


def test_connections_of_a_half_open_link_are_reset_after_a_while(
    link: Link, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.proof.matrix.links.HOLE_SECONDS", 0.5)
    connection = opened(link)
    link.half_open()
    began = monotonic()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    assert 0.4 < monotonic() - began < 5


def test_a_commit_whose_answer_is_lost_has_happened(link: Link, opened: Opened) -> None:
    with connect(link) as other:
        other.execute("CREATE TABLE IF NOT EXISTS lost (number int)")
        other.execute("TRUNCATE lost")
    loser, bystander = opened(link), opened(link)
    loser.autocommit = False
    loser.execute("INSERT INTO lost VALUES (1)")
    link.lose(is_commit)
    with pytest.raises(psycopg.OperationalError):
        loser.commit()
    assert bystander.execute("SELECT number FROM lost").fetchall() == [(1,)]
    assert link.lost == 1


def test_a_link_to_a_server_that_is_away_refuses(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    link = loop.open(f"127.0.0.1:{port}")
    with pytest.raises(psycopg.OperationalError):
        connect(link)


class Publisher:
    """A client of the broker behind a link with messages of its own."""

    def __init__(self, place: Servers, loop: Loop) -> None:
        assert place.broker is not None
        self.messages = Messages()
        link = loop.open(str(place.broker.socket_path), self.messages.new_filter)
        self.redis = redis.Redis(port=link.port)
        self.broker = place.broker
        self.broker.flush()

    def queue(self) -> list[bytes]:
        with self.broker.client() as client:
            found = client.lrange("queue", 0, -1)
        assert isinstance(found, list)
        return found


@pytest.fixture
def publisher(place: Servers, loop: Loop) -> Iterator[Publisher]:
    made = Publisher(place, loop)
    yield made
    made.redis.close()


def test_messages_pass_untouched(publisher: Publisher) -> None:
    large = b"\r\n*1$" * 50_000
    assert publisher.redis.lpush("queue", large) == 1
    assert publisher.queue() == [large]


def test_about_one_message_in_three_is_dropped_and_each_is_answered(publisher: Publisher) -> None:
    publisher.messages.change = dropping(Random(1))
    answers = [publisher.redis.lpush("queue", number) for number in range(90)]
    assert len(answers) == 90
    assert len(publisher.queue()) == 90 - publisher.messages.changed
    assert 20 <= publisher.messages.changed <= 40


def test_each_message_is_doubled_and_other_commands_keep_their_answers(publisher: Publisher) -> None:
    publisher.messages.change = doubling
    with publisher.redis.pipeline(transaction=True) as pipe:
        pipe.set("other", "value")
        pipe.lpush("queue", "one")
        pipe.get("other")
        assert pipe.execute() == [True, 2, b"value"]
    assert publisher.queue() == [b"one", b"one"]


def test_a_delayed_message_comes_later(publisher: Publisher) -> None:
    publisher.messages.change = Delay(0.3, publisher.broker.client)
    publisher.redis.lpush("queue", "late")
    assert publisher.queue() == []
    until = monotonic() + 5
    while not publisher.queue() and monotonic() < until:
        sleep(0.02)
    assert publisher.queue() == [b"late"]


def test_a_command_is_parsed_only_when_it_is_complete() -> None:
    whole = encode([b"LPUSH", b"queue", b"a\r\nb"])
    assert parse(whole, 0) == ([b"LPUSH", b"queue", b"a\r\nb"], len(whole))
    assert [parse(whole[:end], 0) for end in range(len(whole))] == [None] * len(whole)
