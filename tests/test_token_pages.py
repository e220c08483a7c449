"""People make and revoke tokens in the admin; the secret is on one page, once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestrator.access.authentication import authenticate
from orchestrator.access.errors import RevokedToken
from orchestrator.access.making import create_token
from orchestrator.access.models import Token
from processes.models import Event
from tests.test_console import confirmation, message_of, selected

pytestmark = pytest.mark.usefixtures("rows")
LIST = "admin:access_token_changelist"
ADD = "admin:access_token_add"


def person(*permissions: str) -> Client:
    """A browser in which ann is logged in, who has these permissions of tokens."""
    user, _ = User.objects.get_or_create(username="ann", defaults={"is_staff": True})
    user.user_permissions.set(Permission.objects.filter(codename__in=[f"{each}_token" for each in permissions]))
    client = Client()
    client.force_login(user)
    return client


def page_of(token: Token) -> str:
    return reverse("admin:access_token_change", args=[token.pk])


def asked(**words: Any) -> dict[str, Any]:
    """What the browser sends for a new token."""
    return {
        "client": "shop",
        "scopes": ["read"],
        "start_actors": "",
        "act_actors": "",
        "requests_per_second": "",
    } | words


def made(client: Client, **words: Any) -> tuple[str, str]:
    """The text of a new token, and the page that shows it."""
    page = client.post(reverse(ADD), asked(**words))
    assert page.status_code == 200
    html = page.content.decode()
    [text] = re.findall(r'<code id="token">(\S+)</code>', html)
    assert "no-store" in page["Cache-Control"]
    return text, html


def made_before(client: str = "shop") -> Token:
    return create_token(client=client, scopes=["read"], by="bob")


def test_a_token_made_in_the_admin_is_shown_once_and_is_in_no_later_page_nor_in_the_database() -> None:
    browser = person("add", "view")
    text, _ = made(
        browser, scopes=["start", "act"], start_actors="orders.ship", act_actors="billing.refund, billing.charge"
    )
    token = authenticate(text)
    assert token.allows() == "start orders.ship; act billing.charge, billing.refund"
    assert (token.created_by, token.requests_per_second, token.expires_at) == ("ann", None, None)
    secret = text.split("_")[2][:43]
    for address in (page_of(token), reverse(LIST), reverse(ADD), reverse("admin:index")):
        page = browser.get(address)
        assert page.status_code == 200
        assert secret not in page.content.decode()
    assert token.secret_sha256 not in browser.get(page_of(token)).content.decode()
    log = LogEntry.objects.filter(object_id=token.identifier)
    kept = [list(rows.values()) for rows in (Token.objects.all(), Event.objects.all(), log)]
    assert [len(rows) for rows in kept] == [1, 1, 1]
    sessions = [session.get_decoded() for session in Session.objects.all()]
    assert secret not in str([kept, sessions, browser.cookies])


def test_the_form_offers_one_button_and_takes_time_and_rate() -> None:
    browser = person("add", "view")
    form = browser.get(reverse(ADD)).content.decode()
    assert re.findall(r'<input type="submit"[^>]* name="(\w+)"', form) == ["_save"]
    until = (timezone.now() + timedelta(days=90)).replace(microsecond=0)
    text, _ = made(browser, requests_per_second="5", expires_at_0=f"{until:%Y-%m-%d}", expires_at_1=f"{until:%H:%M:%S}")
    token = authenticate(text)
    assert (token.expires_at, token.requests_per_second) == (until, 5)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"client": ""}, "This field is required"),
        ({"client": "our shop"}, "Letters, digits, dots"),
        ({"scopes": []}, "This field is required"),
        ({"scopes": ["write"]}, "not one of the available choices"),
        ({"scopes": ["act"]}, "names actors to act as"),
        ({"start_actors": "orders.ship"}, "only with the scope start"),
        ({"scopes": ["start"], "start_actors": "orders.ship#1.0"}, "without version"),
        ({"scopes": ["act"], "act_actors": "*,orders.ship"}, "or * alone"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires in the future"),
        ({"requests_per_second": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_form_that_makes_no_sense_is_told_so_and_nothing_is_made(words: dict[str, Any], complaint: str) -> None:
    page = person("add", "view").post(reverse(ADD), asked(**words))
    assert page.status_code == 200
    assert complaint in page.content.decode()
    assert (Token.objects.count(), Event.objects.count()) == (0, 0)


def test_the_list_tells_whose_a_token_is_what_it_allows_and_how_it_stands() -> None:
    live, expired, revoked = (made_before(client) for client in ("live-one", "expired-one", "revoked-one"))
    past = timezone.now() - timedelta(days=1)
    Token.objects.filter(pk=expired.pk).update(created_at=past - timedelta(days=1), expires_at=past)
    Token.objects.filter(pk=revoked.pk).update(revoked_at=past)
    html = person("view").get(reverse(LIST)).content.decode()
    for token, state in ((live, "live"), (expired, "expired"), (revoked, "revoked")):
        [row] = re.findall(rf"<tr>(?:(?!</tr>).)*{token.identifier}.*?</tr>", html, re.DOTALL)
        assert re.findall(r'field-(?:client|allowed|state)">([^<]+)<', row) == [token.client, "read", state]
    found = person("view").get(reverse(LIST), {"q": "live-one"}).content.decode()
    assert (live.identifier in found, revoked.identifier in found) == (True, False)


def test_nobody_changes_or_deletes_a_token_by_hand_not_even_a_superuser() -> None:
    token = made_before()
    root, _ = User.objects.get_or_create(username="root", defaults={"is_staff": True, "is_superuser": True})
    browser = Client()
    browser.force_login(root)
    before = list(Token.objects.values())
    assert browser.get(page_of(token)).status_code == 200
    assert browser.post(page_of(token), asked(client="other")).status_code == 403
    assert browser.post(f"{page_of(token)[: -len('change/')]}delete/", {"post": "yes"}).status_code == 403
    assert 'value="delete_selected"' not in browser.get(reverse(LIST)).content.decode()
    assert list(Token.objects.values()) == before


def test_each_permission_allows_its_own_act_alone() -> None:
    token = made_before()
    viewer, adder, revoker = person("view"), person("add"), person("revoke", "view")
    assert person("view").get(reverse(ADD)).status_code == 403
    assert viewer.post(reverse(ADD), asked()).status_code == 403
    viewer = person("view")
    assert 'value="revoke"' not in viewer.get(reverse(LIST)).content.decode()
    viewer.post(reverse(LIST), selected("revoke", [token.pk], confirmed="yes", rows=token.pk))
    assert Token.objects.get().revoked_at is None
    adder = person("add")
    text, html = made(adder)
    assert adder.get(reverse(LIST)).status_code == 403
    assert page_of(authenticate(text)) not in html
    revoker = person("revoke", "view")
    assert revoker.post(reverse(ADD), asked()).status_code == 403
    assert Token.objects.count() == 2


def test_revoking_is_asked_first_then_done_recorded_and_told() -> None:
    token, revoked = made_before(), made_before()
    Token.objects.filter(pk=revoked.pk).update(revoked_at=timezone.now())
    browser = person("view", "revoke")
    page = browser.post(reverse(LIST), selected("revoke", [token.pk, revoked.pk]))
    assert "<strong>1</strong> would be done" in page.content.decode()
    assert "<code>already_revoked</code>" in page.content.decode()
    assert Token.objects.filter(revoked_at=None).count() == 1
    answer = browser.post(reverse(LIST), confirmation(page, reason="leaked"))
    assert message_of(answer) == "Revoke: 1 done, 1 refused (1 already_revoked)"
    told = Event.objects.get(kind="token_revoked")
    assert (told.by, told.detail["reason"], told.detail["identifier"]) == ("ann", "leaked", token.identifier)
    with pytest.raises(RevokedToken):
        authenticate(token.text)


def test_the_page_of_a_token_has_a_button_to_revoke_it_until_that_is_done() -> None:
    token = made_before()
    browser = person("view", "revoke")
    html = browser.get(page_of(token)).content.decode()
    assert 'value="Revoke …"' in html
    confirm = browser.post(reverse(LIST), selected("revoke", [token.pk], back_to_row="yes"))
    answer = browser.post(reverse(LIST), confirmation(confirm))
    assert answer["Location"] == page_of(token)
    html = browser.get(page_of(token)).content.decode()
    assert 'value="Revoke …"' not in html
    assert "revoked" in html
