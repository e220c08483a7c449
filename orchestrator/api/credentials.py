"""Who asks: whoever shows a bearer token, or is signed in and has the permissions of the console."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja.security import HttpBearer, SessionAuth

from orchestrator.access.allowance import Buckets
from orchestrator.access.authentication import authenticate
from orchestrator.access.errors import NotAuthenticated
from orchestrator.access.models import Token
from processes.callers import Caller
from processes.problems import RATE_LIMITED, UNAUTHENTICATED, Rejected
from processes.waiting import REPEATED

ALLOWANCE = "orchestrator.allowance"
"""Where the request keeps what is left of its token's rate."""
_buckets = Buckets()
"""Of this server process."""


class TokenCaller:
    """A client, by its token."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self.name = f"{token.client} ({token.identifier})"
        self.may_read, self.may_start = token.may_read, token.may_start
        self.acts, self.may_act = token.acts, token.may_act

    def may_operate(self, permission: str) -> bool:
        """Whether the token has the scope, whatever the act."""
        return self._token.may_operate()


class SignedIn:
    """A person, by the permissions that count in the console, too."""

    def __init__(self, user: Any) -> None:
        self._user = user
        self.name = user.get_username()

    def may_read(self) -> bool:
        """Whether they see processes in the console."""
        return bool(self._user.has_perm("processes.view_process"))

    def may_start(self, actor: str) -> bool:
        """Whether they may add processes."""
        return bool(self._user.has_perm("processes.add_process"))

    def acts(self) -> bool:
        """Whether they may change tasks."""
        return bool(self._user.has_perm("tasks.change_task"))

    def may_act(self, actor: str) -> bool:
        """Whether they may change tasks."""
        return self.acts()

    def may_operate(self, permission: str) -> bool:
        """Whether they have this permission."""
        return bool(self._user.has_perm(permission))


class Bearer(HttpBearer):
    """`Authorization: Bearer orc_…`."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """The client, within its rate limit. Raises Rejected beyond it. A request that waited is counted once."""
        try:
            known = authenticate(token)
        except NotAuthenticated:
            return None
        if REPEATED not in request.META:
            allowance = _buckets.take(known)
            if allowance is not None and not allowance.granted:
                raise Rejected(RATE_LIMITED, headers=allowance.headers())
            request.META[ALLOWANCE] = allowance
        return TokenCaller(known)


class Session(SessionAuth):
    """The session of the console; writing needs its CSRF token."""

    def _get_key(self, request: HttpRequest) -> str | None:
        # Without a cookie nobody is signed in, and there is nothing to forge.
        return super()._get_key(request) if settings.SESSION_COOKIE_NAME in request.COOKIES else None

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller | None:
        """Who is signed in."""
        return SignedIn(request.user) if request.user.is_authenticated else None


CREDENTIALS = (Bearer(), Session())


def unauthenticated() -> Rejected:
    """Nobody known asks."""
    return Rejected(UNAUTHENTICATED, headers={"WWW-Authenticate": "Bearer"})


def known_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view of the document and its page: for whoever is known."""

    @wraps(view)
    def checked(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        if not any(each(request) for each in CREDENTIALS):
            raise unauthenticated()
        return view(request, *arguments, **named)

    return checked
