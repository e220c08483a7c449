"""Revokes tokens. The row stays: it tells whose token it was, what it allowed, and when it was last used."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from orchestrator.access.authentication import forget
from orchestrator.access.errors import AlreadyRevoked, NoSuchToken
from orchestrator.access.models import Token
from processes.history import event, record


def revoke(identifier: str, *, by: str, reason: str = "") -> None:
    """Make a token worthless for ever, and record who did it and why.

    This process refuses it at once, others within `authentication.REMEMBERED`. Raises NoSuchToken, AlreadyRevoked.
    """
    with transaction.atomic():
        token = Token.objects.filter(identifier=identifier).first()
        if token is None:
            raise NoSuchToken(identifier)
        if not Token.objects.filter(identifier=identifier, revoked_at=None).update(revoked_at=timezone.now()):
            raise AlreadyRevoked(identifier)
        record([event("token_revoked", None, by=by, client=token.client, identifier=identifier, reason=reason)])
    forget(identifier)


def check_not_revoked(token: Token) -> None:
    """Raise AlreadyRevoked where it is."""
    if token.revoked_at is not None:
        raise AlreadyRevoked(token.identifier)
