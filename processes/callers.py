"""Who asks, as far as views need to know it."""

from __future__ import annotations

from typing import Protocol

from django.http import HttpRequest

from processes.problems import FORBIDDEN, Rejected


class Caller(Protocol):
    """Whoever has shown a token, or is signed in."""

    @property
    def name(self) -> str:
        """What the history calls it."""

    def may_read(self) -> bool:
        """Whether it may see processes and tasks."""

    def may_start(self, actor: str) -> bool:
        """Whether it may start processes of an actor."""

    def acts(self) -> bool:
        """Whether it may take and release tasks of some actor."""

    def may_act(self, actor: str) -> bool:
        """Whether it may take and release tasks of an actor."""

    def may_operate(self, permission: str) -> bool:
        """Whether it may do what people need this Django permission for, as `processes.abort_process`."""


class ApiRequest(HttpRequest):
    """A request of a known caller."""

    auth: Caller


def require(is_allowed: bool, needed: str) -> None:
    """Go on only if the caller may. Raises Rejected, which says what was `needed`."""
    if not is_allowed:
        raise Rejected(FORBIDDEN, f"this needs {needed}")
