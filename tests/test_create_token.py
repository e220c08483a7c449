"""`manage.py create_token` prints the token alone, and what it allows beside it."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from orchestrator.access.authentication import authenticate
from orchestrator.access.models import Token
from orchestrator.local.django_programs import ROOT
from processes.models import Event

pytestmark = pytest.mark.usefixtures("rows")


def created(*words: str) -> tuple[str, str]:
    """What it prints: the token, and beside it."""
    out, err = StringIO(), StringIO()
    call_command("create_token", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_output_is_the_token_alone(environ: dict[str, str]) -> None:
    done = subprocess.run(
        f'TOKEN=$({sys.executable} manage.py create_token --client shop --scope read) && printf "<%s>" "$TOKEN"',
        shell=True,
        cwd=ROOT,
        env={**os.environ, **environ, "DJANGO_SETTINGS_MODULE": "orchestrator.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    token = Token.objects.get()
    assert done.stdout.startswith(f"<orc_{token.identifier}_")
    assert authenticate(done.stdout[1:-1]).client == "shop"
    assert done.stderr.splitlines()[-1] == (
        f"token {token.identifier} of shop: read; never expires; 200 requests a second"
    )
    assert token.created_by == getpass.getuser()


def test_everything_that_limits_a_token_can_be_said() -> None:
    before = timezone.now()
    out, err = created(
        *("--client", "shop.eu", "--scope", "start", "--scope", "act", "--by", "ann"),
        *("--start-actor", "orders.ship", "--act-actor", "billing.charge", "--act-actor", "billing.refund"),
        *("--expires-in-days", "30", "--requests-per-second", "0"),
    )
    token = authenticate(out.removesuffix("\n"))
    assert token.allows() == "start orders.ship; act billing.charge, billing.refund"
    assert (token.client, token.created_by, token.requests_per_second) == ("shop.eu", "ann", 0)
    assert token.expires_at is not None
    assert timedelta(days=30) <= token.expires_at - before < timedelta(days=30, minutes=1)
    assert f"expires {token.expires_at:%Y-%m-%d %H:%M} UTC; no limit of requests" in err
    assert out.strip() not in err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "--scope"),
        (["--scope", "write"], "invalid choice"),
        (["--scope", "act"], "names actors to act as"),
        (["--scope", "read", "--start-actor", "orders.ship"], "only with the scope start"),
        (["--scope", "start", "--start-actor", "orders.ship#1.0"], "without version"),
        (["--scope", "read", "--expires-in-days", "0"], "must be from 1"),
        (["--scope", "read", "--expires-in-days", "99999999"], "must be from 1"),
        (["--scope", "read", "--requests-per-second", "-1"], "greater than or equal to 0"),
        (["--scope", "read", "--requests-per-second", str(2**31)], "less than or equal to"),
        (["--scope", "read", "--client", "our shop"], "Letters, digits"),
    ],
)
def test_wrong_words_are_refused_and_nothing_is_made(words: list[Any], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        created("--client", "shop", *words)
    assert (Token.objects.count(), Event.objects.count()) == (0, 0)
