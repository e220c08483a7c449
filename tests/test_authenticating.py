"""Who shows a token is known by one query; wrong, expired and revoked ones are told apart in the log only."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestrator.access import authentication
from orchestrator.access.authentication import REMEMBERED, USE_NOTED_EVERY, authenticate, forget
from orchestrator.access.errors import ExpiredToken, NotAuthenticated, RevokedToken, UnknownToken
from orchestrator.access.making import create_token
from orchestrator.access.models import Token
from orchestrator.access.revoking import revoke
from orchestrator.access.text import TokenText
from processes.models import Event
from tests.held_up import beside, somebody_else

pytestmark = pytest.mark.usefixtures("rows")
SECOND = timedelta(seconds=1)


def made(**words: Any) -> Token:
    return create_token(client="shop", scopes=["read"], by="ann", **words)


def everything() -> list[list[Any]]:
    return [list(Token.objects.order_by("pk").values()), list(Event.objects.order_by("pk").values())]


def last_used_at(token: Token) -> datetime | None:
    return Token.objects.get(pk=token.pk).last_used_at


def refused(text: str, now: datetime | None = None) -> NotAuthenticated:
    """The refusal, which changed no row and does not repeat the text."""
    before = everything()
    with pytest.raises(NotAuthenticated) as caught:
        authenticate(text, now=now)
    assert everything() == before
    assert text not in str(caught.value) + repr(caught.value) or not text
    return caught.value


@pytest.mark.parametrize("text", ["", "orc_", "hunter2", "orc_0123456789ab_" + "x" * 49, "ä" * 65, "\0"])
def test_what_has_not_the_form_of_a_token_is_unknown_without_a_query(text: str) -> None:
    with CaptureQueriesContext(connection) as queries, pytest.raises(UnknownToken) as caught:
        authenticate(text)
    assert (len(queries), caught.value.identifier) == (0, None)


def test_the_wrong_secret_of_the_right_identifier_is_unknown_also_while_the_right_one_is_remembered() -> None:
    token = made()
    wrong = TokenText(token.identifier, "x" * 43).written()
    for _ in range(2):
        told = refused(wrong)
        assert (type(told), told.code, told.identifier) == (UnknownToken, "token_unknown", token.identifier)
        authenticate(token.text)


def test_a_well_formed_token_that_was_never_made_is_unknown() -> None:
    assert isinstance(refused(TokenText("0" * 12, "x" * 43).written()), UnknownToken)


def test_a_token_expires_at_its_moment_also_while_it_is_remembered() -> None:
    now = timezone.now()
    token = made(expires_at=now + timedelta(hours=1))
    moment = now + timedelta(hours=1)
    assert authenticate(token.text, now=moment - timedelta(microseconds=1)).pk == token.pk
    told = refused(token.text, moment)
    assert (type(told), told.code) == (ExpiredToken, "token_expired")


def test_only_who_knows_the_secret_learns_that_a_token_was_revoked_or_has_expired() -> None:
    token = made(expires_at=timezone.now() + timedelta(hours=1))
    revoke(token.identifier, by="ann")
    told = refused(token.text, timezone.now() + timedelta(hours=2))
    assert (type(told), told.code) == (RevokedToken, "token_revoked")
    assert type(refused(TokenText(token.identifier, "x" * 43).written())) is UnknownToken


def test_an_authentication_costs_one_query_and_none_while_the_row_is_remembered() -> None:
    token, now = made(), timezone.now()
    authenticate(token.text, now=now)
    counts = []
    for later in (timedelta(0), REMEMBERED - SECOND, REMEMBERED, REMEMBERED + SECOND):
        with CaptureQueriesContext(connection) as queries:
            authenticate(token.text, now=now + later)
        counts.append(len(queries))
    assert counts == [0, 0, 1, 0]


def test_a_token_revoked_elsewhere_is_refused_within_two_seconds_and_here_at_once() -> None:
    assert timedelta(seconds=2) == REMEMBERED
    elsewhere, here, now = made(), made(), timezone.now()
    for token in (elsewhere, here):
        authenticate(token.text, now=now)
    Token.objects.filter(pk=elsewhere.pk).update(revoked_at=now)
    revoke(here.identifier, by="ann")
    assert type(refused(here.text, now)) is RevokedToken
    assert authenticate(elsewhere.text, now=now + SECOND).pk == elsewhere.pk
    assert type(refused(elsewhere.text, now + REMEMBERED)) is RevokedToken


def test_a_clock_that_is_set_back_does_not_prolong_what_is_remembered() -> None:
    token, now = made(), timezone.now()
    authenticate(token.text, now=now)
    Token.objects.update(revoked_at=now)
    assert type(refused(token.text, now - SECOND)) is RevokedToken


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "MOST_REMEMBERED", 3)
    for _ in range(10):
        authenticate(made().text)
    assert len(authentication._seen) <= 3


def test_a_use_is_written_at_most_once_a_minute() -> None:
    token, now = made(), timezone.now()
    assert last_used_at(token) is None
    written = []
    for later in (0, 1, 59, 60, 90, 119, 120):
        authenticate(token.text, now=now + later * SECOND)
        used = last_used_at(token)
        assert used is not None
        written.append((used - now) / SECOND)
    assert written == [0, 0, 0, 60, 60, 60, 120]


def test_a_use_that_another_process_wrote_meanwhile_is_not_written_again() -> None:
    token, now = made(), timezone.now()
    authenticate(token.text, now=now)
    authenticate(token.text, now=now + 59 * SECOND)
    elsewhere = now + USE_NOTED_EVERY
    Token.objects.update(last_used_at=elsewhere)
    with CaptureQueriesContext(connection) as queries:
        authenticate(token.text, now=now + USE_NOTED_EVERY + timedelta(milliseconds=500))
    assert [query["sql"].startswith("UPDATE") for query in queries].count(True) == 1
    assert last_used_at(token) == elsewhere


def test_a_row_that_somebody_else_holds_does_not_hold_up_the_request() -> None:
    token, now = made(), timezone.now()
    with somebody_else() as other:
        other.execute("UPDATE access_token SET last_used_at = %s", [now])
        with beside(other, lambda: authenticate(token.text, now=now)) as waiting:
            assert waiting.result(timeout=10).pk == token.pk
        other.rollback()
    assert last_used_at(token) is None
    authenticate(token.text, now=now + 59 * SECOND)
    assert last_used_at(token) is None
    authenticate(token.text, now=now + USE_NOTED_EVERY)
    assert last_used_at(token) == now + USE_NOTED_EVERY


def test_a_use_that_cannot_be_written_is_logged_once_a_minute_and_fails_no_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    token, now = made(), timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        with caplog.at_level(logging.WARNING):
            for later in (0, 30, 60):
                assert authenticate(token.text, now=now + later * SECOND).pk == token.pk
    finally:
        connection.close()
    told = [vars(record)["event"] for record in caplog.records]
    assert told == ["token_use_not_written"] * 2
    assert last_used_at(token) is None


def test_inside_a_transaction_a_use_that_cannot_be_written_leaves_that_transaction_whole() -> None:
    token = made()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        assert authenticate(token.text).pk == token.pk
        assert Token.objects.count() == 1
    forget(token.identifier)
    assert last_used_at(token) is None
