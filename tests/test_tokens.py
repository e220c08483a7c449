"""A token is made once, known by its secret alone, allows what it says, and is refused when its time is over."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from orchestrator.access.authentication import authenticate
from orchestrator.access.errors import AlreadyRevoked, InvalidToken, NoSuchToken
from orchestrator.access.making import create_token
from orchestrator.access.models import Token
from orchestrator.access.revoking import revoke
from orchestrator.access.text import TokenText
from processes.models import Event
from tasks.errors import InvalidActorName

pytestmark = pytest.mark.usefixtures("rows")


def made(*scopes: str, **words: Any) -> Token:
    return create_token(**{"client": "shop", "scopes": scopes or ("read",), "by": "ann", **words})


def everything() -> list[list[Any]]:
    return [list(Token.objects.order_by("pk").values()), list(Event.objects.order_by("pk").values())]


def test_the_text_begins_recognisably_and_holds_an_identifier_and_256_bits() -> None:
    text = made().text
    parts = re.fullmatch(r"orc_([0-9a-z]{12})_([0-9A-Za-z]{43})[0-9A-Za-z]{6}", text)
    assert parts is not None
    assert Token.objects.get().identifier == parts[1]
    assert 62 ** len(parts[2]) > 2**256
    assert TokenText.new() != TokenText.new()


def test_a_known_text_has_its_known_checksum() -> None:
    text = "orc_0123456789ab_" + "x" * 43 + "1TqLRx"
    assert TokenText("0123456789ab", "x" * 43).written() == text
    assert TokenText.parse(text) == TokenText("0123456789ab", "x" * 43)


@pytest.mark.parametrize("change", ["cut", "mistyped", "swapped", "longer", "upper", "newline", "bearer"])
def test_a_text_that_was_cut_or_mistyped_is_no_token(change: str) -> None:
    text = TokenText("0123456789ab", "x" * 42 + "y").written()
    changed = {
        "cut": text[:-1],
        "mistyped": text.replace("xxx", "xzx", 1),
        "swapped": text.replace("xy", "yx"),
        "longer": text + "0",
        "upper": text.upper(),
        "newline": text + "\n",
        "bearer": f"Bearer {text}",
    }[change]
    assert TokenText.parse(changed) is None


def test_of_the_secret_only_its_hash_is_stored_and_no_text_is_there_a_second_time() -> None:
    token = made()
    secret = token.text.split("_")[2][:43]
    assert Token.objects.get().secret_sha256 == sha256(secret.encode()).hexdigest()
    assert Token.objects.get().text == ""
    with connection.cursor() as cursor:
        for table in ("access_token", "processes_event"):
            cursor.execute(f"SELECT count(*), count(*) FILTER (WHERE t::text LIKE %s) FROM {table} t", [f"%{secret}%"])
            assert cursor.fetchone() == (1, 0)
    shown = TokenText.parse(token.text)
    assert shown is not None
    assert secret not in repr(shown) + repr(replace(shown)) + repr(token) + str(token)


def test_who_made_a_token_is_in_its_row_and_in_the_history() -> None:
    token = made("read", "start", start_actors=["orders.ship"], by="ann")
    told = Event.objects.get()
    assert (told.kind, told.by, told.process_id) == ("token_made", "ann", None)
    assert told.detail == {
        "client": "shop",
        "identifier": token.identifier,
        "allows": "read; start orders.ship",
    }
    assert Token.objects.get().created_by == "ann"


def test_words_are_kept_once_and_in_order() -> None:
    token = made("act", "read", "act", act_actors=["b.b", "a.a", "b.b"])
    assert (token.scopes, token.act_actors) == (["read", "act"], ["a.a", "b.b"])
    assert token.allows() == "read; act a.a, b.b"


def test_several_tokens_of_a_client_live_at_a_time() -> None:
    old, new = made(), made()
    assert authenticate(old.text).identifier == old.identifier
    revoke(old.identifier, by="ann")
    assert authenticate(new.text).identifier == new.identifier


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["read"], (True, False, False, False)),
        (["start"], (False, True, False, False)),
        (["act"], (False, False, True, False)),
        (["operate"], (False, False, False, True)),
        (["read", "start", "act", "operate"], (True, True, True, True)),
    ],
)
def test_a_scope_allows_its_own_questions_and_no_other(scopes: list[str], allowed: tuple[bool, ...]) -> None:
    token = made(*scopes, act_actors=["*"] if "act" in scopes else [])
    name = "orders.ship#1.0"
    assert (token.may_read(), token.may_start(name), token.may_act(name), token.may_operate()) == allowed


def test_a_limit_holds_for_every_version_and_task_list_of_the_named_actors_alone() -> None:
    token = made("start", "act", start_actors=["orders.ship"], act_actors=["billing.charge", "billing.refund"])
    for name in ("orders.ship", "orders.ship#2.0", "orders.ship#1.0@eu"):
        assert token.may_start(name)
        assert not token.may_act(name)
    for name in ("billing.charge#1.0", "billing.refund#7@us"):
        assert token.may_act(name)
        assert not token.may_start(name)
    for name in ("orders.shipment#1.0", "orders#1.0", "Orders.ship#1.0", "ship#1.0"):
        assert not token.may_start(name)
    with pytest.raises(InvalidActorName):
        token.may_start("orders.ship#1.0@eu@us")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"client": ""}, "cannot be blank"),
        ({"client": "our shop"}, "Letters, digits, dots"),
        ({"client": "shop\0"}, "Letters, digits, dots"),
        ({"client": "x" * 101}, "Letters, digits, dots"),
        ({"scopes": []}, "cannot be blank"),
        ({"scopes": ["write"]}, "not a valid choice"),
        ({"start_actors": ["orders.ship"]}, "named only with the scope start"),
        ({"scopes": ["start"], "start_actors": ["orders.ship#1.0"]}, "without version"),
        ({"scopes": ["start"], "start_actors": ["*"]}, "without version"),
        ({"scopes": ["start"], "start_actors": [""]}, "cannot be blank"),
        ({"act_actors": ["orders.ship"]}, "The scope act, and only that"),
        ({"scopes": ["act"]}, "The scope act, and only that"),
        ({"scopes": ["act"], "act_actors": ["*", "orders.ship"]}, "or * alone"),
        ({"scopes": ["act"], "act_actors": ["orders.ship@eu"]}, "without version"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expires in the future"),
        ({"expires_at": datetime(2999, 1, 1)}, "with a time zone"),  # noqa: DTZ001  # a time without zone is the point
        ({"requests_per_second": -1}, "greater than or equal to 0"),
        ({"by": "a\0"}, "Null characters"),
    ],
)
@pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime")
def test_a_token_that_makes_no_sense_is_refused_and_nothing_is_written(words: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidToken, match=re.escape(complaint)):
        made(**words)
    assert everything() == [[], []]


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("token_identifier_is_one", {"identifier": "short"}),
        ("token_secret_is_hashed", {"secret_sha256": "x" * 64}),
        ("token_client_is_a_name", {"client": ""}),
        ("token_client_is_a_name", {"client": "shop\n"}),
        ("token_scopes_are_known", {"scopes": [], "start_actors": [], "act_actors": []}),
        ("token_scopes_are_known", {"scopes": ["start", "act", "write"]}),
        ("token_start_actors_only_with_start", {"scopes": ["act"]}),
        ("token_act_actors_exactly_with_act", {"scopes": ["start"]}),
        ("token_act_actors_exactly_with_act", {"act_actors": []}),
        ("token_start_actors_are_names", {"start_actors": ["*"]}),
        ("token_start_actors_are_names", {"start_actors": ["orders.ship#1.0"]}),
        ("token_start_actors_are_names", {"start_actors": ["orders.ship,billing.charge"]}),
        ("token_act_actors_are_names", {"act_actors": ["*", "orders.ship"]}),
        ("token_expires_after_it_was_made", {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}),
        ("access_token_requests_per_second_check", {"requests_per_second": -1}),
        ("access_token_pkey", None),
    ],
)
def test_the_database_itself_refuses_a_row_that_makes_no_sense(constraint: str, change: dict[str, Any] | None) -> None:
    token, other = (made("start", "act", start_actors=["orders.ship"], act_actors=["*"]) for _ in range(2))
    before = everything()
    change = {"identifier": other.identifier} if change is None else change
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Token.objects.filter(identifier=token.identifier).update(**change)
    assert everything() == before


def test_revoking_is_recorded_with_who_and_why_and_keeps_the_row() -> None:
    token, other = made(), made()
    revoke(token.identifier, by="bob", reason="leaked")
    [told] = Event.objects.filter(kind="token_revoked")
    assert (told.by, told.detail) == (
        "bob",
        {"client": "shop", "identifier": token.identifier, "reason": "leaked"},
    )
    now = timezone.now()
    assert [Token.objects.get(pk=each.pk).state_at(now) for each in (token, other)] == ["revoked", "live"]


def test_a_token_is_revoked_once_and_an_expired_one_may_be() -> None:
    token = made(expires_at=timezone.now() + timedelta(seconds=60))
    Token.objects.update(created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(days=1))
    assert Token.objects.get().state_at(timezone.now()) == "expired"
    revoke(token.identifier, by="ann")
    before = everything()
    with pytest.raises(AlreadyRevoked):
        revoke(token.identifier, by="ann")
    with pytest.raises(NoSuchToken):
        revoke("0" * 12, by="ann")
    assert everything() == before
