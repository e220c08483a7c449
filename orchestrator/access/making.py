"""Makes tokens. The text of a token is known here, to whoever is told it, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from orchestrator.access.errors import InvalidToken
from orchestrator.access.models import Token
from orchestrator.access.text import TokenText
from processes.history import event, record


def create_token(
    *,
    client: str,
    scopes: Iterable[str],
    start_actors: Iterable[str] = (),
    act_actors: Iterable[str] = (),
    requests_per_second: int | None = None,
    expires_at: datetime | None = None,
    by: str,
) -> Token:
    """Make a token; its `text`, which the client needs, is on the returned instance and nowhere else.

    Raises InvalidToken, whose message names what is wrong.
    """
    token = Token(
        client=client,
        scopes=list(scopes),
        start_actors=list(start_actors),
        act_actors=list(act_actors),
        requests_per_second=requests_per_second,
        expires_at=expires_at,
    )
    issue(token, by=by)
    return token


def issue(token: Token, *, by: str) -> None:
    """Give a token that is not saved yet its identifier and secret, set its `text`, save it, and record who did it.

    Raises InvalidToken.
    """
    text = TokenText.new()
    token.identifier = text.identifier
    token.secret_sha256 = text.digest()
    token.created_by = by
    try:
        token.full_clean()
    except ValidationError as error:
        raise InvalidToken(" ".join(error.messages)) from error
    with transaction.atomic():
        token.save(force_insert=True)
        told = event("token_made", None, by=by, client=token.client, identifier=token.identifier, allows=token.allows())
        record([told])
    token.text = text.written()
