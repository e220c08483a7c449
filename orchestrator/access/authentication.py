"""Whose token a text is: one query by an index, and for the next two seconds none.

A process remembers the rows of tokens whose secret was shown, so that a client that asks a hundred times a second does
not cost a hundred queries. Hence the bound that `docs/operations.md` promises: a revoked token is refused everywhere
within `REMEMBERED`. That a token expires is asked of the remembered row too, and so is exact.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest

from django.db import Error, transaction
from django.db.models import Q
from django.utils import timezone

from orchestrator.access.errors import ExpiredToken, RevokedToken, UnknownToken
from orchestrator.access.models import Token
from orchestrator.access.text import TokenText

REMEMBERED = timedelta(seconds=2)
USE_NOTED_EVERY = timedelta(minutes=1)
MOST_REMEMBERED = 10_000

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Seen:
    """A row as it was read, and when this process last noted a use of the token, or tried to."""

    token: Token
    read_at: datetime
    noted_at: datetime | None


_seen: dict[str, _Seen] = {}


def authenticate(text: str, *, now: datetime | None = None) -> Token:
    """The live token with this text, its use noted. The instance is shared: it must not be changed.

    Raises UnknownToken, ExpiredToken, RevokedToken, each a NotAuthenticated; the latter two only to who knows the
    secret. Raises what the database raises where it must be asked.
    """
    now = now or timezone.now()
    shown = TokenText.parse(text)
    if shown is None:
        raise UnknownToken(None)
    seen = _look_up(shown.identifier, now)
    if seen is None or not compare_digest(shown.digest(), seen.token.secret_sha256):
        raise UnknownToken(shown.identifier)
    if seen.token.revoked_at is not None:
        raise RevokedToken(shown.identifier)
    if seen.token.has_expired(now):
        raise ExpiredToken(shown.identifier)
    # Remembered only now: who does not know a secret cannot fill the memory.
    if len(_seen) >= MOST_REMEMBERED:
        _seen.clear()
    _seen[shown.identifier] = seen
    _note_use(seen, now)
    return seen.token


def forget(identifier: str) -> None:
    """Ask the database at the next authentication."""
    _seen.pop(identifier, None)


def _look_up(identifier: str, now: datetime) -> _Seen | None:
    seen = _seen.get(identifier)
    # A clock that was set back must not prolong what is remembered.
    if seen is not None and timedelta(0) <= now - seen.read_at < REMEMBERED:
        return seen
    token = Token.objects.filter(identifier=identifier).first()
    if token is None:
        return None
    noted = [at for at in (token.last_used_at, seen.noted_at if seen else None) if at is not None]
    return _Seen(token, read_at=now, noted_at=max(noted, default=None))


def _note_use(seen: _Seen, now: datetime) -> None:
    """Write `last_used_at`, at most once a minute.

    The request goes on whatever happens: a row that somebody else has locked is passed by, an error is only logged,
    and the next try is a minute away in either case.
    """
    if seen.noted_at is not None and now - seen.noted_at < USE_NOTED_EVERY:
        return
    seen.noted_at = now
    due = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
    rows = Token.objects.filter(due, identifier=seen.token.identifier).select_for_update(skip_locked=True, no_key=True)
    try:
        with transaction.atomic():
            Token.objects.filter(identifier__in=rows.values("identifier")).update(last_used_at=now)
    except Error as error:
        logger.warning(
            "the last use of a token was not written",
            extra={"event": "token_use_not_written", "token": seen.token.identifier, "error": str(error).strip()},
        )
