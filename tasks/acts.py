"""Acts of people: each is recorded with who did it and why, and is safe to repeat under a request id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError

from processes.errors import InvalidOrder, Refused, RequestIdTaken
from processes.history import event, record
from processes.models import Event
from tasks.transactions import repeated_or_within

WORDS_LIMIT = 255
REASON_LIMIT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who wants something done, why, and under which `request_id` it may be repeated. Raises InvalidOrder."""

    by: str = ""
    reason: str = ""
    request_id: str | None = None

    def __post_init__(self) -> None:
        for text, limit in ((self.by, WORDS_LIMIT), (self.reason, REASON_LIMIT), (self.request_id, WORDS_LIMIT)):
            if text is not None and not _is_plain(text, limit):
                raise InvalidOrder
        if self.by is None or self.reason is None or self.request_id == "":
            raise InvalidOrder

    def within(self, target: UUID | str) -> Order:
        """The order for one of many targets: it has a request id of its own."""
        request_id = f"{self.request_id}:{target}" if self.request_id is not None else None
        return Order(by=self.by, reason=self.reason, request_id=request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is to be done (the kind of its event), to what, by whose order."""

    kind: str
    order: Order
    process_id: UUID | None = None
    task_id: UUID | None = None
    actor: str | None = None

    def to_event(self, changed: Mapping[str, object]) -> Event:
        """The audit record, not yet written; `changed` is plain JSON."""
        detail = dict(changed) | {"reason": self.order.reason} | ({"actor": self.actor} if self.actor else {})
        told = event(self.kind, self.process_id, self.task_id, by=self.order.by, **detail)
        told.request_id = self.order.request_id
        return told

    def answered(self) -> Event | None:
        """The first answer to this request; None if there is none. Raises RequestIdTaken."""
        if self.order.request_id is None:
            return None
        first = Event.objects.filter(request_id=self.order.request_id).first()
        if first is None:
            return None
        if first.kind != self.kind or (self.process_id, self.task_id, self.actor) != (
            first.process_id,
            first.task_id,
            first.detail.get("actor") if self.actor else None,
        ):
            raise RequestIdTaken(f"the request id {self.order.request_id!r} names another act: {first}")
        return first


def perform(act: Act, do: Callable[[], Mapping[str, object]]) -> Event:
    """Do something and record it in one transaction; return the record, at a repeated request the first one.

    `do` returns what it changed. Inside a caller's transaction the act commits with it. Raises RequestIdTaken and what
    `do` raises; then nothing is changed.
    """

    def transact() -> Event:
        told = act.to_event(do())
        record([told])
        return told

    first = act.answered()
    if first is not None:
        return first
    try:
        return repeated_or_within(transact)
    except (Refused, IntegrityError):
        # The same request may have come twice at once: the other one has done it meanwhile.
        first = act.answered()
        if first is None:
            raise
        return first


def _is_plain(text: object, limit: int) -> bool:
    if not isinstance(text, str) or len(text) > limit or "\0" in text:
        return False
    try:
        return bool(text.encode()) or text == ""
    except UnicodeEncodeError:
        return False
