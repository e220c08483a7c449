"""Why something does not move: the closed list of causes, and what is told of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Cause(StrEnum):
    """Every process and task has exactly one of these; `unknown` is not among them."""

    ENDED = "ended"
    """It has ended: nothing more is to come."""
    REGISTERING = "registering"
    """It was started a moment ago."""
    REGISTRATION_LATE = "registration_late"
    """No worker has registered it although it is time."""
    FAILED = "failed"
    """A task failed for good and nobody accepts the failure."""
    PAUSED = "paused"
    """Somebody paused the process."""
    EVERYTHING_PAUSED = "everything_paused"
    """Somebody paused everything."""
    ACTOR_BLOCKED = "actor_blocked"
    """Somebody blocked the actor."""
    UNKNOWN_ACTOR = "unknown_actor"
    """Workers live, but none has code for this actor and version."""
    NO_LIVE_WORKER = "no_live_worker"
    """No worker that serves the actor is alive."""
    INCOMPATIBLE_CODE = "incompatible_code"
    """The arguments do not fit the code of the worker that claimed it."""
    BROKER_DEAF = "broker_deaf"
    """Workers live and are idle, but hear no bell."""
    BEAT_LATE = "beat_late"
    """Its time has come, but no recovery scan has run."""
    WAITS_FOR_COMPLETION = "waits_for_completion"
    """A person or a webhook is to complete it."""
    LEASED = "leased"
    """A worker is at it."""
    READY = "ready"
    """A live worker serves the actor; its turn comes."""
    DUE_AT = "due_at"
    """Its time has not come yet."""
    WAITS_FOR_TASK = "waits_for_task"
    """It waits for another task, which has its own answer."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why something does not move: a code, one sentence, the ids that it names, and the action that helps.

    `ids` maps what is named (`process`, `task`, `awaited`, `actor`, `worker`) to its id or name.
    """

    code: Cause
    sentence: str
    action: str
    ids: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence} {self.action}"
