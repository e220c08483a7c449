"""What can be wrong with tokens. Every error leaves state unchanged, and none repeats the text of a token."""

from __future__ import annotations

from typing import ClassVar

from processes.errors import Refused


class AccessError(Exception):
    """Something is wrong with a token."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class InvalidToken(AccessError):
    """A token cannot be made like this."""


class NotAuthenticated(AccessError):
    """The text is that of no token which is valid now.

    `code` is for logs: who shows such a text need not learn which of them it is. `identifier` is the token that was
    meant, None where the text has not the form of a token.
    """

    code: ClassVar[str] = "not_authenticated"

    def __init__(self, identifier: str | None) -> None:
        super().__init__(f"{type(self).__doc__} Token {identifier or 'without identifier'}.")
        self.identifier = identifier


class UnknownToken(NotAuthenticated):
    """There is no token with this text."""

    code = "token_unknown"


class ExpiredToken(NotAuthenticated):
    """The token has expired."""

    code = "token_expired"


class RevokedToken(NotAuthenticated):
    """The token was revoked."""

    code = "token_revoked"


class TokenRefused(Refused):
    """The state of the token does not allow this."""

    subject = "Token"


class NoSuchToken(TokenRefused):
    """There is no such token."""

    code = "no_such_token"


class AlreadyRevoked(TokenRefused):
    """The token is revoked already."""

    code = "already_revoked"
